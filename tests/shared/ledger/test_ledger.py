"""The ledger: both stores follow the same rules."""

import json
import random
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from shared.clients.http import Request, Response
from shared.clients.tos import Tos
from shared.errors import LeaseLost, LedgerFailed, MaybeExecuted, RecordUnreadable
from shared.ledger import (
    Attempt,
    Cause,
    EndState,
    Lease,
    Ledger,
    OutboxEntry,
    Park,
    Record,
    Source,
    State,
    Status,
    Unmade,
    find,
)
from shared.ledger.sqlite import SqliteLedger
from shared.ledger.tos import TosLedger
from tests.fakes import START, FakeCloud, StaticCredentials

RECORD = Record(
    id="a" * 32,
    source=Source(bucket="photos", key="猫.png", etag="e"),
    lease=Lease(owner="me", until=0.0),
)


def tos_ledger(cloud: FakeCloud) -> TosLedger:
    tos = Tos(
        endpoint="https://tos.example.com",
        public_endpoint="https://tos.example.com",
        region="cn-beijing",
        credentials=StaticCredentials(),
        transport=cloud,
        clock=cloud.clock,
        rng=random.Random(0),
    )
    return TosLedger(tos, "state", "ledger/")


@pytest.fixture(params=["tos", "sqlite"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    if request.param == "tos":
        yield tos_ledger(FakeCloud())
        return
    sqlite = SqliteLedger(tmp_path / "folder" / "ledger.db")
    yield sqlite
    sqlite.close()


def test_create(ledger: Ledger) -> None:
    """A claim is created once."""
    entry = ledger.create(RECORD)

    assert entry is not None
    assert ledger.create(RECORD.changed(lease=Lease(owner="other", until=0.0))) is None
    assert ledger.pending(RECORD.id) == entry
    assert ledger.finished(RECORD.id) is None


def test_round_trip(ledger: Ledger) -> None:
    """A record is read as it was written."""
    attempt = Attempt(number=1, output="repaint/a-1", sent_at=1.5)
    entry = ledger.create(RECORD)
    assert entry is not None
    entry = ledger.replace(
        entry,
        RECORD.with_attempt(attempt).changed(
            park=Park(status=Status.IN_DOUBT, cause=Cause.UNSURE, due_at=0.0)
        ),
    )

    assert ledger.pending(RECORD.id) == entry
    assert entry.record.attempts == (attempt,)


def test_stale_version(ledger: Ledger) -> None:
    """A writer that read an older version cannot write."""
    first = ledger.create(RECORD)
    assert first is not None
    second = ledger.replace(first, RECORD.changed(lease=Lease(owner="taker", until=0.0)))

    with pytest.raises(LeaseLost):
        ledger.replace(first, RECORD.changed(lease=Lease(owner="stale", until=0.0)))
    assert ledger.pending(RECORD.id) == second


def test_end_never_changes(ledger: Ledger) -> None:
    """An end never changes."""
    first = ledger.create(RECORD)
    assert first is not None
    ended = ledger.finish(first, RECORD.changed(state=State.GENERATED, store_uris=("u",)))
    again = ledger.finish(first, RECORD.changed(state=State.REJECTED))

    assert ended == again == ledger.finished(RECORD.id)
    assert ledger.pending(RECORD.id) is None


def test_replace_finished(ledger: Ledger) -> None:
    """A finished record cannot be replaced by a pending one."""
    entry = ledger.create(RECORD)
    assert entry is not None
    ledger.finish(entry, RECORD.changed(state=State.GENERATED))

    with pytest.raises(LeaseLost):
        ledger.replace(entry, RECORD)


def test_pending_ids(ledger: Ledger) -> None:
    """`pending_ids` yields only what is unfinished."""
    ids = [f"{n:032x}" for n in range(250)]
    for number, record_id in enumerate(ids):
        entry = ledger.create(RECORD.changed(id=record_id))
        assert entry is not None
        if number % 5:
            ledger.finish(entry, entry.record.changed(state=State.GENERATED))

    assert ids[::5] == list(ledger.pending_ids())


def test_finished_ids(ledger: Ledger) -> None:
    """`finished_ids` yields end records by the beginning of their ids."""
    ids = [f"{n % 3:020x}{n:012x}" for n in range(30)]
    for number, record_id in enumerate(ids):
        entry = ledger.create(RECORD.changed(id=record_id, updated_at=START))
        assert entry is not None
        if number % 5:
            ledger.finish(entry, entry.record.changed(state=State.GENERATED))
    ended = [record_id for number, record_id in enumerate(ids) if number % 5]

    assert sorted(ended) == [found for found, _ in ledger.finished_ids()]
    one = [found for found, _ in ledger.finished_ids(f"{1:020x}")]
    assert sorted(e for e in ended if e.startswith(f"{1:020x}")) == one
    assert {START} == {written for _, written in ledger.finished_ids()}
    assert [] == list(ledger.finished_ids("f"))


def test_outbox(ledger: Ledger) -> None:
    """An outbox entry stays as it was written last, until it is removed."""
    entry = OutboxEntry(
        id=f"{RECORD.id}-parked", record=RECORD.id, type="repaint.image.parked",
        created_at=START, due_at=START + 60, tries=1,
    )  # fmt: skip
    again = entry.model_copy(update={"due_at": START + 180, "tries": 2})
    other = entry.model_copy(update={"id": f"{'b' * 32}-parked", "record": "b" * 32})
    assert ledger.entry(entry.id) is None
    for written in (entry, other, again):
        ledger.put_entry(written)

    assert [entry.id, other.id] == sorted(ledger.entry_ids())
    assert (again, other) == (ledger.entry(entry.id), ledger.entry(other.id))
    assert [] == list(ledger.pending_ids())
    ledger.drop_entry(entry.id)
    ledger.drop_entry(entry.id)
    assert ledger.entry(entry.id) is None
    assert [other.id] == list(ledger.entry_ids())


def test_ended_ids(ledger: Ledger) -> None:
    """`ended_ids` finds records without an image among the generated ones."""
    states: list[EndState] = [
        State.GENERATED,
        State.REJECTED,
        State.GENERATED,
        State.SKIPPED,
        State.SUPERSEDED,
    ]
    ids: dict[EndState, list[str]] = {}
    for number in range(40):
        state = states[number % 5]
        ids.setdefault(state, []).append(f"{number:032x}")
        finish(ledger, f"{number:032x}", state)
    unmade: list[Unmade] = [State.REJECTED, State.SKIPPED, State.SUPERSEDED]

    for state in unmade:
        assert [(found, START) for found in ids[state]] == list(ledger.ended_ids(state))


def test_second_end(ledger: Ledger) -> None:
    """A second end, which did not stand, is not found as one."""
    entry = ledger.create(RECORD)
    assert entry is not None
    ledger.finish(entry, RECORD.changed(state=State.GENERATED))
    ledger.finish(entry, RECORD.changed(state=State.REJECTED))

    found = [ledger.finished(record_id) for record_id, _ in ledger.ended_ids(State.REJECTED)]
    assert [] == [record for record in found if record and record.state == State.REJECTED]


def test_find(ledger: Ledger) -> None:
    """The end record is found before the pending one."""
    entry = ledger.create(RECORD)
    assert entry is not None
    assert find(ledger, RECORD.id) == RECORD
    ended = ledger.finish(entry, RECORD.changed(state=State.SKIPPED))

    assert find(ledger, RECORD.id) == ended
    assert find(ledger, "b" * 32) is None


@pytest.mark.parametrize("racers", [8])
def test_take_over_race(ledger: Ledger, racers: int) -> None:
    """Of many that take over at once, one wins."""
    entry = ledger.create(RECORD)
    assert entry is not None
    barrier = threading.Barrier(racers)
    won: list[str] = []

    def take(owner: str) -> None:
        barrier.wait()
        try:
            ledger.replace(entry, RECORD.changed(lease=Lease(owner=owner, until=0.0)))
        except LeaseLost:
            return
        won.append(owner)

    threads = [threading.Thread(target=take, args=(f"owner {n}",)) for n in range(racers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1


def finish(ledger: Ledger, record_id: str, state: EndState) -> None:
    entry = ledger.create(RECORD.changed(id=record_id, updated_at=START))
    assert entry is not None
    ledger.finish(entry, entry.record.changed(state=state))


def lose_the_first_answer(cloud: FakeCloud) -> Callable[[], None]:
    """Return a function that makes the next write lose its answer, though it takes effect."""
    send = cloud._storage

    def once(request: Request, bucket: str, key: str, query: dict[str, str]) -> object:
        answer = send(request, bucket, key, query)
        if request.method == "PUT" and lost:
            lost.pop()
            raise MaybeExecuted("reset")
        return answer

    lost: list[int] = []
    cloud.__dict__["_storage"] = once
    return lambda: lost.append(1)


def test_own_write_recognised() -> None:
    """A write whose answer was lost is recognised as one's own."""
    cloud = FakeCloud()
    ledger = tos_ledger(cloud)
    lose = lose_the_first_answer(cloud)

    lose()
    entry = ledger.create(RECORD)
    assert entry is not None
    lose()
    entry = ledger.replace(entry, RECORD.changed(lease=Lease(owner="me again", until=0.0)))
    lose()
    ended = ledger.finish(entry, entry.record.changed(state=State.GENERATED))

    assert ended == entry.record.changed(state=State.GENERATED)
    assert ledger.pending(RECORD.id) is None


def test_damaged_record() -> None:
    """A damaged record raises a sentence with the way to fix it."""
    with pytest.raises(RecordUnreadable, match="move it away"):
        Record.from_json(b'{"id": 7}')
    with pytest.raises(RecordUnreadable):
        Record.from_json(b"{")


def test_full_page() -> None:
    """A page is full even if object storage answers in smaller ones."""

    class SmallPages(FakeCloud):
        def _list(self, bucket: str, query: Mapping[str, str]) -> Response:
            whole = json.loads(super()._list(bucket, query).body)["Contents"]
            page = {"Contents": whole[:2], "IsTruncated": len(whole) > 2}
            return Response(200, {}, json.dumps({**page, "NextContinuationToken": "t"}).encode())

    ledger = tos_ledger(SmallPages())
    ids = [str(number) * 32 for number in range(6)]
    for record_id in ids:
        ledger.create(RECORD.changed(id=record_id))

    assert ids[:5] == ledger.pending_page("", 5)
    assert ids[5:] == ledger.pending_page(ids[4], 5)


def test_mark_before_end() -> None:
    """The mark of an end is written before the end record."""
    cloud = FakeCloud()
    ledger = tos_ledger(cloud)
    finish(ledger, RECORD.id, State.REJECTED)

    written = [name for name in cloud.requests if name.startswith("PUT")]
    assert [
        f"PUT /ledger/pending/{RECORD.id}.json",
        f"PUT /ledger/ended/rejected/{RECORD.id}",
        f"PUT /ledger/done/{RECORD.id}.json",
    ] == written


def test_no_mark_if_generated() -> None:
    """A generated record costs no mark."""
    cloud = FakeCloud()
    finish(tos_ledger(cloud), RECORD.id, State.GENERATED)

    assert not [name for name in cloud.requests if "/ended/" in name]


def test_older_file(tmp_path: Path) -> None:
    """A file without its index is opened, even with a damaged record in it."""
    path = tmp_path / "ledger.db"
    with closing(SqliteLedger(path)) as ledger:
        finish(ledger, "a" * 32, State.REJECTED)
        finish(ledger, "b" * 32, State.GENERATED)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP INDEX unmade")
        connection.execute("INSERT INTO records VALUES ('damaged', 1, 1, 0.0, '{')")

    with closing(SqliteLedger(path)) as ledger:
        assert [("a" * 32, START)] == list(ledger.ended_ids(State.REJECTED))


def steps_of(ledger: SqliteLedger, read: Callable[[Ledger], object]) -> int:
    """Return the number of SQLite's steps."""
    steps: list[None] = []
    ledger._connection.set_progress_handler(lambda: steps.append(None), 1)
    read(ledger)
    return len(steps)


@pytest.mark.parametrize("of", ["pending ids", "a page of them", "what was rejected"])
def test_cost_of_reading(tmp_path: Path, of: str) -> None:
    """Reading a file costs the same however many records are finished."""
    reads: dict[str, Callable[[Ledger], object]] = {
        "pending ids": lambda ledger: list(ledger.pending_ids()),
        "a page of them": lambda ledger: ledger.pending_page("", 100),
        "what was rejected": lambda ledger: list(ledger.ended_ids(State.REJECTED)),
    }
    steps = []
    for finished in (10, 2000):
        with closing(SqliteLedger(tmp_path / f"{finished}.db")) as ledger:
            row = '(?, 1, 1, 0.0, \'{"state": "generated"}\')'
            ids = [(f"{n:032x}",) for n in range(finished)]
            ledger._connection.executemany(f"INSERT INTO records VALUES {row}", ids)
            ledger.create(RECORD)
            finish(ledger, "f" * 32, State.REJECTED)
            steps.append(steps_of(ledger, reads[of]))

    assert steps[0] == steps[1]


def test_not_a_ledger(tmp_path: Path) -> None:
    """A file that is no ledger raises an error with its path."""
    path = tmp_path / "ledger.db"
    path.write_bytes(b"something else, longer than the header of a database" * 10)

    with pytest.raises(LedgerFailed, match=re.escape(str(path))):
        SqliteLedger(path)


def test_file_fails_later(tmp_path: Path) -> None:
    """A file that fails later raises an error with its path."""
    ledger = SqliteLedger(tmp_path / "ledger.db")
    ledger.close()

    with pytest.raises(LedgerFailed, match=re.escape(str(tmp_path / "ledger.db"))):
        ledger.create(RECORD)
