"""Results as tables in the terminal."""

from __future__ import annotations

from math import isfinite, isnan

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from benchmarks import rates
from benchmarks.comparison import Change, Comparison
from benchmarks.faults import goals
from benchmarks.faults.highest import Highest, Origin
from benchmarks.faults.run import Chaos
from benchmarks.freshness.run import Freshness
from benchmarks.latency.confidence import Decision
from benchmarks.latency.results import Options, Probe, Result, Run
from infra.metrics import OF_BATCHES

_COLOURS = {Decision.INSIDE: "green", Decision.OUTSIDE: "red", Decision.UNDECIDED: "yellow"}


def told(result: Result) -> RenderableType:
    """The whole result."""
    parts: list[RenderableType] = []
    for run in result.runs:
        parts += [_latency(result.options, run), _facts(result, run)]
        if run.stages:
            parts.append(_stages(run))
        else:
            parts.append(Text("the server tells no time by stage on its /metrics"))
        parts += [Text(f"invalid: {fault}", style="bold red") for fault in run.generator.faults]
        parts += [Text(f"note: {remark}", style="yellow") for remark in run.generator.remarks]
    parts += [Text(f"failed: {failure}", style="bold red") for failure in result.failures]
    style = "bold red" if result.failures or not result.valid else "bold green"
    return Group(*parts, Text(result.headline, style=style))


def probe_line(probe: Probe) -> Text:
    """One line for one probe of a search."""
    what = "confirming" if probe.confirming else "probe"
    p99 = "none" if probe.p99 is None else f"{probe.p99:8.2f} ms"
    rate = rates.shown(probe.rate)
    text = f"{what:>10} {rate:>9}/s  p99 {p99}  {probe.overruns} over of {probe.requests}"
    limited = "  (generator at its limit)" if probe.generator_limited else ""
    return Text(f"{text}  {probe.decision}{limited}", style=_COLOURS[probe.decision])


def _latency(options: Options, run: Run) -> Table:
    confidence = f"{options.confidence * 100:g} %"
    table = Table(
        title=f"{rates.shown(run.rate)} requests/s for {run.seconds:.1f} s, seed {run.seed}"
    )
    heads = ("latency, ms", f"{confidence} interval", "of right answers", "generator late, ms")
    for name in ("", *heads):
        table.add_column(name, justify="right")
    for name, value in run.latency.items():
        between = " – ".join(_ms(end) for end in run.intervals.get(name, ())) or "–"
        answered, late = (of.get(name) for of in (run.answered, run.generator.late))
        right = "" if answered is None else f"{answered:.3g}"
        table.add_row(name, _ms(value), between, right, "" if late is None else f"{late:.3g}")
    return table


def _ms(value: float | None) -> str:
    return "no answer" if value is None else f"{value:.3g}"


def _facts(result: Result, run: Run) -> Table:
    options, sent = result.options, result.sent
    share, verdict, generator = run.over_budget, run.verdict, run.generator
    allowed = f", {verdict.allowed} allowed" if verdict.allowed >= 0 else ""
    if not allowed and verdict.decision == Decision.UNDECIDED:
        allowed = ", too few to be inside even without one"
    table = Table(show_header=False, box=None)
    table.add_row(
        "outcomes", ", ".join(f"{count:,} {name}" for name, count in run.outcomes.items())
    )
    table.add_row(
        f"not right inside {options.budget_ms:g} ms",
        f"{share.value:.3%} ({share.low:.3%} – {share.high:.3%}, Clopper-Pearson)",
    )
    table.add_row(
        f"verdict on p{options.percentile * 100:g}",
        Text(
            f"{verdict.decision}: {verdict.overruns:,} overruns in {verdict.requests:,} requests"
            f"{allowed}; MLPerf early stopping needs {verdict.needed:,} requests for so many",
            style=_COLOURS[verdict.decision],
        ),
    )
    table.add_row(
        "generator",
        f"{generator.cpu:.0%} of a core, {generator.connections} connections opened, "
        f"{generator.retried} sent again on another connection",
    )
    table.add_row("background", options.background)
    if sent:
        events, labels = rates.shown(sent.events_per_s), rates.shown(sent.labels_per_s)
        table.add_row("sent meanwhile", f"{events} events/s, {labels} labels/s")
    table.add_row("machine", f"{run.machine_busy:.0%} busy")
    swaps = ", ".join(f"{s.model}@{s.version} at {s.at:.1f} s" for s in run.swaps[:8])
    more = f" and {len(run.swaps) - 8} more" if len(run.swaps) > 8 else ""
    table.add_row("model swaps", f"{len(run.swaps)}: {swaps}{more}" if run.swaps else "none")
    return table


def _stages(run: Run) -> Table:
    table = Table(title="inside the server, by stage")
    for name in ("stage", "times", "p50, ms", "p99, ms"):
        table.add_column(name, justify="right")
    for name, stage in run.stages.items():
        unit = "batches" if name in OF_BATCHES else "requests"
        table.add_row(name, f"{stage.count:,} {unit}", f"{stage.p50:.3g}", f"{stage.p99:.3g}")
    return table


def freshness(result: Freshness) -> RenderableType:
    """The delays of events and labels."""
    flowed = rates.shown(result.events_per_s)
    title = f"{result.domain}: {flowed} events/s, {result.versions} models came"
    table = Table(title=title)
    for name in ("", "number", "p50, ms", "p99, ms", "99 % interval of p99", "max, ms"):
        table.add_column(name, justify="right")
    rows = {
        "event sent → servable": result.event_servable,
        "label sent → serving": result.label_serving,
        "of these, labels that made a snapshot due": result.due,
    }
    for name, each in rows.items():
        if each is not None:
            p50, p99, top = (f"{each.percentiles[p]:,.1f}" for p in ("p50", "p99", "max"))
            between = " – ".join(f"{end:,.1f}" for end in each.interval or ()) or "–"
            table.add_row(name, f"{each.count:,}", p50, p99, between, top)
    looks = ", ".join(f"{name} {ms:.1f} ms" for name, ms in result.resolution_ms.items())
    return Group(table, Text(f"between two looks (p99): {looks}", style="dim"))


def chaos(result: Chaos) -> RenderableType:
    """What became of the requests in each phase, and of their records."""
    budget = f"{result.options.budget_ms:g} ms"
    title = f"{rates.shown(result.options.rate)} requests/s"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=0)
    heads = ("requests", f"inside {budget}", "degraded", "shed", "wrong", "failed")
    table.add_column("", no_wrap=True)
    for name in (*heads, "p99, ms", "of answers", "goal"):
        table.add_column(name, justify="right", min_width=max(map(len, name.split())))
    for each in result.phases:
        counts = each.degraded, each.shed, each.wrong, each.failed
        table.add_row(
            each.name,
            f"{each.count:,}",
            _share(each.inside),
            *(f"{number:,}" for number in counts),
            f"{each.p99:.3g}",
            _share(each.accepted_inside),
            _goal(each.goal),
        )
    missed = [Text(f"missed: {each}", style="bold red") for each in goals.misses(result)]
    kept = Text(f"all {result.answered:,} answers have their record in the log", style="bold green")
    return Group(table, *_overload(result.highest), *missed, *[kept] * (not result.lost))


def _overload(highest: Highest | None) -> list[Text]:
    """What was asked three times over, where the result says."""
    style = "yellow" if highest and highest.origin == Origin.ASSUMED else "dim"
    return [Text(f"overload: three times {highest}", style=style)] if highest else []


def _goal(goal: goals.Goal) -> str:
    inside = "" if goal.inside is None else f"{goal.inside:.1%}"
    return inside if goal.accepted is None else f"{goal.accepted:.1%} of answers"


def _share(value: float) -> str:
    """Two digits where it is not all: no share below 1 reads as 100 %."""
    return "100%" if value == 1 else f"{min(value, 0.9999):.2%}"


def compared(comparison: Comparison) -> RenderableType:
    """What changed, then what to know before believing it."""
    table = Table(title=comparison.method)
    for name in ("", "first", "second", "ratio", "interval", "beyond noise"):
        table.add_column(name, justify="right")
    for change in comparison.changes:
        table.add_row(
            change.metric,
            *(f"{value:.4g}" if isfinite(value) else "no answer" for value in (change.a, change.b)),
            "–" if isnan(change.ratio) else f"{change.ratio:.3g}",
            _between(change),
            Text("yes", style="bold") if change.changed else Text("no", style="dim"),
        )
    unlike = [Text(f"not the same: {line}", style="yellow") for line in comparison.unlike]
    notes = [Text(f"note: {line}", style="yellow") for line in comparison.notes]
    return Group(*unlike, table, *notes)


def _between(change: Change) -> str:
    """The interval; one that is open at an end says at least or at most, at both nothing."""
    if isnan(change.low) and isnan(change.high):
        return "–"
    if isnan(change.low):
        return f"at most {change.high:.3g}"
    if isnan(change.high):
        return f"at least {change.low:.3g}"
    return f"{change.low:.3g} – {change.high:.3g}"
