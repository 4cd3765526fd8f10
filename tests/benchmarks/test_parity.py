"""Served vectors equal the recomputed ones on a small run, and skews that are planted are found."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner

from benchmarks import commands
from benchmarks.proofs import parity_run
from benchmarks.proofs.parity import Parity, check, told
from infra import inspection
from infra.feature_store import FeatureStore, blob_name
from infra.producing import send
from infra.registry import registry
from infra.sending import Sender
from infra.settings import Settings
from online_models.features.layout import layouts_of
from online_models.features.tiles import TileTable
from schemas import domains
from schemas.dataset import Stamped
from schemas.declare import HOUR
from tests.serving.worlds import World, world

QUESTIONS, UNSEEN = 40, 30
COUNTED = "origin.departed.count.6h"


@dataclasses.dataclass
class Run:
    """A world, what it was asked, and the parity of the log so far."""

    world: World
    requests: dict[str, dict[str, Any]]

    def ask(self, tag: str) -> None:
        """Asks an endpoint of its own the same questions under other ids."""
        with self.world.endpoint() as url:
            for request in self.world.requests[:QUESTIONS]:
                tagged = {**request, "id": f"{tag}{request['id']}"}
                self.world.ask(url, tagged)
                self.requests[tagged["id"]] = tagged

    def check(self, patience: int = 60_000) -> Parity:
        """The parity of all that was asked."""
        return check(self.world.settings, self.world.domain, self.requests, patience)


@pytest.fixture(scope="module")
def run(broker: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Half a day of flights, asked about twice: the second time, Redis lacks UNSEEN events."""
    name = f"parity{os.getpid()}"
    domain = dataclasses.replace(domains.load("flights"), name=name)
    home = tmp_path_factory.mktemp("home")
    made = world(Settings(kafka=broker, redis=redis_url, home=home, generation=name), domain)
    asked = Run(made, {})
    asked.ask("a.")
    sender = Sender(made.settings, domain, registry(made.settings))
    for event in departures(made)[-UNSEEN:]:
        send(sender, domain, Stamped(event["time"], "events", "departed", event))
    sender.flush()
    asked.ask("b.")
    return asked


def departures(made: World) -> list[dict[str, Any]]:
    """Those of the log that were known when the first question was asked, in event-time order."""
    first = min(request["at"] for request in made.requests[:QUESTIONS])
    events = inspection.read(made.settings, made.domain, "events")
    known = [e for e in events if "air_time" not in e and "delay" in e and e["time"] <= first]
    return sorted(known, key=lambda event: event["time"])


def test_every_value_is_the_same_and_what_is_in_flight_is_told(run: Run) -> None:
    found = run.check()
    assert found.equal, list(told(found))
    assert found.predictions == found.vectors == 2 * QUESTIONS
    assert found.values == found.vectors * len(run.world.domain.vector_names)
    assert found.applied > 1_000
    assert QUESTIONS / 2 <= found.behind <= QUESTIONS
    assert found.in_flight >= found.behind
    assert "every value is the same" in list(told(found))[-1]


def test_events_that_never_reach_redis_are_lost(run: Run) -> None:
    found = run.check(patience=0)
    assert found.lost > 0
    assert not found.different_values
    assert not found.equal


def test_a_request_that_is_not_what_was_asked_is_found(run: Run) -> None:
    shifted = {i: {**r, "scheduled": r["scheduled"] + HOUR} for i, r in run.requests.items()}
    found = check(run.world.settings, run.world.domain, shifted)
    assert found.different_vectors == found.vectors
    assert found.differences[0].feature == "minute_of_day"


def counted_twice(made: World, origin: str) -> None:
    """Puts an event into the state of an origin once more, as a flow that reads it twice would."""
    event = departures(made)[-1] | {"origin": origin}
    store, layout = FeatureStore(made.settings, made.domain), layouts_of(made.domain)["origin"]
    table = TileTable(layout, made.settings.partitions)
    table.load(origin, store.read([("origin", origin)])[0])
    table.update("departed", [origin], [event], 0, [0])
    name = blob_name(made.domain.name, made.settings.generation, "origin", origin)
    client: Any = redis.Redis.from_url(made.settings.redis_url)
    client.set(name, table.touched()[origin])
    client.close()
    store.close()


def test_an_event_counted_twice_is_found_and_the_command_fails(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    origin = run.world.requests[0]["origin"]
    counted_twice(run.world, origin)
    run.ask("c.")
    found = run.check()
    skewed = {i for i, r in run.requests.items() if i.startswith("c.") and r["origin"] == origin}
    assert found.different_vectors == len(skewed) > 0
    assert {each.id for each in found.differences} <= skewed
    assert COUNTED in {each.feature for each in found.differences}
    monkeypatch.setattr(parity_run, "served", lambda *_: found)
    said = CliRunner().invoke(commands.app, ["parity", "--out", str(tmp_path)])
    assert said.exit_code == 1
    assert found.differences[0].feature in said.output
    assert (tmp_path / "parity.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--hurry",)])
def test_a_stack_of_its_own(tmp_path: Path, more: tuple[str, ...]) -> None:
    out = ["--out", str(tmp_path), "--days", "0.5", *more]
    said = CliRunner().invoke(commands.app, ["parity", "--own-stack", *out])
    assert said.exit_code == 0, said.output
    assert "every value is the same" in said.output
