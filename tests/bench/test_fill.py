"""Directly written records are as the ledger would have written them."""

from pathlib import Path
from typing import Literal

import pytest

from bench.fill import end_record, fill_bucket, fill_file, fill_objects
from bench.services import PROMPT, Services
from local.cloud import STATE_BUCKET, UPLOADS_BUCKET
from shared.ledger import State
from shared.runtime import Runtime
from shared.uploads.metadata import identity, recognised


@pytest.mark.parametrize("store", ["tos", "sqlite"])
def test_copied_end_records(tmp_path: Path, store: Literal["tos", "sqlite"]) -> None:
    """Copies of an end record are end records."""
    path = tmp_path / "ledger.sqlite"
    with Services(tmp_path / "services") as services:
        place = {"REPAINT_LEDGER": f"sqlite://{path}"} if store == "sqlite" else {}
        runtime = Runtime(services.environment("ours", **place))
        ledger = runtime.ledger
        first = end_record("0123456789abcdef" * 2)
        entry = ledger.create(first.changed(state=State.PENDING))
        assert entry is not None
        ledger.finish(entry, first)
        for stage, count in enumerate((3, 4)):
            if store == "tos":
                fill_objects(services.store, "ledger/", first, count, stage)
            else:
                fill_file(path, first, count, stage)

        ids = [record_id for record_id, _ in ledger.finished_ids()]
        read = [ledger.finished(record_id) for record_id in ids]
        runtime.close()

    assert 8 == len(set(ids))
    assert all(record is not None and record.state == "generated" for record in read)
    if store == "sqlite":  # in object storage all share one content, which is never read
        assert ids == [record.id for record in read if record]


def test_filled_bucket(tmp_path: Path) -> None:
    """Every other object of a filled bucket has its end record."""
    with Services(tmp_path) as services:
        fill_bucket(services.store, 10, "ledger/done/")
        uploads = services.store.list(UPLOADS_BUCKET).objects
        ended = {stored.key for stored in services.store.list(STATE_BUCKET).objects}

    metadata = recognised({"prompt": uploads[0].headers["x-tos-meta-prompt"]})
    ids = [identity(UPLOADS_BUCKET, each.key, each.etag, metadata) for each in uploads]
    assert metadata == {"prompt": PROMPT}
    assert ended == {f"ledger/done/{record_id}.json" for record_id in ids[1::2]}
