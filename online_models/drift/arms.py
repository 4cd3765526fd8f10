"""The loss of one arm: windows against the reference, ADWIN and Page-Hinkley, one set of alarms.

A rise of the loss is told apart by what else changed, comparing what came since
with the reference. Where the model itself expected it (the loss rose no more than the entropy of
its probabilities), the questions have become harder: covariate. Else the rise is taken apart into
what other shares of the classes make of it, each with the loss that it had, and what other losses
within the classes make (Kitagawa, 1955): where labels are more or less frequent and that is most of
it, it is label shift; else the same questions have other answers: concept.
"""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from online_models.drift.alarms import Record
from online_models.drift.blocks import segments
from online_models.drift.budget import Budget
from online_models.drift.columns import CLIP, error_columns, loss
from online_models.drift.detectors import (
    Adwin,
    PageHinkley,
    Risen,
    Unit,
    page_hinkley_threshold,
)
from online_models.drift.findings import Finding, Kind
from online_models.drift.monitor import Moment
from online_models.drift.packets import Answer, Packet
from online_models.drift.watch import Watch

HELD = 20_000
"""Answers of the reference that are held to compare with."""
SURE = 3.0
"""Standard errors that make a difference when the kind of an alarm is told."""
MOSTLY = 0.75
"""What other shares of the classes must have moved of the mean loss to be called label shift."""

LOOKS_BACK = 4
"""Long windows of newest packets that are held to tell the kind."""


@dataclass
class _Compared:
    """Packets of the reference, then the newest ones."""

    reference: list[Packet] = field(default_factory=list)
    newest: deque[Packet] = field(default_factory=deque)

    def kind(self, since: int, least: int) -> Kind:
        """What kind of drift the packets since then show, or the `least` newest at least."""
        late = sum(packet.start >= since for packet in self.newest)
        recent = list(self.newest)[-max(late, least) :]
        old, new = _means(self.reference), _means(recent)
        surprise, rate = (_gap(old[:, i], new[:, i]) for i in (0, 1))
        if surprise < SURE:
            return "covariate"
        if abs(rate) >= SURE and _by_labels(self.reference, recent) >= MOSTLY:
            return "label"
        return "concept"


def _by_labels(reference: Sequence[Packet], recent: Sequence[Packet]) -> float:
    """How much of what moved the mean loss up and down is other shares of the classes."""
    (old_shares, old_losses), (shares, losses) = _classes(reference), _classes(recent)
    by_shares = float((shares - old_shares) @ old_losses)
    within = float(shares @ np.abs(losses - old_losses))
    return max(0.0, by_shares) / max(1e-12, abs(by_shares) + within)


def _classes(packets: Sequence[Packet]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share and the mean loss of each class, 0 where there is none of it."""
    rows = np.array([row for packet in packets for row in packet.rows])
    of_class = [rows[rows[:, 0] == label] for label in (0.0, 1.0)]
    shares = np.array([each[:, 2].sum() for each in of_class]) / rows[:, 2].sum()
    return shares, np.array([_mean_loss(each) if len(each) else 0.0 for each in of_class])


def _mean_loss(rows: NDArray[np.float64]) -> float:
    losses = [loss(label, p) for label, p, _ in rows.tolist()]
    return float(np.average(losses, weights=rows[:, 2]))


def _means(packets: Sequence[Packet]) -> NDArray[np.float64]:
    """Mean surprise (loss less the entropy that the model expected) and label of each packet."""
    out = []
    for packet in packets:
        labels, p, weights = np.array(packet.rows).T
        p = np.clip(p, CLIP, 1 - CLIP)
        expected = float(np.average(-p * np.log(p) - (1 - p) * np.log1p(-p), weights=weights))
        out.append((packet.mean - expected, float(np.average(labels, weights=weights))))
    return np.array(out).reshape(-1, 2)


def _gap(old: NDArray[np.float64], new: NDArray[np.float64]) -> float:
    """Difference of means in standard errors, by the spread of the reference's packets."""
    deviation = max(1e-9, float(old.std(ddof=1)))
    error = deviation * math.sqrt(1 / len(old) + 1 / len(new))
    return (float(new.mean()) - float(old.mean())) / error


class ArmWatch:
    """Watches one arm; its whole state can be pickled. One of `Budget`'s arms."""

    def __init__(self, domain: str, arm: str, budget: Budget, seed: int) -> None:
        drift = budget.drift
        self.arm, self._budget, self._seed = arm, budget, seed
        self.watch = Watch(domain, error_columns(arm), budget, seed)
        self._begun: int | None = None
        self._newest = -(2**63)
        self._packets_in_calm = drift.calm
        self._filling: list[Answer] = []
        self._compared = _Compared()
        self._unit: Unit | None = None
        self._tests: dict[str, Adwin | PageHinkley] = {}
        self._starts: deque[int] = deque(maxlen=10_000)

    def take(self, answers: Sequence[Answer]) -> list[Record]:
        """Takes answers in the order of the stream; gives what became of alarms."""
        return [record for _, record in self.told(answers)]

    def told(self, answers: Sequence[Answer]) -> list[tuple[int, Record]]:
        """The same, each with the place in `answers` of the one that it follows."""
        times = np.array([answer.time for answer in answers], np.int64)
        out: list[tuple[int, Record]] = []
        for first, last, reached in segments(times, self._newest, self._budget.drift.block):
            told = self._within_block(times[first:last], answers[first:last])
            out += [(first + at, record) for at, record in told]
            self._newest = reached
        return out

    def _within_block(
        self, times: NDArray[np.int64], answers: Sequence[Answer]
    ) -> Iterator[tuple[int, Record]]:
        losses = np.array([[loss(answer.label, answer.probability)] for answer in answers])
        slices = [answer.slices for answer in answers]
        weights = np.array([answer.weight for answer in answers])
        done = 0
        for moment in self.watch.moments(times, losses, slices, weights):
            until = moment.at if moment.replaced else moment.at + 1
            yield from self._detect(answers, done, until)
            done = max(done, until)
            yield from self._tell(moment)
        yield from self._detect(answers, done, len(answers))

    def _tell(self, moment: Moment) -> list[tuple[int, Record]]:
        if moment.replaced:
            self._begun, self._compared, self._tests = moment.time, _Compared(), {}
        findings = [replace(found, kind=self._kind(found.since)) for found in moment.findings]
        told = self.watch.tell(moment._replace(findings=findings))
        return [(moment.at, record) for record in told]

    def _kind(self, since: int) -> Kind:
        if not self._tests or not self._compared.newest:
            return "concept"
        return self._compared.kind(since, self._packets_in_calm)

    def _detect(
        self, answers: Sequence[Answer], first: int, last: int
    ) -> Iterator[tuple[int, Record]]:
        for at in range(first, last):
            self._filling.append(answers[at])
            if len(self._filling) == self._budget.drift.records:
                packet, self._filling = Packet.of(self._filling), []
                findings = list(self._update(packet, answers[at].time))
                if findings:
                    yield from self._tell(Moment(at, answers[at].time, findings))

    def _update(self, packet: Packet, time: int) -> Iterator[Finding]:
        drift = self._budget.drift
        if self._begun is None:
            self._begun = packet.start + drift.warm_up
        if not self._tests:
            if packet.start >= self._begun:
                self._compared.reference.append(packet)
            if packet.start >= self._begun + drift.reference:
                self._learn(time)
            return
        self._compared.newest.append(packet)
        if len(self._compared.newest) > LOOKS_BACK * self._packets_in_calm:
            self._compared.newest.popleft()
        self._starts.append(packet.start)
        standard = float(self._standard(packet))
        for name, test in self._tests.items():
            risen = test.update(standard)
            if risen is not None:
                yield self._finding(name, risen, time)

    def _standard(self, packet: Packet) -> float:
        if self._unit is None:
            raise RuntimeError(f"{self.arm}: no reference yet")
        return float(self._unit.standard(packet.mean, packet.effect))

    def _learn(self, time: int) -> None:
        """The reference is complete: unit and thresholds."""
        packets, drift = self._compared.reference, self._budget.drift
        means = np.array([packet.mean for packet in packets])
        effects = np.array([packet.effect for packet in packets])
        every = max(1.0, (time - packets[0].start) / len(packets))
        self._packets_in_calm = max(drift.calm, round(drift.calm * drift.block / every))
        if len(packets) < 3 * self._packets_in_calm:
            return
        self._unit = Unit.of(means, self._packets_in_calm)
        threshold = page_hinkley_threshold(
            self._unit.standard(means, effects), round(drift.per / every), self._packets_in_calm,
            self._budget.page_hinkley(), self._seed,
        )  # fmt: skip
        self._tests = {
            "adwin": Adwin(self._budget.adwin_delta(every)),
            "page_hinkley": PageHinkley(threshold),
        }
        self._starts.clear()
        keep = max(1, len(packets) * drift.records // HELD)
        self._compared.reference = packets[::keep]

    def _finding(self, name: str, risen: Risen, time: int) -> Finding:
        new = list(self._compared.newest)[-risen.ago :]
        bins, before, after = _histograms(self._compared.reference, new)
        return Finding(
            what="error",
            name=self.arm,
            kind="concept",
            test=name,
            window=f"{risen.ago} x {self._budget.drift.records} records",
            time=time,
            since=self._starts[-min(risen.ago, len(self._starts))],
            statistic=risen.statistic,
            threshold=risen.threshold,
            p=None,
            direction="up",
            bins=bins,
            reference=before,
            recent=after,
        )


def _histograms(
    old: Sequence[Packet], new: Sequence[Packet]
) -> tuple[list[str], list[float], list[float]]:
    """The packets' mean losses in eighths of the reference."""
    before, after = (np.array([packet.mean for packet in packets]) for packets in (old, new))
    edges = np.unique(np.quantile(before, np.arange(1, 8) / 8))
    names = [f"< {edges[0]:.4g}"]
    names += [f"{a:.4g} to {b:.4g}" for a, b in itertools.pairwise(edges)]
    names.append(f"≥ {edges[-1]:.4g}")
    shares = []
    for values in (before, after):
        counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(names))
        shares.append((counts / len(values)).tolist())
    return names, shares[0], shares[1]
