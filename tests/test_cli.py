"""The command line teaches, and tells a slip: the thing, the found, the expected, and a hint."""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer
from typer.testing import CliRunner

import headrace
from infra import processes, terminal, topics
from infra.settings import Settings
from schemas import domains
from tests.test_compose import parse

Run = Callable[..., tuple[int, str, str]]
ROOT: Any = typer.main.get_command(headrace.app)


def _commands(group: Any = ROOT, *names: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, *names, name)
        yield (*names, name), command


COMMANDS = dict(_commands())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs a command line as `headrace` does; gives its exit code, output and errors."""
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HEADRACE_WAIT_S", "1")
    monkeypatch.setattr(terminal.out, "_width", 300)
    monkeypatch.setattr(terminal.err, "_width", 300)
    monkeypatch.setattr(terminal.out, "_height", 50)
    monkeypatch.setattr(terminal.err, "_height", 50)

    def call(*words: str, **settings: str) -> tuple[int, str, str]:
        for name, value in settings.items():
            monkeypatch.setenv(f"HEADRACE_{name.upper()}", value)
        monkeypatch.setattr("sys.argv", ["headrace", *words])
        with pytest.raises(SystemExit) as ended:
            headrace.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_of_every_command_teaches(words: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(headrace.app, [*words, "--help"])
    assert shown.exit_code == 0
    command = COMMANDS[words]
    assert len(command.help) > 10
    prose = [part.strip() for part in command.help.split("\n\n") if not part.startswith("\b")]
    assert [part for part in prose if "\n" in part] == []
    for parameter in command.params:
        assert getattr(parameter, "help", "") or parameter.name == "help", parameter.name


def test_helps_that_are_no_docstrings_are_kept() -> None:
    for words in (("route", "set"), ("route", "evaluate")):
        assert "epsilon-greedy    the best so far" in COMMANDS[words].help


FLOATS = [
    (words, option.opts[0])
    for words, command in COMMANDS.items()
    for option in command.params
    if option.type_descriptor.annotation is float
]


def test_there_are_numbers_to_check() -> None:
    assert len(FLOATS) > 30


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize(("words", "option"), FLOATS, ids="".join)
def test_no_number_may_be_nan_or_infinite(words: tuple[str, ...], option: str, value: str) -> None:
    ran = CliRunner(env={"COLUMNS": "200"}).invoke(headrace.app, [*words, option, value])
    assert ran.exit_code == 2
    assert f"Invalid value for '{option}': {value}; expected a finite number" in ran.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("latency --warmup -1", "'--warmup': -1.0; expected a finite number, "),
        ("latency --budget 0", "'--budget': 0.0; expected a finite number, "),
        ("latency --rate -3", "'--rate': -3.0; expected a finite number, "),
        ("latency --seconds 1e30", "'--seconds': 1e+30; expected a finite number, "),
        ("latency --at tomorrow", "'--at': 'tomorrow'; expected data, now, or milliseconds"),
        ("latency --check nothing", "'--check': 'nothing'; expected headrace, status, or module"),
        ("latency --url 127.0.0.1:1/predict", "'--url': '127.0.0.1:1/predict' is no URL of the"),
        ("streams --days 3", "'--days': 3.0 without --year; expected --year, or --data-days"),
        ("streams --learner tree", "'--learner': tree without --year; expected --year"),
        ("compare a b --confidence 99", "'--confidence': 99.0; expected a finite number, "),
        ("compare a b --confidence 0", "'--confidence': 0.0; expected a finite number, "),
    ],
)
def test_a_wrong_argument_of_a_benchmark_names_its_option(words: str, told: str) -> None:
    shell = CliRunner(env={"COLUMNS": "200"})
    ran = shell.invoke(headrace.app, ["bench", *words.split()])
    assert ran.exit_code == 2
    assert f"Invalid value for {told}" in ran.output


@pytest.mark.parametrize("command", sorted(COMMANDS["bench",].commands.keys() - {"compare"}))
def test_a_folder_that_cannot_be_is_refused_before_the_work(command: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    shell = CliRunner(env={"COLUMNS": "400"})
    ran = shell.invoke(headrace.app, ["bench", command, "--out", str(file / "results")])
    assert ran.exit_code == 2
    assert f"Invalid value for '--out': {file}/results: {file} is no folder" in ran.output
    assert not file.read_bytes()


def _examples() -> list[str]:
    text = "\n".join([headrace.HELP, *(command.help for command in COMMANDS.values())])
    joined = re.sub(r"\[/?\w*\]", "", text).replace("\\\n", " ")
    lines = re.findall(r"^ *(?:tail .*\| )?(headrace .*?)(?: {3,}.*)?$", joined, re.MULTILINE)
    return sorted({line.strip() for line in lines})


@pytest.mark.parametrize("line", _examples())
def test_examples_of_the_helps_are_commands(line: str) -> None:
    parse(shlex.split(line)[1:])


def test_the_helps_have_examples_to_check() -> None:
    assert len(_examples()) > 15


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--domain", "fligths", "topics"], ["'fligths'", "flights, payments", "did you mean"]),
        (["flow", "featurs"], ["'featurs'", "learning", "did you mean 'features'"]),
        (["features", "show", "orign", "JFK"], ["'orign'", "carrier", "did you mean 'origin'"]),
        (["features", "show", "origin", "JFK", "--at", "noon"], ["'noon'", "ISO 8601"]),
        (["features", "show", "origin", "JFK", "--at", "2013-01-02"], ["'2013-01-02'", "offset"]),
        (["produce"], ["--dataset", "standard input"]),
        (["produce", "nowhere.jsonl"], ["nowhere.jsonl", "No such file"]),
        (["produce", "x", "--dataset"], ["one of them"]),
        (["produce", "x", "--days", "1", "--seed", "1"], ["--days, --seed with x;", "--dataset"]),
        (["produce", "-", "--plant", "label@3", "--truth", "t"], ["--plant, --truth with -;"]),
        (["produce", "x", "--start", "2013-07-01"], ["--start with x; expected with --dataset"]),
        (["produce", "--dataset", "--days", "-1"], ["days", "-1"]),
        (["produce", "--dataset", "--start", "2031-01-01"], ["2031-01-01", "2013-01-01"]),
        (["produce", "--dataset", "--start", "July"], ["July"]),
        (["produce", "-", "--stream", "lables"], ["'lables'", "labels"]),
        (["predict"], ["name=value", "--json"]),
        (["predict", "carrier"], ["'carrier'", "name=value"]),
        (["predict", "carier=UA"], ["'carier'", "did you mean 'carrier'"]),
        (["predict", "--json", "{"], ["request"]),
        (["predict", "--json", "[1]"], ["request"]),
        (["evaluate", "--by", "carier"], ["'carier'", "origin", "did you mean 'carrier'"]),
        (["route", "evaluate", "--arm", "logistc"], ["'logistc'", "did you mean 'logistic'"]),
        (["route", "set", "fixd"], ["'fixd'", "thompson", "did you mean 'fixed'"]),
        (["demo", "--days", "0"], ["days", "0"]),
        (["demo", "--days", "0.00001"], ["1e-05 days", "no question", "0.2 days have"]),
        (["demo", "--plant", "label@3"], ["recorded", "label@3"]),
        (["demo", "--domain", "payments", "--plant", "label@3x99"], ["label@3x99", "at most x50"]),
        (["demo", "--domain", "payment"], ["'payment'", "did you mean 'payments'"]),
        (["status"], []),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else None,
)
def test_slip_is_told_in_a_line(
    run: Run, words: list[str], told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*words)
    assert code == 1
    assert list(tmp_path.iterdir()) == []
    for part in told:
        assert part in err
    assert "Traceback" not in out + err
    assert len(err.splitlines()) <= 3


MINE = """
from dataclasses import replace
from schemas.declare import LearnerSpec
from schemas.payments.domain import DOMAIN as PAYMENTS
DOMAIN = replace(PAYMENTS, learners=(*PAYMENTS.learners, {spec}))
"""


@pytest.mark.parametrize(
    ("words", "spec", "told"),
    [
        (["flow", "learning"], '"x", "logistic", options={"raet": 0.15}', "did you mean 'rate'?"),
        (["flow", "features"], '"x", "adaptive_treee"', "did you mean 'adaptive_tree'?"),
        (["up"], '"x", "logistic", options={"rate": "fast"}', "'fast'; expected a finite number"),
        (["demo"], '"x", "logistic", options={"focal": -3}', "-3; expected a finite number, 0 or"),
        (["serve"], '"x", "adaptive_treee"', "did you mean 'adaptive_tree'?"),
        (["topics"], '"x", "logistic", columns="satic"', "did you mean 'static'?"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else None,
)
def test_slip_in_a_learner_of_ones_own_domain_is_told_before_anything_runs(
    run: Run, tmp_path: Path, words: list[str], spec: str, told: str
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "domain.py").write_text(MINE.format(spec=f"LearnerSpec({spec})"))
    code, out, err = run("--domain", f"{tmp_path}/mine", *words)
    assert code == 1
    assert "learner 'x'" in err
    assert told in err
    assert len((out + err).splitlines()) == 1
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["produce", "--datset"], "--dataset"),
        (["produec"], "produce"),
        (["flow", "features", "--workers", "0"], "workers"),
        (["demo", "--seed", "-1"], "--seed"),
        (["produce", "--dataset", "--seed", "-1"], "--seed"),
        (["flow", "features", "--process", "0"], "--addresses"),
        (["features", "shwo"], "show"),
        (["predict", "--jsn", "{}"], "--json"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else None,
)
def test_misspelt_words_are_code_2_and_get_the_nearest(
    run: Run, words: list[str], told: str
) -> None:
    code, _, err = run(*words)
    assert code == 2
    assert told in err


@pytest.mark.parametrize(
    "words",
    [
        ["topics"],
        ["models"],
        ["dead-letters"],
        ["produce", "--dataset", "--days", "1"],
        ["flow", "features"],
    ],
    ids=" ".join,
)
def test_without_any_stack_it_is_told_what_to_do(run: Run, words: list[str]) -> None:
    code, out, err = run(*words)
    assert code == 1
    assert re.search("HEADRACE_(KAFKA|REDIS) is not set", err)
    assert "headrace up" in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize("words", [["topics"], ["models"], ["flow", "learning"]], ids=" ".join)
def test_broker_that_does_not_run_is_named(run: Run, words: list[str], redis_url: str) -> None:
    address = f"127.0.0.1:{processes.free_port()}"
    code, out, err = run(*words, kafka=address, redis=redis_url)
    assert code == 1
    assert address in err
    assert "is it running" in err
    assert "Traceback" not in out + err


def test_redis_that_does_not_run_is_named(run: Run, broker: str) -> None:
    port = processes.free_port()
    code, out, err = run(
        "features", "show", "origin", "JFK", kafka=broker, redis=f"redis://127.0.0.1:{port}/0"
    )
    assert code == 1
    assert str(port) in err
    assert "Traceback" not in out + err


def test_endpoint_that_does_not_run_is_named(run: Run) -> None:
    port = str(processes.free_port())
    words = ("carrier=UA", "flight=UA1", "origin=EWR", "dest=IAH", "distance=1", "scheduled=1e12")
    code, _, err = run("predict", *words[:-1], "scheduled=1372670100000", http_port=port)
    assert code == 1
    assert f"no endpoint at http://127.0.0.1:{port}" in err
    assert "headrace serve" in err


def test_unknown_key_says_how_keys_look(run: Run, broker: str, redis_url: str) -> None:
    code, _, err = run("features", "show", "route", "JFK", kafka=broker, redis=redis_url)
    assert code == 1
    assert "'JFK'" in err
    assert "origin|dest" in err


def test_wrong_settings_are_named(run: Run) -> None:
    assert "HEADRACE_HTTP_PORT" in run("status", http_port="eighty")[2]
    code, _, err = run("status", http_prot="80")
    assert code == 1
    assert "HEADRACE_HTTP_PROT" in err
    assert "HEADRACE_HTTP_PORT" in err


def test_status_of_nothing_is_code_1(run: Run) -> None:
    code, out, _ = run("status")
    assert code == 1
    assert "not configured" in out


@pytest.fixture
def first_runs(tmp_path: Path) -> Iterator[str]:
    """The address of an endpoint, and the file of a stack of generation g1 that names it."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ready) as served:
        threading.Thread(target=served.serve_forever).start()
        url = f"http://127.0.0.1:{served.server_port}"
        process = {"pid": os.getpid(), "started": psutil.Process().create_time(), "log": "a.log"}
        names = ("features", "endpoint")
        running = [{"name": name, **process, "metrics": f"{url}/metrics"} for name in names]
        content = {"http": url, "generation": "g1", "processes": running}
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "stack.json").write_text(json.dumps(content))
        yield url
        served.shutdown()


class Ready(http.server.BaseHTTPRequestHandler):
    """Says yes to all."""

    def do_GET(self) -> None:
        """An empty page."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_the_stack_of_another_generation_is_not_told_as_this_ones(
    run: Run, first_runs: str
) -> None:
    _, out, _ = run("status", generation="g1")
    assert first_runs in out
    assert "features" in out
    code, out, _ = run("status", generation="g2", http_port="1")
    assert code == 1
    assert first_runs not in out
    assert not re.search(r"\bfeatures\b.*\bup\b", out)
    assert "of generation g1, not g2: HEADRACE_GENERATION=g1 shows them" in out
    _, out, _ = run("status", generation="g2", http_port=first_runs.rpartition(":")[2])
    assert re.search(r"endpoint\W+down\W+none of this generation", out)


def test_the_endpoint_of_another_generation_is_not_asked(run: Run, first_runs: str) -> None:
    words = ("predict", "--json", "{}")
    code, _, err = run(*words, generation="g2", http_port=first_runs.rpartition(":")[2])
    assert code == 1
    assert f"{first_runs} is the endpoint of generation g1" in err
    assert "expected one of g2: `headrace serve` with another HEADRACE_HTTP_PORT" in err
    port = str(processes.free_port())
    assert f"no endpoint at http://127.0.0.1:{port}" in run(*words, http_port=port)[2]


def test_down_of_nothing_is_no_error(run: Run) -> None:
    code, out, _ = run("down")
    assert (code, "nothing ran" in out) == (0, True)


def test_bad_rows_from_a_file_are_told_and_the_rest_is_sent(
    run: Run, broker: str, redis_url: str, tmp_path: Path
) -> None:
    topics.create_topics(Settings(kafka=broker, redis=redis_url), domains.load("flights"))
    weather = {"event": "weather", "time": "2013-07-01T12:00:00Z", "origin": "JFK"}
    rows = [weather, {**weather, "time": "noon"}, {**weather, "orign": "x"}, {"event": "wether"}]
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\nno json\n")
    code, out, err = run("produce", str(file), kafka=broker, redis=redis_url)
    assert code == 1
    for part in (":2: field 'time': 'noon'", ":3: ", "'origin'", "'weather'", ":5: no JSON"):
        assert part in err
    assert re.search(r"weather\W+1\b", out)
    assert re.search(r"bad rows\W+4\b", out)


def test_topics_are_created_and_told(run: Run, broker: str, redis_url: str) -> None:
    code, out, _ = run("topics", "--create", kafka=broker, redis=redis_url)
    assert code == 0
    rows = [line for line in out.splitlines() if "flights." in line or topics.SCHEMAS in line]
    for name in (*(f"flights.{stream}" for stream in topics.STREAMS), topics.SCHEMAS):
        assert any(name in row for row in rows)
    assert not [row for row in rows if "missing" in row]


def test_the_file_that_is_read_is_not_written(run: Run, tmp_path: Path) -> None:
    asked, link = tmp_path / "asked.jsonl", tmp_path / "link.jsonl"
    asked.write_text("{}\n")
    link.symlink_to(asked)
    for out in (asked, link):
        code, _, err = run("predict", "--file", str(asked), "--out", str(out))
        assert code == 1
        assert err == f"{out} is {asked}, which is read; expected another file\n"
    assert asked.read_text() == "{}\n"


def test_any_path_that_cannot_be_used_is_told_in_a_line(
    run: Run, tmp_path: Path, broker: str, redis_url: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    truth = file / "truth.jsonl"
    words = ["--domain", "payments", "produce", "--dataset", "--days", "1", "--truth", str(truth)]
    code, _, err = run(*words, kafka=broker, redis=redis_url)
    assert (code, err) == (1, f"{truth}: {file} is no folder\n")
    code, _, err = run("--home", str(file), "status")
    assert (code, err) == (1, f"{file}/stack.json: Not a directory\n")
