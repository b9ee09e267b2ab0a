"""The OpenAPI 3.1 document, built from the models of requests and responses."""

import re
from functools import cache
from typing import Any

from pydantic.json_schema import models_json_schema

from shared.http_api.problems import KINDS
from shared.http_api.schema import (
    IMAGE_URL,
    LISTED_STATUSES,
    STORE_PATH,
    Generation,
    GenerationList,
    GenerationRequest,
    Health,
    ProblemDocument,
)
from shared.uploads.image_url import MAX_URL_CHARACTERS

_SCHEMAS = "#/components/schemas/"


@cache
def openapi_document(service_id: str, allow_http: bool) -> dict[str, Any]:
    """Return a deployment's document; it has every status that a response can have."""
    _, schemas = models_json_schema(
        [
            (Generation, "serialization"),
            (GenerationList, "serialization"),
            (GenerationRequest, "validation"),
            (Health, "serialization"),
            (ProblemDocument, "serialization"),
        ],
        ref_template=_SCHEMAS + "{model}",
    )
    properties = schemas["$defs"]["GenerationRequest"]["properties"]
    # Hosts of internal networks are refused as well, which no pattern can express.
    image_url = IMAGE_URL if allow_http else IMAGE_URL.replace("https?", "https", 1)
    store_uri = f"tos-cn-i-{re.escape(service_id)}{STORE_PATH}"
    # Not the model's own limit: it sees the canonical form, which may be longer.
    properties["image_url"] |= {"pattern": f"^{image_url}$", "maxLength": MAX_URL_CHARACTERS}
    properties["store_uri"]["pattern"] = f"^{store_uri}$"
    further = {"type": "string", "pattern": f"^({image_url}|{store_uri})$"}
    of_own_model = schemas["$defs"]["OwnModel"]["properties"]["image_urls"]
    of_own_model["anyOf"][0]["items"] = further
    schemas["$defs"]["OtherModel"]["properties"]["image_urls"]["items"] = further
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Repaint",
            "version": "1",
            "description": "Repaint pictures with veImageX. Each generation is paid once.",
        },
        "security": [{"bearer": []}],
        "paths": {
            "/generations": {"post": _create(), "get": _list()},
            "/generations/{id}": {"get": _show()},
            "/healthz": {"get": _health()},
            "/openapi.json": {"get": _itself()},
        },
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _create() -> dict[str, Any]:
    link = {
        "operationId": "show",
        "parameters": {"id": "$response.body#/id"},
        "description": "The state of the generation.",
    }
    location = {
        "Location": {"schema": {"type": "string"}, "description": "The URL of the generation."}
    }
    made = _json("Generation", "The picture was repainted.") | {"headers": location}
    accepted = _json("Generation", "It is not finished; poll its URL.") | {"headers": location}
    return {
        "operationId": "create",
        "summary": "Repaint a picture.",
        "description": (
            "With the header `Idempotency-Key` (1 to 255 visible characters, such as a UUID) the "
            "same key and body get the same response and one charge: 409 while it is running, "
            "422 with another body. Without it, identical requests are not merged."
        ),
        "parameters": [
            {
                "name": "Prefer",
                "in": "header",
                "description": "respond-async: respond with 202 at once; the sweep generates.",
                "schema": {"type": "string"},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _SCHEMAS + "GenerationRequest"}}},
        },
        "responses": {
            "200": made | {"links": {"show": link}},
            "202": accepted | {"links": {"show": link}},
            **_problems(
                "malformed-json",
                "unauthorized",
                "not-found",
                "still-running",
                "too-large",
                "unsupported-media-type",
                "invalid-fields",
                "internal",
                "unavailable",
            ),
        },
    }


def _list() -> dict[str, Any]:
    return {
        "operationId": "list",
        "summary": "List the pending generations.",
        "parameters": [
            {
                "name": "status",
                "in": "query",
                "schema": {"type": "string", "enum": list(LISTED_STATUSES), "default": "pending"},
            },
            {
                "name": "cursor",
                "in": "query",
                "description": "The next_cursor of the page before.",
                "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            },
        ],
        "responses": {
            "200": _json("GenerationList", "A page."),
            **_problems("bad-parameter", "unauthorized", "internal", "unavailable"),
        },
    }


def _show() -> dict[str, Any]:
    return {
        "operationId": "show",
        "summary": "Show a generation.",
        "parameters": [
            {
                "name": "id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
            }
        ],
        "responses": {
            "200": _json("Generation", "The generation."),
            **_problems("unauthorized", "not-found", "internal", "unavailable"),
        },
    }


def _health() -> dict[str, Any]:
    return {
        "operationId": "health",
        "summary": "Check that the function is running.",
        "security": [],
        "responses": {"200": _json("Health", "It is running."), **_problems("unauthorized")},
    }


def _itself() -> dict[str, Any]:
    document = {"application/json": {"schema": {"type": "object"}}}
    return {
        "operationId": "openapi",
        "summary": "Return this document.",
        "responses": {
            "200": {"description": "This document.", "content": document},
            **_problems("unauthorized"),
        },
    }


def _json(model: str, description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": _SCHEMAS + model}}},
    }


def _problems(*kinds: str) -> dict[str, Any]:
    return {
        str(int(KINDS[kind])): {
            "description": KINDS[kind].phrase,
            "content": {
                "application/problem+json": {"schema": {"$ref": _SCHEMAS + "ProblemDocument"}}
            },
        }
        for kind in kinds
    }
