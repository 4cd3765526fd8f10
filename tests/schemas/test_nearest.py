"""The hint at the end of an error."""

from __future__ import annotations

from schemas import nearest

THERE = ("origin", "carrier", "tailnum")


def test_the_nearest_name_is_the_hint_before_anything_else() -> None:
    assert nearest.hint("orign", THERE, "there are three") == "; did you mean 'origin'?"


def test_where_no_name_is_near_the_rest_is_said_or_nothing() -> None:
    assert nearest.hint("zzz", THERE, "there are three") == "; there are three"
    assert nearest.hint("zzz", THERE) == ""
    assert nearest.hint("zzz", ()) == ""
