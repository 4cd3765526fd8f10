"""How many examples a replay must come to, counted while it goes on."""

from __future__ import annotations

from schemas.declare import Label, Unlabelled


class Expected:
    """Of the questions so far those whose outcome is known, as `online_models.joining` has it.

    A label tells it, where silence is an answer a deadline does, and there the labels of the first
    deadline wait for those of their questions. What was stopped has no outcome. Times in ms; what
    is asked and what is labelled come in the order of their times.
    """

    def __init__(self, label: Label) -> None:
        self._label = label
        self._open: dict[str, int] = {}
        self._first = 2**62
        self._newest = -(2**63)
        self._known = 0

    @property
    def known(self) -> int:
        """Questions whose outcome is known by the newest of all times."""
        self._expire()
        return self._known

    def asked(self, id_: str, at: int, stopped: bool = False) -> None:
        """A question that was answered."""
        self._newest = max(self._newest, at)
        self._first = min(at, self._first)
        if not stopped:
            self._open[id_] = at

    def labelled(self, id_: str, at: int) -> None:
        """A label that was sent."""
        self._newest = max(self._newest, at)
        asked = self._open.get(id_)
        if asked is None or at > asked + self._label.deadline:
            return
        if not self._silence or at >= self._first + self._label.deadline:
            del self._open[id_]
            self._known += 1

    @property
    def _silence(self) -> bool:
        return self._label.missing is Unlabelled.NEGATIVE

    def _expire(self) -> None:
        while self._open:
            oldest, at = next(iter(self._open.items()))
            if at + self._label.deadline >= self._newest:
                return
            del self._open[oldest]
            self._known += self._silence
