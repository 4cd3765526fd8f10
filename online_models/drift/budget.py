"""One budget of false alarms, shared out over everything that could raise one.

Half goes to windows against the reference, a quarter of it each to inputs, labels, the score of
positives, and losses: one label is as much worth watching as forty columns. A quarter each goes to
ADWIN and to Page-Hinkley on the losses. A share divided by how often its tests are made is the
chance that each is allowed. Expected numbers add up whatever depends on what, so the expected
number of false alarms is at most the budget (Bonferroni's argument for counts), and less where
tests agree with each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from online_models.drift.columns import error_columns, input_columns, label_columns, number_of_tests
from schemas.declare import Domain, Drift

SERVED = "served"
"""The arm that stands for the answers that were given, whichever arm gave them."""

WINDOWS = 4
"""Short and long, by event time and by count."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A domain's: over so many tests of the `inputs` in each window, the label, and `arms`."""

    drift: Drift
    inputs: int
    arms: int

    @staticmethod
    def of(domain: Domain) -> Budget:
        """All that flows/drift watches of a domain."""
        arms = arms_of(domain)
        return Budget(domain.drift, number_of_tests(input_columns(domain)), len(arms))

    def window_alpha(self, what: str, every: float) -> float:
        """The chance allowed to one test of one window that is evaluated `every` so many ms, of a
        column that is `what`."""
        tests = {
            "label": number_of_tests(label_columns()),
            "error": number_of_tests(error_columns(SERVED)) * self.arms,
        }.get(what, self.inputs)
        return min(0.05, self._of_windows / WINDOWS / tests / self._times(every))

    def positives_alpha(self, every: float) -> float:
        """The chance allowed to the one test of the one window of positives."""
        return min(0.05, self._of_windows / self._times(every))

    def adwin_delta(self, every: float) -> float:
        """ADWIN's delta: it bounds the chance of a false cut at each check (Bifet and Gavaldà,
        2007, theorem 3.1), and there are so many checks."""
        return min(0.05, self.drift.false_alarms / 4 / self.arms / self._times(every))

    def page_hinkley(self) -> float:
        """The chance allowed to Page-Hinkley on one arm in the whole of `per`."""
        return min(0.5, self.drift.false_alarms / 4 / self.arms)

    @property
    def _of_windows(self) -> float:
        return self.drift.false_alarms / 2 / 4

    def _times(self, every: float) -> float:
        return max(1.0, self.drift.per / every)


def arms_of(domain: Domain) -> tuple[str, ...]:
    """The answers as served, then every learner."""
    return (SERVED, *domain.learner_names)
