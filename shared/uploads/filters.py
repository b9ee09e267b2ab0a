"""Which objects are an upload for this deployment at all, as far as their key tells."""

from shared.settings import Settings


def outside(settings: Settings, bucket: str, key: str) -> str | None:
    """Say in a sentence why an object is none of this deployment's; None where it is."""
    scheme, _, place = settings.ledger.partition("://")
    if scheme == "tos" and f"{bucket}/{key}".startswith(place):
        return f"The object belongs to Repaint's own state ({place})."
    if settings.prefixes and not key.startswith(settings.prefixes):
        return f"The key begins with none of REPAINT_PREFIXES ({', '.join(settings.prefixes)})."
    if not key.lower().endswith(tuple(suffix.lower() for suffix in settings.suffixes)):
        return f"The key ends with none of REPAINT_SUFFIXES ({', '.join(settings.suffixes)})."
    return None
