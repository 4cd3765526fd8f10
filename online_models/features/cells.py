"""The memory of a table: the blobs of many entities in one growing matrix of 8-byte cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from online_models.features.blobs import blank_blob
from online_models.features.layout import EntityLayout

NEWEST = 1
"""The column of the newest event's time, int64."""
POSITIONS = 2
"""The column of partition 0's position, int64."""

_GROWTH = 1.25
_LEAST = 64


class Cells:
    """A blob a row, seen as float64, as int64 and as bytes; row r starts at cell r * stride.

    `floats`, `ints` and `octets` are flat arrays on the same memory for whole batches, `doubles`,
    `longs` and `chars` flat memoryviews on it for single cells. All six change when it grows.
    It grows in place by a quarter, so that a million rows need no second copy of themselves.
    """

    def __init__(self, layout: EntityLayout, partitions: int) -> None:
        self.first = POSITIONS + partitions
        self._blank = np.frombuffer(blank_blob(layout, partitions), "<f8")
        self.stride = len(self._blank)
        self._memory = np.zeros(0, "<f8")
        self._used = 0
        self._free: list[int] = []
        self._scratch = np.zeros(0, np.int64)
        self._view()

    def add(self, blob: bytes | None) -> int:
        """A new row with the content of a blob, or a blank one; gives its number."""
        if self._free:
            row = self._free.pop()
        else:
            row = self._used
            self._used += 1
            if self._used * self.stride > len(self._memory):
                self._grow()
        self.set(row, blob)
        return row

    def set(self, row: int, blob: bytes | None) -> None:
        """Overwrites a row with a blob of the right size, or makes it blank."""
        content = self._blank if blob is None else np.frombuffer(blob, "<f8")
        self.floats[row * self.stride : (row + 1) * self.stride] = content

    def free(self, row: int) -> None:
        """Gives a row back for another entity."""
        self._free.append(row)

    def blobs(self, rows: list[int]) -> list[bytes]:
        """The blobs of rows."""
        size = self.stride * 8
        data = self.floats.reshape(-1, self.stride)[rows].tobytes()
        return [data[start : start + size] for start in range(0, len(data), size)]

    def newest(self, rows: list[int]) -> list[int]:
        """The newest event times of rows, in ms."""
        times: list[int] = self.ints.reshape(-1, self.stride)[rows, NEWEST].tolist()
        return times

    def last_of_each(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Indices into `rows` that name each row once."""
        order = np.arange(len(rows))
        self._scratch[rows] = order
        return np.flatnonzero(self._scratch[rows] == order)

    def _grow(self) -> None:
        rows = max(_LEAST, int(self._used * _GROWTH))
        for view in (self.doubles, self.longs, self.chars):
            view.release()
        del self.floats, self.ints, self.octets, self.doubles, self.longs, self.chars
        self._memory.resize(rows * self.stride, refcheck=False)
        self._scratch = np.zeros(rows, np.int64)
        self._view()

    def _view(self) -> None:
        self.floats: NDArray[np.float64] = self._memory.view()
        self.ints: NDArray[np.int64] = self._memory.view("<i8")
        self.octets: NDArray[np.uint8] = self._memory.view(np.uint8)
        self.doubles = memoryview(self._memory.data).cast("B").cast("d")
        self.longs = memoryview(self._memory.data).cast("B").cast("q")
        self.chars = memoryview(self._memory.data).cast("B")
