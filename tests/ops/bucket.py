"""A local cloud with pictures in its bucket of which no event was sent."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

from PIL import Image

from local.cloud import UPLOADS_BUCKET, Cloud, Scale
from local.imagex import FaultSettings

# No waiting for call slots, and short leases.
QUICK = {
    "REPAINT_MAX_QPS": "1000",
    "VEIMAGEX_TIMEOUT_SECONDS": "5",
    "VEIMAGEX_SETTLE_SECONDS": "1",
    "REPAINT_DEADLINE_SECONDS": "30",
}


def a_cloud(
    folder: Path, *, latency: float = 0.0, settings: Mapping[str, str] | None = None
) -> AbstractContextManager[Cloud]:
    """Return a local cloud whose model takes `latency` seconds and returns its input."""
    return Cloud(
        folder / "cloud",
        faults=FaultSettings(latency_seconds=latency),
        environment={**QUICK, **(settings or {})},
        scale=Scale(sweep_seconds=86_400.0),  # the sweep runs only if a test runs it
        paint=lambda image, _prompt, _seed: image,
    )


def picture() -> bytes:
    """Return a small photograph."""
    file = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    return file.getvalue()


def put(
    cloud: Cloud,
    *keys: str,
    content: bytes | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Put objects without an event; with a prompt, unless other metadata is given."""
    given = {"prompt": "x"} if metadata is None else metadata
    headers = {f"x-tos-meta-{name}": value for name, value in given.items()}
    for key in keys:
        body = picture() if content is None else content
        cloud.store.put(UPLOADS_BUCKET, key, body, {"content-type": "image/png", **headers})


def many(number: int) -> list[str]:
    """Return `number` keys."""
    return [f"uploads/{index:03}.png" for index in range(number)]


def change(cloud: Cloud, key: str, seconds_ago: float) -> None:
    """Set an object's last change back."""
    with cloud.store.index.transaction() as connection:
        connection.execute(
            "UPDATE objects SET modified = modified - ? WHERE key = ?", (seconds_ago, key)
        )


def charged(cloud: Cloud) -> list[str]:
    """Return the sorted keys of all charges; a key that was charged twice comes twice."""
    return sorted(
        unquote(urlsplit(charge.source).path).removeprefix("/")
        for charge in cloud.billing.charges()
    )
