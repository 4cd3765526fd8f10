"""No engine runs here, so what the files name is checked against the code."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from prometheus_client import Counter, Gauge, Histogram

import headrace
from flows.run import FLOWS
from infra import metrics
from infra.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name: each for name, each in SERVICES.items() if each["image"] == "headrace"}
DOCKERFILE = (ROOT / "infra/Dockerfile").read_text()
UsageError: type[Exception] = typer.BadParameter.__mro__[1]
DASHBOARD = json.loads((ROOT / "infra/grafana/dashboards/headrace.json").read_text())


def parse(words: list[str]) -> Any:
    """Parses a command line down to its last command, without running it; gives the context."""
    context: Any = typer.main.get_command(headrace.app).make_context("headrace", list(words))
    while hasattr(context.command, "resolve_command"):
        left = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, left)
        context = command.make_context(name, rest, parent=context)
    return context


@pytest.mark.parametrize("name", OWN)
def test_commands_exist(name: str) -> None:
    context = parse(OWN[name]["command"])
    if context.command.name == "flow":
        assert context.params["name"] in FLOWS


def test_every_flow_is_a_service() -> None:
    run = {each["command"][1] for each in OWN.values() if each["command"][0] == "flow"}
    assert run == set(FLOWS)


def test_a_wrong_command_is_caught() -> None:
    with pytest.raises(UsageError):
        parse(["flow", "features", "--wrokers", "2"])
    with pytest.raises(UsageError):
        parse(["flwo", "features"])


@pytest.mark.parametrize("name", OWN)
def test_settings_exist_and_are_valid(name: str) -> None:
    given = {
        key.removeprefix(PREFIX).lower(): str(value)
        for key, value in OWN[name]["environment"].items()
    }
    assert given.keys() <= Settings.model_fields.keys()
    assert all(key.startswith(PREFIX) for key in OWN[name]["environment"])
    plain = {key: re.sub(r"\$\{\w+:-(.*)\}", r"\1", value) for key, value in given.items()}
    made = Settings.model_validate_strings(plain)
    assert made.kafka is not None
    assert made.redis is not None


def test_addresses_name_services_and_the_ports_they_listen_on() -> None:
    settings = OWN["endpoint"]["environment"]
    redpanda = " ".join(SERVICES["redpanda"]["command"])
    assert settings["HEADRACE_KAFKA"] == "redpanda:9092"
    assert "--advertise-kafka-addr=internal://redpanda:9092" in redpanda
    assert settings["HEADRACE_REGISTRY"] == "http://redpanda:8081"
    assert "--schema-registry-addr=internal://0.0.0.0:8081" in redpanda
    assert settings["HEADRACE_REDIS"].startswith("redis://redis:6379")
    assert "redis" in SERVICES


def test_ports_are_those_of_the_settings_and_of_the_image() -> None:
    settings = OWN["endpoint"]["environment"]
    [published] = OWN["endpoint"]["ports"]
    assert published.endswith(f":{settings['HEADRACE_HTTP_PORT']}")
    exposed = re.search(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)
    assert exposed
    assert set(exposed[1].split()) == {
        settings["HEADRACE_HTTP_PORT"],
        settings["HEADRACE_METRICS_PORT"],
    }


@pytest.mark.parametrize("name", OWN)
def test_health_checks_ask_a_route_on_the_right_port(name: str) -> None:
    check = OWN[name].get("healthcheck")
    if check is None:
        assert name in {"topics", "headrace"}
        return
    [(port, path)] = re.findall(r"127\.0\.0\.1:(\d+)(/\w+)", check["test"][-1])
    settings = OWN[name]["environment"]
    if name == "endpoint":
        assert (port, path) == (settings["HEADRACE_HTTP_PORT"], "/readyz")
        assert f'"{path}"' in (ROOT / "serving/pages.py").read_text()
    else:
        assert (port, path) == (settings["HEADRACE_METRICS_PORT"], "/metrics")
    compile(check["test"][-1], name, "exec")


def test_every_service_that_stays_has_a_health_check_or_only_looks() -> None:
    staying = {name for name, each in SERVICES.items() if each.get("restart") == "unless-stopped"}
    assert staying - {name for name in staying if "healthcheck" in SERVICES[name]} == {"console"}


def test_dependencies_and_volumes_are_declared() -> None:
    for each in SERVICES.values():
        assert each.get("depends_on", {}).keys() <= SERVICES.keys()
        for volume in each.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
            else:
                assert source in COMPOSE["volumes"]


def test_each_flow_keeps_its_recovery_in_a_volume_of_its_own() -> None:
    home = OWN["features"]["environment"]["HEADRACE_HOME"]
    kept = [OWN[flow]["volumes"] for flow in FLOWS]
    assert all([volume.split(":")[1] for volume in volumes] == [home] for volumes in kept)
    assert len({volumes[0] for volumes in kept}) == len(FLOWS)
    assert f"VOLUME {home}" in DOCKERFILE


def test_no_secrets() -> None:
    text = (ROOT / "docker-compose.yml").read_text() + DOCKERFILE
    assert not re.search(r"(?i)(password|secret|token|api_?key)\s*[:=]\s*\S", text)
    for each in SERVICES.values():
        for value in (each.get("environment") or {}).values():
            assert "@" not in str(value)


def test_only_this_machine_reaches_the_published_ports() -> None:
    ports = [port for each in SERVICES.values() for port in each.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len({port.split(":")[1] for port in ports}) == len(ports)


def test_the_image_copies_what_exists_and_every_room() -> None:
    copied: set[str] = set()
    for line in re.findall(r"^COPY (?!--)(.*)$", DOCKERFILE, re.MULTILINE):
        copied |= set(shlex.split(line)[:-1])
    missing = {name for name in copied if not (ROOT / name).exists()} - {"README.md"}
    assert not missing
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert rooms | {"headrace.py", "requirements.lock", "pyproject.toml"} <= copied


def test_prometheus_scrapes_the_services() -> None:
    jobs = yaml.safe_load((ROOT / "infra/prometheus.yml").read_text())["scrape_configs"]
    targets = [t for job in jobs for each in job["static_configs"] for t in each["targets"]]
    settings = OWN["endpoint"]["environment"]
    wanted = {f"{flow}:{settings['HEADRACE_METRICS_PORT']}" for flow in FLOWS}
    wanted |= {f"endpoint:{settings['HEADRACE_HTTP_PORT']}"}
    assert wanted <= set(targets)
    assert {target.split(":")[0] for target in targets} <= SERVICES.keys()


def known_series() -> set[str]:
    """Every series name that the metrics of Headrace may give."""
    found = set()
    for each in vars(metrics).values():
        if isinstance(each, Counter):
            found.add(f"{each._name}_total")
        elif isinstance(each, Gauge):
            found.add(each._name)
        elif isinstance(each, Histogram):
            found |= {f"{each._name}_{part}" for part in ("bucket", "sum", "count")}
    return found


def test_the_dashboard_names_metrics_and_labels_that_exist() -> None:
    queries = [t["expr"] for panel in DASHBOARD["panels"] for t in panel.get("targets", [])]
    named = {name for query in queries for name in re.findall(r"headrace_\w+", query)}
    assert named
    assert named <= known_series()
    labels = {
        label for each in vars(metrics).values() for label in getattr(each, "_labelnames", ())
    }
    grouped = {
        g.strip()
        for q in queries
        for part in re.findall(r"by \(([^)]*)\)", q)
        for g in part.split(",")
    }
    assert grouped <= labels | {"le"}


def test_the_dashboard_shows_every_metric_but_those_of_little_use() -> None:
    shown = json.dumps(DASHBOARD)
    missing = {
        name
        for name in known_series()
        if name.endswith(("_total", "_bucket")) and name not in shown
    }
    assert missing <= {"headrace_batches_total"}


def test_grafana_finds_its_data_source_and_its_dashboards() -> None:
    provisioning = ROOT / "infra/grafana/provisioning"
    [source] = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    used = {panel["datasource"]["uid"] for panel in DASHBOARD["panels"] if "datasource" in panel}
    assert used == {source["uid"]}
    [provider] = yaml.safe_load((provisioning / "dashboards/headrace.yml").read_text())["providers"]
    mounted = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in mounted
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home.startswith(f"{provider['options']['path']}/")
    assert (ROOT / "infra/grafana/dashboards" / Path(home).name).exists()
