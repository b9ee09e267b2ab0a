"""The checks of the ledger's bucket: permissions, versions, conditional writes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.cloud import STATE_BUCKET
from local.keys import KeyRing
from local.tos import ObjectStore
from ops.checks.check import Check, CheckState, Finding
from ops.checks.client import CheckClient
from ops.checks.ledger_bucket import LedgerBucket
from shared.clients.http import PooledTransport, Request, Response
from shared.clock import SystemClock
from shared.errors import MaybeExecuted, NoAnswer
from shared.signing import Credentials
from tests.ops.checks.scripted import DENIED, Script, always, answered, client
from tests.ops.stores import (
    CreatesBySwapping,
    ListsLater,
    OverwritesAnyway,
    RemovesNothing,
    SetBack,
    SwapsAnyway,
    WritesNothing,
    keys_in,
    served,
    store_in,
)


def test_denied_versioning() -> None:
    """If the versioning may not be read, it is to be checked by hand."""
    finding = LedgerBucket(client(always(DENIED)), "state", "x/").versioning()

    assert CheckState.WARNING is finding.state
    assert "tos:GetBucketVersioning" in finding.fix


def test_denied_listing() -> None:
    """If the ledger may not be listed, the permissions are named."""
    finding = Check("it", LedgerBucket(client(always(DENIED)), "state", "x/").exists).run()

    assert CheckState.WRONG is finding.state
    assert "tos:ListBucket on state" in finding.fix
    assert "state/x/*" in finding.fix


@pytest.mark.parametrize("status", ["Enabled", "Suspended", "SomethingNew"])
def test_versioned_bucket(status: str) -> None:
    """Versioning in any form is wrong."""
    script = always(answered(200, {"Status": status}))

    finding = LedgerBucket(client(script), "state", "x/").versioning()

    assert (CheckState.WRONG, True) == (finding.state, status in finding.found)


@pytest.mark.parametrize("status", [None, ""])
def test_unversioned_bucket(status: str | None) -> None:
    """Versioning that was never enabled is fine."""
    script = always(answered(200, {"Status": status}))

    assert CheckState.OK is LedgerBucket(client(script), "state", "x/").versioning().state


def test_version_in_answer() -> None:
    """A bucket whose answer to a write names a version is versioned."""
    written = answered(200, None, etag='"e"', **{"x-tos-version-id": "v1"})
    script = Script(lambda request: written if request.method == "PUT" else answered(204))

    finding = create_only(client(script))

    assert CheckState.WRONG is finding.state
    assert "keeps versions" in finding.found
    # What it wrote is gone for good, not hidden behind a newer version.
    assert ["versionId=v1"] == [
        request.url.partition("?")[2] for request in script.requests if request.method == "DELETE"
    ]


def test_race_without_winner() -> None:
    """Concurrent writes that are all refused are a warning: nothing is paid for twice."""
    content: dict[str, bytes] = {}

    def answer(request: Request) -> Response:
        if request.method == "PUT":
            if request.body.startswith(b"writer") or request.url in content:
                return answered(409, {"Code": "OperationAborted"})
            content[request.url] = request.body
            return answered(200, None, etag='"e"')
        if request.method == "DELETE":
            content.pop(request.url, None)
            return answered(204)
        return Response(200, {}, content[request.url])

    finding = create_only(client(Script(answer)))

    assert CheckState.WARNING is finding.state
    assert "none was accepted" in finding.found


def test_lost_answer() -> None:
    """A lost answer leaves no scratch key behind."""
    there: set[str] = set()

    def answer(request: Request) -> Response:
        url = request.url
        if request.method == "DELETE":
            there.discard(url)
            return answered(204)
        there.add(url)
        raise MaybeExecuted("The connection broke.")

    writes = LedgerBucket(client(Script(answer)), "state", "x/")

    for check in (writes.create_only, writes.compare_and_swap, writes.listing):
        with pytest.raises(NoAnswer):
            check()
    assert set() == there


def create_only(scripted: CheckClient) -> Finding:
    return Check("it", LedgerBucket(scripted, "state", "x/").create_only).run()


@contextmanager
def client_of(store: ObjectStore) -> Iterator[CheckClient]:
    keys = KeyRing()
    issued = keys.issue()

    class Issued:
        def get(self) -> Credentials:
            return issued

    transport = PooledTransport()
    with served(store, keys) as settings:
        yield client(transport, settings, SystemClock(), Issued())
    transport.close()


@pytest.mark.parametrize(
    ("kind", "check", "sentence"),
    [
        (OverwritesAnyway, LedgerBucket.create_only, "replaced an object that was there"),
        (SwapsAnyway, LedgerBucket.compare_and_swap, "an ETag that no longer held"),
        (CreatesBySwapping, LedgerBucket.compare_and_swap, "that does not exist created it"),
        (ListsLater, LedgerBucket.listing, "lacks the object"),
        (RemovesNothing, LedgerBucket.listing, "could not be removed"),
        (WritesNothing, LedgerBucket.create_only, "could not be written"),
    ],
)
def test_careless_store(
    tmp_path: Path,
    kind: type[ObjectStore],
    check: Callable[[LedgerBucket], Finding],
    sentence: str,
) -> None:
    """A store that does not honour the ledger's conditions is wrong."""
    with client_of(store := store_in(tmp_path, kind)) as real:
        writes = LedgerBucket(real, STATE_BUCKET, "ledger/")
        finding = Check("it", lambda: check(writes)).run()
        left = keys_in(store)

    assert CheckState.WRONG is finding.state
    assert sentence in finding.found
    assert finding.fix
    assert (kind is RemovesNothing) == bool(left)


def test_unremovable_keys(tmp_path: Path) -> None:
    """Scratch keys that cannot be removed are named."""
    with client_of(store := store_in(tmp_path, RemovesNothing)) as real:
        writes = LedgerBucket(real, STATE_BUCKET, "ledger/")
        writes.create_only()
        finding = writes.leftovers()
        left = keys_in(store)

    assert CheckState.WARNING is finding.state
    assert left[0] in finding.found


def test_leftovers_of_killed_run(tmp_path: Path) -> None:
    """Scratch keys of a killed doctor are removed; other keys stay."""
    old, foreign = f"ledger/doctor/{'0' * 16}-1", "ledger/doctor/notes.txt"
    young = f"ledger/doctor/{'1' * 16}-1"
    clock = SetBack()
    with client_of(store := ObjectStore(tmp_path / "store", clock)) as real:
        store.put(STATE_BUCKET, old, b"x")
        store.put(STATE_BUCKET, foreign, b"x")
        clock.back = 0.0
        store.put(STATE_BUCKET, young, b"x")
        finding = LedgerBucket(real, STATE_BUCKET, "ledger/").leftovers()
        left = keys_in(store)

    assert CheckState.OK is finding.state
    assert "1 of an earlier doctor was removed" in finding.found
    assert "1 was written just now" in finding.found
    assert [young, foreign] == left
