"""Tiles and rings: how a sliding window is kept in pieces that are addressed by time.

A window of length W is kept in tiles of length L = W / 12, addressed by absolute number: tile k
covers (k L, (k + 1) L]. A ring of 16 slots holds the tiles of one window by one time field: its
head is the newest tile that an event fell in, tile k stands in slot k mod 16, and tiles up to
head - 16 are gone. At a time t the newest tile is (t - 1) // L, the one that holds t, and the
window is that tile and the eleven before it: short by less than one tile at its old edge, exact
where t falls on a tile edge, never longer than declared.

What this means for time:
- An event older than the window at t does not count, in whatever order it came.
- Tiles after the one that holds t are not read. Events later than t inside that tile do count if
  the state holds them already, and one that lies 5 tiles or more after that tile pushes the
  oldest tiles of the window out: ask about now, not about the past of a state.
- A ring by another time field than `time` cannot tell when its events became known. It takes an
  event only from 11 tiles before to 4 tiles after the tile of its `time`: earlier, no question
  asked after the event would count it; later, it would push out what is still needed.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.declare import TILES

SLOTS = 16
"""Tiles that a ring holds: a window, and a slack for events that come early or late."""
SLACK = SLOTS - TILES
"""An event may be bucketed this many tiles after the tile of its time."""
EMPTY = -(2**53)
"""The head of a ring, or the time of a newest event, that saw no event yet."""


@dataclass(frozen=True, slots=True)
class Ring:
    """The tiles of one window by one time field."""

    by: str
    over: int

    @property
    def tile(self) -> int:
        """The length of a tile in ms."""
        return self.over // TILES
