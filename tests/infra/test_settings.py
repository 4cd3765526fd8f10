"""A wrong setting is named with what was found and what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import settings as room
from infra.settings import Settings, SettingsError, alone, child_environment, load


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine, and a home without a stack."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"HEADRACE_{name.upper()}", raising=False)
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path))


def test_the_environment_is_read_and_what_is_given_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_KAFKA", "a:9092,b:9092")
    monkeypatch.setenv("HEADRACE_PARTITIONS", "6")
    monkeypatch.setenv("HEADRACE_KAFKA_OPTIONS", '{"security.protocol": "SSL"}')
    found = load(domain="payments", partitions=7)
    assert (found.brokers, found.domain, found.partitions) == ("a:9092,b:9092", "payments", 7)
    assert found.kafka_options == {"security.protocol": "SSL"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("HEADRACE_KAKFA", "HEADRACE_KAKFA is no setting; did you mean HEADRACE_KAFKA"),
        ("HEADRACE_REDIS_URL", "did you mean HEADRACE_REDIS"),
        ("HEADRACE_QQQQQ", "HEADRACE_QQQQQ is no setting; unset it"),
    ],
)
def test_an_unknown_setting_is_answered_with_the_nearest(
    monkeypatch: pytest.MonkeyPatch, name: str, said: str
) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(SettingsError, match=said):
        load()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "HEADRACE_PARTITIONS",
            "0",
            "HEADRACE_PARTITIONS: .*greater than or equal to 1, found '0'",
        ),
        ("HEADRACE_PARTITIONS", "four", "HEADRACE_PARTITIONS: .*integer.*found 'four'"),
        ("HEADRACE_HTTP_PORT", "65536", "HEADRACE_HTTP_PORT: .*less than or equal to 65535"),
        ("HEADRACE_BUDGET_MS", "-1", "HEADRACE_BUDGET_MS: .*greater than 0, found '-1'"),
        ("HEADRACE_SEED", "-1", "HEADRACE_SEED: .*greater than or equal to 0, found '-1'"),
        ("HEADRACE_LOG_LEVEL", "loud", "HEADRACE_LOG_LEVEL: .*'debug', 'info'.*found 'loud'"),
        ("HEADRACE_GENERATION", "gé", "HEADRACE_GENERATION: .*pattern.*found 'gé'"),
        ("HEADRACE_GENERATION", "a b", "HEADRACE_GENERATION: .*pattern.*found 'a b'"),
        ("HEADRACE_KAFKA_OPTIONS", "{", "kafka_options"),
    ],
)
def test_a_wrong_value_names_its_variable_and_itself(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        load()


def test_addresses_come_from_the_stack_where_none_are_given(tmp_path: Path) -> None:
    found = load()
    with pytest.raises(SettingsError, match=r"HEADRACE_KAFKA is not set, and .*headrace up"):
        _ = found.brokers
    with pytest.raises(SettingsError, match="HEADRACE_REDIS is not set"):
        _ = found.redis_url
    assert found.endpoint == "http://127.0.0.1:8080"
    stack = {"kafka": "127.0.0.1:1", "redis": "redis://127.0.0.1:2", "http": "http://127.0.0.1:3"}
    (tmp_path / room.STACK_FILE).write_text(json.dumps(stack))
    assert (found.brokers, found.redis_url, found.endpoint) == tuple(stack.values())
    assert load(kafka="own:9092").brokers == "own:9092"


@pytest.mark.parametrize("content", ["{", "[]", "7"])
def test_a_broken_stack_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / room.STACK_FILE).write_text(content)
    with pytest.raises(SettingsError, match=r"stack\.json .*run `headrace down`"):
        _ = load().brokers


def test_a_child_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parent = load(kafka="a:1", kafka_options={"x": 1}, home=tmp_path / "h", budget_ms=12.5)
    child = child_environment(parent, metrics_port=9100)
    for name, value in child.items():
        if name.startswith("HEADRACE_"):
            monkeypatch.setenv(name, value)
    assert load() == parent.model_copy(update={"metrics_port": 9100})


def test_every_setting_says_what_it_means() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_a_stack_alone_shares_nothing_with_another(tmp_path: Path) -> None:
    shared = load(
        domain="payments",
        kafka="a:1",
        kafka_options={"security.protocol": "SSL"},
        redis="redis://a",
        registry="http://a",
        http_port=8080,
        metrics_port=9100,
        generation="g2",
        seed=7,
    )
    assert alone(shared, tmp_path) == load(
        domain="payments", seed=7, home=tmp_path, http_port=0, metrics_port=0
    )
    assert alone(shared, tmp_path, kafka="b:1").brokers == "b:1"
