"""A replay has to ask something: the records of one, or why it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from infra.terminal import utc
from schemas.dataset import Dataset, NoSuchData, Stamped

_LONGER = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Days that are tried where those asked for have no question."""


def with_questions(
    data: Dataset, first: int, days: float, start: str | None, seed: int, plant: Sequence[str]
) -> Iterator[Stamped]:
    """The records of a replay that begins at `first` (ms); raises NoSuchData without a question."""
    items = data.replay(days, start, seed, plant)
    if begun := _to_first_question(items):
        return chain(begun, items)
    longer = (more for more in _LONGER if more > days)
    asking = (more for more in longer if _to_first_question(data.replay(more, start, seed)))
    enough = next(asking, None)
    hint = f"; {enough:g} days have some" if enough else ""
    raise NoSuchData(f"{days:g} days from {utc(first)} on have no question to replay{hint}")


def _to_first_question(items: Iterator[Stamped]) -> list[Stamped]:
    """What comes until a question, with it; nothing where none comes."""
    found = []
    for item in items:
        found.append(item)
        if item.stream == "requests":
            return found
    return []
