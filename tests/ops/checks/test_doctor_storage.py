"""The doctor's checks of the buckets and the ledger's writes: permissions missing, stores odd."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local.cloud import STATE_BUCKET
from local.keys import KeyRing
from local.tos import ObjectStore
from ops.checks.checks import State, Told
from ops.checks.conditions import Conditions
from ops.checks.scratch import Scratch
from ops.checks.sqlite import LedgerFile
from ops.checks.storage import StateBucket, upload_bucket
from ops.checks.wire import Wire
from shared.clients.http import PooledTransport, Request, Response
from shared.clock import SystemClock
from shared.errors import MaybeExecuted, NoAnswer
from shared.ledger.sqlite import SqliteLedger
from shared.signing import Credentials
from tests.ops.checks.doctor_wire import DENIED, Script, always, answered, wire
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


def test_a_bucket_that_may_not_be_asked_for_its_versions_is_to_be_looked_at_by_hand() -> None:
    told = StateBucket(wire(always(DENIED)), "state", "x/").versioning()

    assert State.WARNING is told.state
    assert "tos:GetBucketVersioning" in told.mend


def test_a_state_bucket_that_may_not_be_listed_names_the_permissions() -> None:
    told = StateBucket(wire(always(DENIED)), "state", "x/").exists()

    assert State.WRONG is told.state
    assert "tos:ListBucket on state" in told.mend
    assert "state/x/*" in told.mend


@pytest.mark.parametrize("status", ["Enabled", "Suspended", "SomethingNew"])
def test_versioning_in_any_form_is_wrong(status: str) -> None:
    told = StateBucket(wire(always(answered(200, {"Status": status}))), "state", "x/").versioning()

    assert (State.WRONG, True) == (told.state, status in told.found)


@pytest.mark.parametrize("status", [None, ""])
def test_versioning_that_was_never_switched_on_is_well(status: str | None) -> None:
    script = always(answered(200, {"Status": status}))

    assert State.OK is StateBucket(wire(script), "state", "x/").versioning().state


@pytest.mark.parametrize(
    ("listing", "absent", "state", "sentence"),
    [
        (answered(200, {}), answered(404, {"Code": "NoSuchKey"}), State.OK, "read and listed"),
        (DENIED, answered(404, {"Code": "NoSuchKey"}), State.WARNING, "not be listed"),
        (answered(200, {}), DENIED, State.WRONG, "Reading an object of photos was refused"),
        (DENIED, DENIED, State.WARNING, "cannot be told"),
        (answered(404, {"Code": "NoSuchBucket"}), DENIED, State.WRONG, "no bucket photos"),
    ],
)
def test_what_the_key_may_do_in_the_upload_bucket_is_told(
    listing: Response, absent: Response, state: State, sentence: str
) -> None:
    script = Script(lambda request: listing if "list-type" in request.url else absent)

    told = upload_bucket(wire(script), "photos")

    assert state is told.state
    assert sentence in told.found


def test_a_write_whose_answer_names_a_version_gives_a_versioned_bucket_away() -> None:
    written = answered(200, None, etag='"e"', **{"x-tos-version-id": "v1"})
    script = Script(lambda request: written if request.method == "PUT" else answered(204))

    told = Conditions(Scratch(wire(script), "state", "x/")).create_only()

    assert State.WRONG is told.state
    assert "keeps versions" in told.found
    # What it wrote is gone for good, not hidden behind a newer version.
    assert ["versionId=v1"] == [
        request.url.partition("?")[2] for request in script.asked if request.method == "DELETE"
    ]


def test_writes_that_are_all_refused_when_they_come_at_once_pay_for_nothing_twice() -> None:
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

    told = Conditions(Scratch(wire(Script(answer)), "state", "x/")).create_only()

    assert State.WARNING is told.state
    assert "none was accepted" in told.found


def test_an_answer_that_is_lost_in_the_middle_leaves_no_key_behind() -> None:
    there: set[str] = set()

    def answer(request: Request) -> Response:
        url = request.url
        if request.method == "DELETE":
            there.discard(url)
            return answered(204)
        there.add(url)
        raise MaybeExecuted("The connection broke.")

    conditions = Conditions(Scratch(wire(Script(answer)), "state", "x/"))

    for look in (conditions.create_only, conditions.compare_and_swap, conditions.listing):
        with pytest.raises(NoAnswer):
            look()
    assert set() == there


@contextmanager
def asked_at(store: ObjectStore) -> Iterator[Wire]:
    keys = KeyRing()
    issued = keys.issue()

    class Issued:
        def get(self) -> Credentials:
            return issued

    transport = PooledTransport()
    with served(store, keys) as settings:
        yield wire(transport, settings, SystemClock(), Issued())
    transport.close()


@pytest.mark.parametrize(
    ("kind", "look", "sentence"),
    [
        (OverwritesAnyway, Conditions.create_only, "replaced an object that was there"),
        (SwapsAnyway, Conditions.compare_and_swap, "an ETag that no longer held"),
        (CreatesBySwapping, Conditions.compare_and_swap, "that is not there created it"),
        (ListsLater, Conditions.listing, "does not show the object"),
        (RemovesNothing, Conditions.listing, "could not be removed"),
        (WritesNothing, Conditions.create_only, "could not be written"),
    ],
)
def test_a_store_that_does_not_keep_what_the_ledger_stands_on_is_wrong(
    tmp_path: Path, kind: type[ObjectStore], look: Callable[[Conditions], Told], sentence: str
) -> None:
    with asked_at(store := store_in(tmp_path, kind)) as asked:
        told = look(Conditions(Scratch(asked, STATE_BUCKET, "ledger/")))
        left = keys_in(store)

    assert State.WRONG is told.state
    assert sentence in told.found
    assert told.mend
    assert (kind is RemovesNothing) == bool(left)


def test_scratch_keys_that_cannot_be_removed_are_named(tmp_path: Path) -> None:
    with asked_at(store := store_in(tmp_path, RemovesNothing)) as asked:
        scratch = Scratch(asked, STATE_BUCKET, "ledger/")
        Conditions(scratch).create_only()
        told = scratch.look()
        left = keys_in(store)

    assert State.WARNING is told.state
    assert left[0] in told.found


def test_what_a_killed_doctor_left_is_removed_and_what_is_not_ours_stays(tmp_path: Path) -> None:
    old, foreign = f"ledger/doctor/{'0' * 16}-1", "ledger/doctor/notes.txt"
    young = f"ledger/doctor/{'1' * 16}-1"
    clock = SetBack()
    with asked_at(store := ObjectStore(tmp_path / "store", clock)) as asked:
        store.put(STATE_BUCKET, old, b"x")
        store.put(STATE_BUCKET, foreign, b"x")
        clock.back = 0.0
        store.put(STATE_BUCKET, young, b"x")
        told = Scratch(asked, STATE_BUCKET, "ledger/").look()
        left = keys_in(store)

    assert State.OK is told.state
    assert "1 of an earlier doctor was removed" in told.found
    assert "1 was written just now" in told.found
    assert [young, foreign] == left


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    SqliteLedger(path).close()

    told = LedgerFile(path).writable()

    assert State.OK is told.state
    assert "is there and can be written" in told.found
    assert [path] == list(tmp_path.iterdir())


def test_a_file_that_is_no_database_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"This is no database, whatever its name says." * 50)

    told = LedgerFile(path).writable()

    assert State.WRONG is told.state
    assert "not a database" in told.found


def test_a_folder_that_is_not_there_yet_can_be_made(tmp_path: Path) -> None:
    told = LedgerFile(tmp_path / "a" / "b" / "ledger.sqlite").writable()

    assert State.OK is told.state
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("/srv/data/ledger.sqlite", State.OK),
        ("/srv/shared/ledger.sqlite", State.WRONG),
        ("/srv/shared-not/ledger.sqlite", State.OK),
        ("/tmp/ledger.sqlite", State.WARNING),
    ],
)
def test_a_place_that_a_network_or_nobody_keeps_is_told(
    tmp_path: Path, path: str, state: State
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nserver:/x /srv/shared nfs4 rw 0 0\n")

    assert state is LedgerFile(Path(path), mounts).shared().state


def test_where_the_mounts_cannot_be_read_the_place_is_believed(tmp_path: Path) -> None:
    assert State.OK is LedgerFile(Path("/srv/x.sqlite"), tmp_path / "none").shared().state
