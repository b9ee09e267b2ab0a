"""How long `repaint backfill` takes to plan, against the local cloud over HTTP.

    python -m bench.backfill_plan [--objects 100000]

Half as many end records as objects are in the ledger, for every other object. Prints one line:
seconds from the command's start to its end, and the most memory that it took.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET, Cloud
from shared.metadata import identity

_ROOT = Path(__file__).parent.parent
_PROMPT = "水彩画，柔和的晨光"
_INSERT = (
    "INSERT INTO objects (bucket, key, version, current, etag, size, crc, modified, blob, headers)"
    " VALUES (?, ?, '', 1, ?, 1000, '0', ?, '', ?)"
)
# Run inside the command's process, whose peak it is; Linux tells it in KiB, macOS in bytes.
_PEAK = (
    "import atexit, resource, sys;"
    "unit = 1 << 20 if sys.platform == 'darwin' else 1 << 10;"
    "atexit.register(lambda: print('peak', resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    " // unit, file=sys.stderr));"
    "from ops.cli import main; main()"
)


def main() -> None:
    """Fill a cloud, plan, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=100_000)
    objects: int = parser.parse_args().objects
    with tempfile.TemporaryDirectory(prefix="repaint-") as folder, Cloud(Path(folder)) as cloud:
        fill(cloud, objects)
        started = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-c", _PEAK, "backfill", UPLOADS_BUCKET, "--dry-run", "--json"],
            cwd=_ROOT,
            env=_environment(cloud),
            capture_output=True,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - started
    plan = json.loads(done.stdout)["plan"]
    peak = re.findall(r"^peak (\d+)$", done.stderr, re.MULTILINE)[-1]
    sys.stdout.write(
        f"planned {plan['listed']:,} objects, {plan['done']:,} of them done, in {seconds:.1f} s, "
        f"{peak} MiB at most\n"
    )


def fill(cloud: Cloud, objects: int) -> None:
    """Put objects and end records straight into the index; nobody reads their contents."""
    with cloud.store.index.transaction() as connection:
        connection.executemany(_INSERT, _rows(objects))


def _rows(objects: int) -> Iterator[tuple[str, str, str, float, str]]:
    now = time.time()
    headers = {"content-type": "image/jpeg", "x-tos-meta-prompt": quote(_PROMPT, safe="")}
    for number in range(objects):
        key = f"uploads/{number // 1000:05}/{number:08}.jpg"
        etag = hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
        yield UPLOADS_BUCKET, key, etag, now - 7200, json.dumps(headers)
        if number % 2:
            record = identity(UPLOADS_BUCKET, key, etag, {"prompt": _PROMPT})
            yield STATE_BUCKET, f"ledger/done/{record}.json", etag, now - 3600, "{}"


def _environment(cloud: Cloud) -> dict[str, str]:
    return {
        **os.environ,
        **cloud.settings,
        "VOLCENGINE_ACCESS_KEY": cloud.credentials.access_key,
        "VOLCENGINE_SECRET_KEY": cloud.credentials.secret_key,
    }


if __name__ == "__main__":
    main()
