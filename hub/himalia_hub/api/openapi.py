"""OpenAPI 3.1 of the route table, and TypeScript types of the same shapes.

``python -m himalia_hub.api.openapi`` prints the document, ``--typescript`` the types; the
generated files in the repository are checked for freshness by a test.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter

import himalia
from himalia_hub.api.routes import BASE_PATH, Route
from himalia_hub.auth.permissions import BY_NAME

PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "field": {"type": ["string", "null"]},
        "rule": {"type": ["string", "null"]},
        "value": {},
        "hint": {"type": "string"},
        "details": {"type": "object"},
        "request_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "code", "detail", "hint", "details", "request_id"],
}
_BINARY = {"type": "string", "format": "binary"}


class _Schemas:
    """Collects component schemas; names are the models' names."""

    def __init__(self) -> None:
        self.components: dict[str, Any] = {"Problem": PROBLEM}

    def of(self, shape: Any, mode: str) -> dict[str, Any]:
        schema = TypeAdapter(shape).json_schema(mode=mode, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
        for name, definition in schema.pop("$defs", {}).items():
            self._add(name, definition)
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            name = _clean(shape.__name__)
            self._add(name, schema)
            return {"$ref": f"#/components/schemas/{name}"}
        renamed: dict[str, Any] = _renamed(schema)
        return renamed

    def _add(self, name: str, definition: dict[str, Any]) -> None:
        self.components[_clean(name)] = _renamed(definition)


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", name).strip("_")


def _renamed(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: (_ref(v) if k == "$ref" else _renamed(v)) for k, v in value.items()}
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    return value


def _ref(value: str) -> str:
    head, _, name = value.rpartition("/")
    return f"{head}/{_clean(name)}"


def _parameters(route: Route, schemas: _Schemas) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for name, kind in route.parameters:
        schema = {"type": "integer", "minimum": 1} if kind is int else {"type": "string"}
        found.append({"name": name, "in": "path", "required": True, "schema": schema})
    if route.query is not None:
        reference = str(schemas.of(route.query, "validation")["$ref"])
        definition = schemas.components.pop(reference.rpartition("/")[2])
        for name, prop in definition.get("properties", {}).items():
            found.append(
                {"name": name, "in": "query", "required": name in definition.get("required", []), "schema": prop}
            )
    if route.if_match:
        found.append({"name": "If-Match", "in": "header", "required": True, "schema": {"type": "string"}})
    if route.writes and (route.idempotent or route.keeps_key):
        schema = {"type": "string", "maxLength": 128}
        found.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": schema})
    return found


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {
        "default": {
            "description": "What was refused, why, and what to do.",
            "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    }
    answer: dict[str, Any] = {"description": "Done."}
    if route.response is not None:
        answer["content"] = {"application/json": {"schema": schemas.of(route.response, "serialization")}}
    elif route.response_type != "application/json":
        answer["content"] = {route.response_type: {"schema": _BINARY}}
    responses[str(route.status)] = answer
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _parameters(route, schemas),
        "responses": responses,
    }
    if route.handler.__doc__:
        operation["description"] = " ".join(route.handler.__doc__.split())
    if route.permission is None:
        operation["security"] = []
    else:
        operation["x-permission"] = route.permission
        operation["x-permission-sentence"] = BY_NAME[route.permission].sentence
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schemas.of(route.body, "validation")}},
        }
    elif route.streams_body:
        operation["requestBody"] = {"required": True, "content": {route.body_type: {"schema": _BINARY}}}
    return operation


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The OpenAPI 3.1 document of all public routes."""
    schemas = _Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for route in sorted(routes, key=lambda r: (r.path, r.method)):
        if not route.internal:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Himalia", "version": himalia.__version__},
        "servers": [{"url": BASE_PATH}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.components.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic"},
            },
        },
    }


# -- TypeScript -------------------------------------------------------------------------------


def _ts(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return " | ".join(dict.fromkeys(_ts(option) for option in schema[word]))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_ts({**schema, "type": one}) for one in kind)
    if kind == "array":
        if "prefixItems" in schema:
            return "[" + ", ".join(_ts(item) for item in schema["prefixItems"]) + "]"
        inner = _ts(schema.get("items", {}))
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if kind == "object":
        if "properties" in schema:
            return _ts_object(schema)
        extra = schema.get("additionalProperties")
        return f"Record<string, {_ts(extra) if isinstance(extra, dict) else 'unknown'}>"
    return {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}.get(
        str(kind), "unknown"
    )


def _ts_object(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", []))
    fields = []
    for name, prop in schema["properties"].items():
        key = name if re.fullmatch(r"[A-Za-z_$][\w$]*", name) else json.dumps(name)
        fields.append(f"  {key}{'' if name in required else '?'}: {_ts(prop)};")
    return "{\n" + "\n".join(fields) + "\n}"


def typescript(routes: Iterable[Route]) -> str:
    """Interfaces of every shape of the API."""
    parts = ["// Generated by `python -m himalia_hub.api.openapi --typescript`; do not edit.\n"]
    for name, schema in document(routes)["components"]["schemas"].items():
        text = str(schema.get("description", "")).split("\n\n")[0]
        comment = f"/** {' '.join(text.split())} */\n" if text else ""
        body = _ts(schema)
        parts.append(
            f"{comment}export interface {name} {body}\n"
            if body.startswith("{")
            else f"{comment}export type {name} = {body};\n"
        )
    return "\n".join(parts)


def all_routes() -> list[Route]:
    from himalia_hub.platform import assembly

    return [route for table in assembly.route_tables() for route in table]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m himalia_hub.api.openapi")
    parser.add_argument("--typescript", action="store_true")
    arguments = parser.parse_args()
    routes = all_routes()
    text = typescript(routes) if arguments.typescript else json.dumps(document(routes), indent=2, ensure_ascii=False)
    sys.stdout.write(text.rstrip("\n") + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
