"""Reads the options of a `LearnerSpec` as the dataclass of its kind, and refuses what has no sense.

An option means the same in every kind that has it, so what values it may have stands here once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, ClassVar, Protocol, TypeVar, get_type_hints

from schemas.checks import known
from schemas.declare import DeclarationError, LearnerSpec

AROUND = ("calibrate", "keep", "positives", "rehearse", "kept")
"""Options around a learner of any kind; see `online_models.learners.wrapped`."""

PRIOR_STRENGTH = 20.0
"""How many examples the domain's prior is worth, where a spec does not say."""

_SENSE: Mapping[str, Callable[[float], bool]] = {
    "0 or more": lambda value: value >= 0,
    "above 0": lambda value: value > 0,
    "1 or more": lambda value: value >= 1,
    "2 or more": lambda value: value >= 2,
    "above 0 and below 1": lambda value: 0 < value < 1,
    "above 0 and at most 1": lambda value: 0 < value <= 1,
}

RANGES: Mapping[str, str] = {
    **dict.fromkeys(("l2", "focal", "tau", "drift", "rehearse"), "0 or more"),
    **dict.fromkeys(("rate", "eps", "strength", "spread", "positives"), "above 0"),
    **dict.fromkeys(("grace_period", "max_depth", "trees", "draws", "depth"), "1 or more"),
    **dict.fromkeys(("batch", "grown", "smallest_leaf", "first", "growth"), "1 or more"),
    **dict.fromkeys(("every", "size", "half_life", "kept"), "1 or more"),
    "leaves": "2 or more",
    **dict.fromkeys(("delta", "significance"), "above 0 and below 1"),
    **dict.fromkeys(("share", "keep"), "above 0 and at most 1"),
}
"""What numbers have a sense; `beta` may be any."""


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Declared = TypeVar("Declared", bound=_Dataclass)


def options(spec: LearnerSpec, kind: type[Declared]) -> Declared:
    """The spec's options as the kind's dataclass.

    Raises DeclarationError naming an unknown one and the nearest, or a value that has no sense.
    """
    names = [field.name for field in dataclasses.fields(kind)]
    where, types = f"learner {spec.name!r}", get_type_hints(kind)
    for name, value in spec.options.items():
        if name not in names:
            known(f"{where}: {spec.kind}", "option", name, [*names, *AROUND])
            raise DeclarationError(f"{where}: option {name!r} is not one of {spec.kind}")
        expected = _expected(name, types[name])
        if not _fits(value, types[name], RANGES.get(name)):
            raise DeclarationError(f"{where}: {name} {value!r}; expected {expected}")
    return kind(**spec.options)


def _expected(name: str, type_: Any) -> str:
    words = {bool: "True or False", int: "a whole number", float: "a finite number"}
    return ", ".join([words.get(type_, "names in a tuple"), *filter(None, [RANGES.get(name)])])


def _fits(value: Any, type_: Any, range_: str | None) -> bool:
    if type_ is bool:
        return isinstance(value, bool)
    if type_ not in (int, float):
        return isinstance(value, tuple | list) and all(isinstance(each, str) for each in value)
    number = Integral if type_ is int else Real
    sound = isinstance(value, number) and not isinstance(value, bool) and math.isfinite(value)
    return sound and (range_ is None or _SENSE[range_](value))
