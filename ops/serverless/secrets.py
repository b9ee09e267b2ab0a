"""Which environment variables hold secrets, by their names."""

from typing import get_args

from pydantic import SecretStr

from shared.config import Settings

_SETTINGS = frozenset(
    field.alias or name
    for name, field in Settings.model_fields.items()
    if SecretStr in (field.annotation, *get_args(field.annotation))
)
_WORDS = ("SECRET", "TOKEN", "PASSWORD", "KEY")


def is_secret(variable: str) -> bool:
    """Tell whether a variable's value is never shown. Rather one too many than one too few."""
    return variable in _SETTINGS or any(word in variable.upper() for word in _WORDS)
