"""The OpenAPI document of the API, made of its table of resources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tessel_proxy.monitoring.api.routes import PREFIX, ROUTES, Route


def openapi(schemas: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return the OpenAPI document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tessel-proxy",
            "version": version,
            "description": "See and steer the proxy. docs/admin-api.md explains it.",
        },
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "tessel_session"},
            },
            "schemas": dict(schemas),
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    in_path = [part.strip("{}") for part in route.path.split("/") if part.startswith("{")]
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in in_path
    ] + [
        {
            "name": each.name,
            "in": "query",
            "required": each.required,
            "description": each.meaning,
            "schema": each.schema_in_query,
        }
        for each in route.query
    ]
    operation: dict[str, Any] = {
        "operationId": route.call,
        "summary": route.meaning + ("; on CONTROL_SOCKET only" if route.is_local else ""),
        "parameters": parameters,
        "responses": {"200": _answer(route), "default": _content("Error")},
    }
    if route.body:
        operation["requestBody"] = {"content": {"application/json": {"schema": _body(route)}}}
    return operation


def _answer(route: Route) -> dict[str, Any]:
    if route.answer == "EventStream":
        return {"description": "events", "content": {"text/event-stream": {"schema": {}}}}
    return _content(route.answer)


def _content(schema: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": schema, "content": {"application/json": {"schema": reference}}}


def _body(route: Route) -> dict[str, Any]:
    optional = {
        each.name: {"anyOf": [each.schema, {"type": "null"}], "description": each.meaning}
        for each in route.body
        if not each.required
    }
    needed = {
        each.name: each.schema | {"description": each.meaning}
        for each in route.body
        if each.required
    }
    return {
        "type": "object",
        "properties": needed | optional,
        "required": list(needed),
        "additionalProperties": False,
    }
