"""Records of plain fields as Avro bytes, in under half the time of a walk through the schema.

Only what predictions are made of: strings, longs, doubles, and arrays and maps of them. The rules
are those of the Avro specification, "Binary Encoding".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from schemas.avro import Codec
from schemas.blocks import varint
from schemas.declare import Schema

Write = Callable[[Any], bytes]

_REMEMBERED = 1 << 16
_NO_MORE = b"\0"
_FAULTS = (AttributeError, KeyError, OverflowError, struct.error, TypeError, ValueError)
_double = struct.Struct("<d").pack


class Packer:
    """Writes records of one schema; byte for byte what its codec writes."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._fields = [(field["name"], _writer(field["type"])) for field in codec.schema["fields"]]

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """The record's body; raises Unwritable where the codec would."""
        try:
            return b"".join([write(record[name]) for name, write in self._fields])
        except _FAULTS:  # the codec knows defaults, and what to say of a fault
            return self._codec.encode({name: _listed(value) for name, value in record.items()})


def _listed(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


def _writer(kind: Schema | str) -> Write:
    if isinstance(kind, str):
        return _PLAIN[kind]
    if kind["type"] == "array":
        return _array(kind["items"])
    if kind["type"] == "map":
        return _map(_writer(kind["values"]))
    return _PLAIN[kind["type"]]


def _array(items: Schema | str) -> Write:
    if items == "double":
        return _doubles
    write = _writer(items)
    if not isinstance(items, str):
        write = lru_cache(_REMEMBERED)(write)  # positions of an entity: the same until it changes
    return partial(_items, write)


def _items(write: Write, values: Sequence[Any]) -> bytes:
    if not values:
        return _NO_MORE
    return b"".join([_long(len(values)), *map(write, values), _NO_MORE])


def _doubles(values: Sequence[float] | NDArray[np.float64]) -> bytes:
    number = len(values)
    if not number:
        return _NO_MORE
    if isinstance(values, np.ndarray):
        return _long(number) + values.astype("<f8", copy=False).tobytes() + _NO_MORE
    return _long(number) + struct.pack(f"<{number}d", *values) + _NO_MORE


def _map(write: Write) -> Write:
    @lru_cache(_REMEMBERED, typed=True)  # slices: few values that come again and again
    def pair(item: tuple[str, Any]) -> bytes:
        return _text(item[0]) + write(item[1])

    return lambda values: _items(pair, tuple(values.items()))


def _text(value: str) -> bytes:
    data = value.encode()
    return _long(len(data)) + data


def _long(value: int) -> bytes:
    rest = value << 1 if value >= 0 else ~(value << 1)
    if rest < 128:
        return _BYTES[rest]
    if rest >> 64:
        raise OverflowError(f"{value} does not fit into 64 bits")
    return varint(rest)


_BYTES = [bytes([value]) for value in range(128)]
_PLAIN: Mapping[str, Write] = {"string": _text, "long": _long, "double": _double}
