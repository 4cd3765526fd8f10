"""Asks a running endpoint one question, for the shell."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from infra.records import from_words
from infra.settings import Settings, domain_of

TIMEOUT = 10.0


class EndpointError(RuntimeError):
    """The endpoint did not answer, or refused the request; says what it said."""


def ask(url: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The endpoint's answer to a request record; raises EndpointError."""
    body = json.dumps(request).encode()
    sent = urllib.request.Request(f"{url}/predict", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(sent, timeout=TIMEOUT) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        raise EndpointError(f"{url} answers {error.code}: {_said(error.read())}") from None
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise EndpointError(
            f"no endpoint at {url} ({reason}): `headrace up` or `headrace serve`, or set "
            "HEADRACE_HTTP_HOST and HEADRACE_HTTP_PORT"
        ) from None


def request(settings: Settings, words: list[str], text: str | None) -> dict[str, Any]:
    """The domain's request from `name=value` words or JSON text; raises EndpointError."""
    if bool(words) == (text is not None):
        raise EndpointError("give the request as name=value words, or as --json: one of them")
    try:
        if text is not None:
            return _object(json.loads(text))
        return from_words(domain_of(settings).schemas["request"], words)
    except ValueError as error:
        raise EndpointError(f"request: {error}") from None


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, found {type(value).__name__}")
    return value


def _said(body: bytes) -> str:
    """The words of an error document: what, which field, expected and found."""
    try:
        document = json.loads(body)
    except ValueError:
        return body[:500].decode(errors="replace")
    rest = [f"{name} {value}" for name, value in document.items() if name != "error" and value]
    return "; ".join([str(document.get("error", "no reason given")), *rest])
