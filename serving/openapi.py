"""The OpenAPI 3.1 document of the endpoint, and a page that shows it without a network."""

from __future__ import annotations

import html
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import msgspec

from schemas.declare import Domain
from serving.answers import Answer
from serving.requests import MAX_BODY, Requests

_JSON = "application/json"
_ERRORS = {
    400: "The body is not JSON, or the budget is no number.",
    408: "The request was not whole after some seconds; the connection is closed.",
    413: f"The body is larger than {MAX_BODY} bytes.",
    415: "The body is not declared as JSON.",
    422: "The body is JSON but not this request; the field is named.",
    503: "Too much to do to answer in time, or not started yet; try again after `Retry-After`.",
}
_ERROR = {
    "type": "object",
    "description": "What was wrong, where, and what was expected.",
    "required": ["error"],
    "properties": {
        "error": {"type": "string"},
        "field": {"type": "string", "description": "Path of the field."},
        "expected": {"type": "string"},
        "found": {"type": "string"},
        "hint": {"type": "string"},
    },
    "examples": [
        {
            "error": "an unknown field",
            "field": "tailnumber",
            "expected": "one of id, at, tailnum",
            "hint": "did you mean 'tailnum'?",
        }
    ],
}
_BUDGET = {
    "name": "X-Budget-Ms",
    "in": "header",
    "required": False,
    "description": "Milliseconds this answer may take; the server's budget where left out.",
    "schema": {"type": "number", "exclusiveMinimum": 0, "maximum": 60_000},
    "example": 50,
}


def document(domain: Domain, requests: Requests) -> dict[str, Any]:
    """The OpenAPI document of a domain's endpoint."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Headrace: {domain.title}",
            "version": version("headrace"),
            "description": f"The probability that it {domain.positive}, from what happened up to "
            "the time the question is asked at.",
        },
        "paths": _paths(domain),
        "components": {"schemas": _schemas(requests)},
    }


def _schemas(requests: Requests) -> dict[str, Any]:
    _, made = msgspec.json.schema_components([Answer], ref_template="#/components/schemas/{name}")
    return {"Request": requests.json_schema(), "Answer": made["Answer"], "Error": _ERROR}


def _paths(domain: Domain) -> dict[str, Any]:
    predict = {
        "operationId": "predict",
        "summary": f"The probability that it {domain.positive}",
        "parameters": [_BUDGET],
        "requestBody": {"required": True, "content": _content("Request")},
        "responses": {
            "200": {"description": "The answer.", "content": _content("Answer")},
            **{str(code): _failure(code) for code in _ERRORS},
        },
    }
    return {
        "/predict": {"post": predict},
        "/healthz": {"get": _plain("healthz", "Whether the process is alive")},
        "/readyz": {"get": _ready()},
        "/models": {"get": _plain("models", "The models that can answer, with their metrics")},
        "/models/{name}/card": {"get": _card()},
        "/metrics": {"get": _plain("metrics", "Metrics for Prometheus", "text/plain")},
        "/openapi.json": {"get": _plain("openapi", "This document")},
        "/docs": {"get": _plain("docs", "This document as a page", "text/html")},
    }


def _content(name: str) -> dict[str, Any]:
    return {_JSON: {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _failure(code: int) -> dict[str, Any]:
    said: dict[str, Any] = {"description": _ERRORS[code], "content": _content("Error")}
    if code == 503:
        said["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "string"}}}
    return said


def _plain(name: str, summary: str, media: str = _JSON) -> dict[str, Any]:
    kind = "object" if media == _JSON else "string"
    ok = {"description": summary, "content": {media: {"schema": {"type": kind}}}}
    return {"operationId": name, "summary": summary, "responses": {"200": ok}}


def _card() -> dict[str, Any]:
    said = _plain("card", "The model card of a published snapshot", "text/markdown")
    said["responses"]["200"]["content"][_JSON] = {"schema": {"type": "object"}}
    for code, why in (("400", "The version is no number."), ("404", "No such snapshot.")):
        said["responses"][code] = {"description": why, "content": _content("Error")}
    place = {"schema": {"type": "string"}, "description": "The learner's name."}
    version = {
        "schema": {"type": "integer", "minimum": 0},
        "description": "The newest if left out.",
    }
    said["parameters"] = [
        {"name": "name", "in": "path", "required": True, **place},
        {"name": "version", "in": "query", **version},
    ]
    return said


def _ready() -> dict[str, Any]:
    said = _plain("readyz", "Whether requests may be sent here, and if not, why")
    said["responses"]["503"] = {
        "description": "Not yet.",
        "content": {_JSON: {"schema": {"type": "object"}}},
    }
    return said


def page(described: Mapping[str, Any]) -> str:
    """The document as one page of HTML that loads nothing, with a form that asks `/predict`."""
    info, schemas = described["info"], described["components"]["schemas"]
    example = msgspec.json.format(msgspec.json.encode(schemas["Request"]["examples"][0])).decode()
    rows = "".join(
        _route(path, method, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    )
    return _PAGE.format(
        title=html.escape(info["title"]),
        about=html.escape(info["description"]),
        routes=rows,
        request=_fields(schemas["Request"]),
        answer=_fields(schemas["Answer"]),
        answered=html.escape(" ".join(schemas["Answer"].get("description", "").split())),
        error=_fields(schemas["Error"]),
        example=html.escape(example),
    )


def _route(path: str, method: str, operation: Mapping[str, Any]) -> str:
    codes = ", ".join(operation["responses"])
    cells = (f"{method.upper()} {path}", operation["summary"], codes)
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _fields(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = (
        f"<tr><td><code>{html.escape(name)}</code></td><td>{html.escape(_type(field))}</td>"
        f"<td>{'required' if name in required else 'optional'}</td>"
        f"<td>{html.escape(field.get('description', ''))}</td></tr>"
        for name, field in schema["properties"].items()
    )
    return "".join(rows)


def _type(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_type(part) for part in field["anyOf"])
    kind = str(field.get("type", "any"))
    return f"{kind} ({field['format']})" if "format" in field else kind


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
table {{ border-collapse: collapse; width: 100% }}
td {{ border-top: 1px solid #ccc; padding: .3rem; vertical-align: top }}
textarea, pre {{ font: 14px/1.4 monospace; width: 100%; box-sizing: border-box }}
pre {{ background: #f4f4f4; padding: .6rem; min-height: 4rem; white-space: pre-wrap }}
</style></head><body>
<h1>{title}</h1>
<p>{about} For machines: <a href="/openapi.json">openapi.json</a>.</p>
<h2>Ask</h2>
<form id="form"><label for="body">Body of <code>POST /predict</code></label>
<textarea id="body" rows="12">{example}</textarea>
<p><label>Budget in ms <input id="budget" size="6" placeholder="50"></label>
<button>Ask</button></p></form><pre id="reply" aria-live="polite"></pre>
<h2>Routes</h2><table>{routes}</table>
<h2>Request</h2><table>{request}</table>
<h2>Answer</h2><p>{answered}</p><table>{answer}</table>
<h2>Error</h2><table>{error}</table>
<script>
document.getElementById("form").addEventListener("submit", async event => {{
  event.preventDefault();
  const headers = {{"Content-Type": "application/json"}};
  const budget = document.getElementById("budget").value;
  if (budget) headers["X-Budget-Ms"] = budget;
  const start = performance.now();
  const body = document.getElementById("body").value;
  const reply = document.getElementById("reply");
  try {{
    const answer = await fetch("/predict", {{method: "POST", headers, body}});
    const text = JSON.stringify(await answer.json(), null, 2);
    const took = (performance.now() - start).toFixed(1);
    reply.textContent = `${{answer.status}} in ${{took}} ms\\n${{text}}`;
  }} catch (fault) {{ reply.textContent = String(fault); }}
}});
</script></body></html>
"""
