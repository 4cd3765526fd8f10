"""The domain's request: JSON in, a checked record out, and errors that name the field.

The type is made once from the domain's `request.avsc`, so decoding a body is one call into
msgspec. Fields that are no part of the request are refused: a misspelt optional field would
otherwise change the answer in silence.
"""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from schemas import nearest
from schemas.declare import Domain, Schema, is_time
from serving.request_type import LATEST, MAX_TEXT, iso, made_up, milliseconds, struct

MAX_BODY = 64 * 1024
"""Bytes of a request body; a flights request has about 200."""

_PATH = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"^Object missing required field `(.*)`$", re.DOTALL)
_UNKNOWN = re.compile(r"^Object contains unknown field `(.*)`$", re.DOTALL)
_TYPES = re.compile(r"^Expected `(.*?)`, got `(.*?)`$", re.DOTALL)
_WORDS = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TIME_HINT = "milliseconds since 1970 in UTC, or ISO 8601 with its zone: 2013-07-01T12:00:00Z"


class BadRequest(ValueError):
    """A request that cannot be answered: HTTP status, and what was found where, in plain words."""

    def __init__(
        self,
        status: int,
        error: str,
        field: str | None = None,
        expected: str | None = None,
        found: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(error)
        self.status = status
        self.details = {"field": field, "expected": expected, "found": found, "hint": hint}

    def document(self) -> dict[str, str]:
        """The JSON body of the answer: `error`, and of the others those that are known."""
        known = {name: text for name, text in self.details.items() if text is not None}
        return {"error": str(self), **known}

    def told(self) -> str:
        """The same in one line."""
        known = [f"{name} {text}" for name, text in self.details.items() if text is not None]
        return "; ".join([str(self), *known])


def now_ms() -> int:
    """The machine's time, milliseconds since the epoch UTC."""
    return time.time_ns() // 1_000_000


class Requests:
    """Reads requests of one domain; `now` gives `at` where the request leaves it out."""

    def __init__(self, domain: Domain, now: Callable[[], int] = now_ms) -> None:
        self.schema: Schema = domain.schemas["request"]
        self.type = struct(self.schema, domain.earliest)
        self._earliest = domain.earliest
        self._now = now
        self._decode = msgspec.json.Decoder(self.type).decode
        self._fields = {field["name"]: field for field in self.schema["fields"]}
        self._times = tuple(name for name, field in self._fields.items() if is_time(field["type"]))

    def parse(self, body: bytes) -> dict[str, Any]:
        """A body as a record of the request's schema: times in ms, `id` and `at` filled in.

        Raises BadRequest: 400 where it is no JSON, 422 where it is not this request.
        """
        try:
            request = self._decode(body)
        except msgspec.ValidationError as fault:
            request = self._with_whole_numbers(body, fault)
        except _NO_JSON as fault:
            field = _not_finite(body)
            raise BadRequest(400, f"the body is not JSON: {fault}", *_finite(field)) from None
        return self._complete(msgspec.structs.asdict(request))

    def _with_whole_numbers(self, body: bytes, fault: msgspec.ValidationError) -> msgspec.Struct:
        """Reads it again with 1.0 taken for 1, the same number to JSON; else explains the fault."""
        try:
            values = msgspec.json.decode(body)
            whole = {n: int(v) for n, v in values.items() if type(v) is float and v.is_integer()}
            if whole:
                return msgspec.convert({**values, **whole}, self.type)
        except msgspec.ValidationError as second:
            fault = second
        except (*_NO_JSON, AttributeError):
            pass  # no object, or cut off after the fault: that fault says it
        raise self._explain(str(fault), body) from None

    def example(self) -> dict[str, Any]:
        """A request as JSON: the `example` of each field, made up where a required one has none."""
        return {
            name: field.get("example", made_up(field["type"], self._earliest))
            for name, field in self._fields.items()
            if "example" in field or "default" not in field
        }

    def example_record(self) -> dict[str, Any]:
        """The example as `parse` gives it."""
        return self.parse(msgspec.json.encode(self.example()))

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema (2020-12) of the body, with the schema's words on each field."""
        _, components = msgspec.json.schema_components([self.type], ref_template="#/{name}")
        schema: dict[str, Any] = components[self.type.__name__]
        for name, described in schema["properties"].items():
            described["description"] = self._fields[name].get("doc", "")
        return {**schema, "description": self.schema.get("doc", ""), "examples": [self.example()]}

    def _complete(self, record: dict[str, Any]) -> dict[str, Any]:
        for name in self._times:
            value = record[name]
            if value is not None and value.__class__ is not int:
                record[name] = self._milliseconds(name, value)
        if record["at"] is None:
            record["at"] = self._now()
        if record["id"] is None:
            record["id"] = uuid.uuid4().hex
        return record

    def _milliseconds(self, name: str, value: datetime) -> int:
        """The time in ms; datetimes escape the decoder's bounds, so they are checked here."""
        at = milliseconds(value)
        if self._earliest <= at <= LATEST:
            return at
        expected = f"a time between {iso(self._earliest)} and {iso(LATEST)}"
        raise BadRequest(422, "a time out of range", name, expected, value.isoformat())

    def _explain(self, message: str, body: bytes) -> BadRequest:
        match = _PATH.match(message)
        what, path = (match["what"], match["path"]) if match else (message, None)
        if missing := _MISSING.match(what):
            return self._missing(missing[1])
        if unknown := _UNKNOWN.match(what):
            return self._unknown(unknown[1])
        if path not in self._fields and (field := _not_finite(body)):
            return BadRequest(422, "not this endpoint's request", *_finite(field))
        expected = self._expected(path, what)
        found = _found(body, path) if path else _got(what)
        hint = _TIME_HINT if path in self._times else None
        return BadRequest(422, "not this endpoint's request", path or "$", expected, found, hint)

    def _missing(self, name: str) -> BadRequest:
        doc = self._fields[name].get("doc")
        return BadRequest(422, "a required field is missing", name, "a value", "nothing", doc)

    def _unknown(self, name: str) -> BadRequest:
        near = nearest.hint(name[:MAX_TEXT], self._fields).removeprefix("; ")
        expected = f"one of {', '.join(self._fields)}"
        return BadRequest(422, "an unknown field", name[:MAX_TEXT], expected, hint=near or None)

    def _expected(self, path: str | None, what: str) -> str:
        types = _TYPES.match(what)
        if path in self._times and (types or what.startswith("Invalid")):
            return "a time"
        if what == "Number out of range":
            return "a number that fits into 64 bits"
        if types is None:
            word, _, bound = what.removeprefix("Expected ").replace("`", "").partition(" ")
            return f"{_WORDS.get(word, word)} {bound}".rstrip()
        return " or ".join(_WORDS.get(word, word) for word in types[1].split(" | "))


def _got(what: str) -> str | None:
    types = _TYPES.match(what)
    return types[2] if types else None


def _not_finite(body: bytes) -> str | None:
    """The field whose number JSON cannot say or a double cannot hold: NaN, Infinity, 1e999."""
    try:
        values = json.loads(body)
    except (ValueError, RecursionError):
        return None
    pairs = values.items() if isinstance(values, dict) else ()
    return next((n for n, v in pairs if isinstance(v, float) and not math.isfinite(v)), None)


def _finite(field: str | None) -> tuple[str, str] | tuple[()]:
    return (field[:MAX_TEXT], "a finite number") if field is not None else ()


def _found(body: bytes, path: str) -> str | None:
    """What the body has at a field, shortened; None where it cannot be told."""
    try:
        value = msgspec.json.decode(body)[path]
    except (*_NO_JSON, KeyError, TypeError):
        return None
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
