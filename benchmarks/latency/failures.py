"""When a run has failed, however fast it was: by how its requests ended."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.load.answers import GOOD, Outcome

FAILED_SHARE = 0.01
"""More of a run's requests than this must not end without an answer, or with an error."""

_FAILED = (Outcome.ERROR, Outcome.REFUSED, Outcome.BROKEN, Outcome.LOST)


def of(outcomes: Mapping[str, int]) -> list[str]:
    """What is wrong with a run that ended so; outcomes by name. A shed is no failure of itself."""
    asked = sum(outcomes.values())
    found = wrong(outcomes)
    failed = {kind.name.lower(): outcomes.get(kind.name.lower(), 0) for kind in _FAILED}
    if not right(outcomes):
        found.append(f"no right answer to {asked:,} requests")
    elif sum(failed.values()) > FAILED_SHARE * asked:
        kinds = ", ".join(f"{count:,} {name}" for name, count in failed.items() if count)
        found.append(f"{kinds} of {asked:,} requests, more than {FAILED_SHARE:.0%}")
    return found


def wrong(outcomes: Mapping[str, int]) -> list[str]:
    """That answers were wrong, where any was."""
    count = outcomes.get(Outcome.WRONG.name.lower(), 0)
    return [f"{count:,} wrong answers to {sum(outcomes.values()):,} requests"] if count else []


def right(outcomes: Mapping[str, int]) -> int:
    """How many answers were right."""
    return sum(outcomes.get(kind.name.lower(), 0) for kind in GOOD)
