"""Which environment variables hold secrets, by their names."""

from typing import Any, get_args

from pydantic import SecretStr

from shared.settings import Settings


def _has_secret(annotation: Any) -> bool:
    """Tell whether a type is SecretStr or is made of it, be it optional, annotated or in a list."""
    return annotation is SecretStr or any(_has_secret(part) for part in get_args(annotation))


_SETTINGS = frozenset(
    field.alias or name
    for name, field in Settings.model_fields.items()
    if _has_secret(field.annotation)
)
_WORDS = ("SECRET", "TOKEN", "PASSWORD", "KEY")


def is_secret(variable: str) -> bool:
    """Tell whether a variable's value is never shown. Rather one too many than one too few."""
    return variable in _SETTINGS or any(word in variable.upper() for word in _WORDS)
