"""The blob of an entity: header, positions, row; the bytes that stand in Redis.

Little-endian: magic `HR`, version 1, number of partitions P, 32-bit fingerprint of the layout,
64-bit time in ms of the newest event (16 bytes); P 64-bit positions, the offset of the last event
of each partition that touched the entity, -1 where there was none; then the row, float64 [width].
The same set of events gives the same bytes, in whatever order they came.
"""

from __future__ import annotations

import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from online_models.features.layout import EntityLayout
from online_models.features.rings import EMPTY

MAGIC = b"HR"
VERSION = 1
HEADER = struct.Struct("<2sBBIq")
NO_POSITION = -1


class ForeignState(ValueError):
    """A blob that was not written with this layout; says what was found and what expected."""


def blob_size(layout: EntityLayout, partitions: int) -> int:
    """Bytes of a blob."""
    return HEADER.size + 8 * (partitions + layout.width)


def blank_blob(layout: EntityLayout, partitions: int) -> bytes:
    """The blob of an entity that saw no event."""
    header = HEADER.pack(MAGIC, VERSION, partitions, layout.fingerprint, EMPTY)
    positions = struct.pack(f"<{partitions}q", *[NO_POSITION] * partitions)
    return header + positions + layout.blank().tobytes()


def check_blob(layout: EntityLayout, blob: bytes, partitions: int | None = None) -> int:
    """The number of partitions of a blob; raises ForeignState where it is not of this layout."""
    name = layout.entity.name
    if len(blob) < HEADER.size:
        raise ForeignState(f"{name}: a blob of {len(blob)} bytes, shorter than its header")
    magic, version, found, fingerprint, _ = HEADER.unpack_from(blob)
    got = (magic, version, fingerprint)
    wanted = (MAGIC, VERSION, layout.fingerprint)
    if got != wanted:
        raise ForeignState(f"{name}: found magic, version, fingerprint {got}, expected {wanted}")
    if partitions is not None and found != partitions:
        raise ForeignState(f"{name}: found {found} partitions, expected {partitions}")
    if len(blob) != blob_size(layout, found):
        expected = blob_size(layout, found)
        raise ForeignState(f"{name}: found a blob of {len(blob)} bytes, expected {expected}")
    return int(found)


def read_blob(
    layout: EntityLayout, blob: bytes | None
) -> tuple[NDArray[np.float64], tuple[int, ...], int | None]:
    """The row [width], the positions and the newest event's time of a blob.

    None, an entity without state, gives the blank row, no positions and no time. Raises
    ForeignState where the blob is not of this layout.
    """
    if blob is None:
        return layout.blank(), (), None
    partitions = check_blob(layout, blob)
    newest, *positions = head_of(partitions).unpack_from(blob, 8)
    row = np.frombuffer(blob, "<f8", offset=HEADER.size + 8 * partitions)
    return row, tuple(positions), None if newest == EMPTY else newest


@lru_cache(maxsize=256)
def head_of(partitions: int) -> struct.Struct:
    """Reads the newest time and the positions, from byte 8 of a blob."""
    return struct.Struct(f"<{1 + partitions}q")
