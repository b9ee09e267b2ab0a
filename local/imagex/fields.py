"""Look at one field of a JSON object; every refusal is a sentence that names the field."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from local.openapi import Refusal


def is_unicode(value: str) -> bool:
    """Say whether a string can be written: JSON may hold one half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def invalid(name: str, problem: str) -> Refusal:
    """Make the refusal of a field whose value is wrong."""
    return Refusal(f"InvalidParameter.{name}", f"{name} {problem}.")


def required(fields: Mapping[str, Any], key: str, name: str) -> Any:
    """Return a field that must be there."""
    if fields.get(key) is None:
        raise Refusal(f"MissingParameter.{name}", f"{name} is missing.")
    return fields[key]


def text(fields: Mapping[str, Any], key: str, name: str) -> str:
    """Return a field that must be a string with something in it."""
    value = required(fields, key, name)
    if not isinstance(value, str) or not value or not is_unicode(value):
        raise invalid(name, "is not a string, or an empty one")
    return value


def texts(fields: Mapping[str, Any], key: str) -> list[str]:
    """Return a field of `ReqJson` that is a list of strings, empty where it is missing."""
    values = fields.get(key, [])
    if not isinstance(values, list) or not all(isinstance(v, str) and v for v in values):
        raise invalid(f"ReqJson.{key}", "is not a list of strings")
    return values


def mapping(value: Any, name: str) -> dict[str, Any]:
    """Return a value that must be a JSON object."""
    if not isinstance(value, dict):
        raise invalid(name, "is not a JSON object")
    return value


def only(fields: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse an object that has a field that is not `known`."""
    for key in fields:
        if key not in known:
            raise invalid(f"{where}.{key}", f"is no parameter; known are {', '.join(known)}")


def integer(fields: Mapping[str, Any], key: str, low: int, high: int, where: str) -> None:
    """Refuse a field that is there and is no whole number from `low` to `high`."""
    value = fields.get(key, low)
    # bool is a kind of int in Python, and is none in JSON.
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise invalid(f"{where}.{key}", f"is not a whole number from {low} to {high}")


def number(fields: Mapping[str, Any], key: str, low: int, high: int, where: str) -> None:
    """Refuse a field that is there and is no number from `low` to `high`."""
    value = fields.get(key, low)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not low <= value <= high:
        raise invalid(f"{where}.{key}", f"is not a number from {low} to {high}")


def flag(fields: Mapping[str, Any], key: str, where: str) -> None:
    """Refuse a field that is there and is neither true nor false."""
    if not isinstance(fields.get(key, False), bool):
        raise invalid(f"{where}.{key}", "is neither true nor false")
