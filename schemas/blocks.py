"""Arrays of doubles as the one block of bytes that they are.

fastavro takes 130 ns to read a number of an array. An array of n numbers is n, the numbers and a
zero (Avro specification, "Binary Encoding"), where its writer made one block of it. With n known
that is a `fixed` of so many bytes, which fastavro takes whole.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from schemas.declare import Schema

_DOUBLES = {"type": "array", "items": "double"}
_NO_MORE = b"\0"
_OWN = "headrace.blocks"
"""A namespace that no schema has: a name of its own might be that of a block."""


def varint(number: int) -> bytes:
    """Avro's variable-length bytes of a number that is zigzagged already."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def arrays_of(schema: Schema) -> list[str]:
    """The record's own fields that are arrays of doubles."""
    return [field["name"] for field in schema.get("fields", ()) if field["type"] == _DOUBLES]


class Block:
    """An array of `length` doubles, 1 or more, in the field `name`."""

    def __init__(self, name: str, length: int) -> None:
        self.name = name
        self._numbers = struct.Struct(f"<{length}d")
        self._count = varint(2 * length)
        size = len(self._count) + self._numbers.size + len(_NO_MORE)
        self.kind = {"type": "fixed", "name": f"{_OWN}.{name}_of_{length}", "size": size}
        """In the place of the array's own type."""

    def unpack(self, block: bytes) -> list[float] | None:
        """The values; None where these bytes are not one block of so many."""
        if not (block.startswith(self._count) and block.endswith(_NO_MORE)):
            return None
        return list(self._numbers.unpack_from(block, len(self._count)))


def with_blocks(schema: Schema, lengths: Sequence[int]) -> tuple[Schema, list[Block]]:
    """The schema with its `arrays_of` as blocks of these lengths; where one is 0, as it is."""
    blocks = {
        name: Block(name, length)
        for name, length in zip(arrays_of(schema), lengths, strict=True)
        if length
    }
    fields: list[Any] = [
        {**field, "type": blocks[field["name"]].kind} if field["name"] in blocks else field
        for field in schema["fields"]
    ]
    return {**schema, "fields": fields}, list(blocks.values())
