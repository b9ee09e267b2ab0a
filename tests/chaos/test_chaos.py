"""The chaos run in small, and its judge: what it must see, it sees."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET
from local.imagex import Charge
from local.tos import ObjectStore
from shared.ledger import Attempt, Record
from tests import fakes
from tests.chaos.evidence import Ledger, NotedBook
from tests.chaos.judge import Judge, Tally, parked
from tests.chaos.plan import SETTLE_SECONDS, Kind, Plan, Store, Upload, picture, planned
from tests.chaos.table import table, write_readmes
from tests.chaos.world import run

SMALL = Plan(uploads=60, seed=1, instances=2, qps=20.0, kill_every=1.5, backlog=40)
ASKED = 1_760_000_000.0


@pytest.mark.parametrize("store", ["tos", "sqlite"])
def test_sixty_uploads_in_chaos_are_neither_lost_nor_paid_blindly(
    store: Store, tmp_path: Path
) -> None:
    tally = run(SMALL, store, tmp_path, lambda _state, _ended: None)

    assert [] == tally.broken
    assert tally.kept
    ends = ("generated", "rejected", "superseded", "skipped", "parked")
    assert 60 == tally.counts["uploads"] == sum(tally.counts[end] for end in ends)
    assert tally.counts["charges"]
    assert tally.counts["kills"]


class World:
    """A bucket, a book and a ledger, in which a test puts what it wants judged."""

    def __init__(self, folder: Path) -> None:
        self.objects = ObjectStore(folder / "tos")
        for bucket in (UPLOADS_BUCKET, STATE_BUCKET):
            self.objects.create_bucket(bucket)
        self.book = NotedBook(folder / "book")
        self.uploads: list[Upload] = []

    def put(self, kind: Kind = "plain") -> Upload:
        number = len(self.uploads)
        key, record_id = f"uploads/{number}.png", f"{number:032x}"
        stored, _ = self.objects.put(UPLOADS_BUCKET, key, picture(number))
        self.uploads.append(Upload(key, kind, {}, number, stored.etag, record_id))
        return self.uploads[-1]

    def charge(self, upload: Upload, number: int, *, at: float, stored: bool = True) -> None:
        name = f"repaint/{upload.id}-{number}"
        request_id = f"{name}@{at}"
        self.book.record_call("GetCVImageGenerateResult", at, "OK", request_id)
        charge = Charge(
            number=0,
            output=name,
            store_uri=f"bucket/{name}",
            at=at + 0.1,
            prompt="",
            seed=1,
            request_id=request_id,
            source=f"http://photos.127.0.0.1/{upload.key}",
            stored=False,
        )
        self.book.charge(charge, b"made" if stored else None, "image/png", overwrite=False)

    def look(self, upload: Upload, number: int, *, at: float) -> None:
        self.book.looks.setdefault(f"repaint/{upload.id}-{number}", []).append(at)

    def write(
        self, upload: Upload, *, pending: bool = False, made: int = 0, **fields: object
    ) -> None:
        attempts = [
            Attempt(number=n, output=f"repaint/{upload.id}-{n}", sent_at=ASKED + 10 * (n - 1))
            for n in range(1, made + 1)
        ]
        uris = [f"bucket/repaint/{upload.id}-{made}"] if made else []
        record = Record(
            id=upload.id, bucket=UPLOADS_BUCKET, key=upload.key, etag=upload.etag
        ).changed(**{"attempts": tuple(attempts), "store_uris": tuple(uris), **fields})
        place = f"ledger/{'pending' if pending else 'done'}/{upload.id}.json"
        self.objects.put(STATE_BUCKET, place, record.to_json())

    def judge(self) -> Tally:
        return Judge(self.objects, self.book, Ledger(self.objects)).judge(self.uploads)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.objects.close()
    world.book.close()


def test_one_charge_for_a_stored_image_is_as_it_should_be(world: World) -> None:
    upload = world.put()
    world.charge(upload, 1, at=ASKED)
    world.write(upload, state="generated", made=1)

    assert world.judge().kept


def test_an_upload_without_a_record_is_lost(world: World) -> None:
    world.put()

    tally = world.judge()
    assert 1 == tally.counts["lost"]
    assert not tally.kept


def test_a_record_that_stays_pending_is_lost_unless_it_is_in_doubt(world: World) -> None:
    world.write(world.put(), pending=True, parked="deferred")
    world.write(world.put(), pending=True, parked="in_doubt")

    counts = world.judge().counts
    assert (1, 1) == (counts["lost"], counts["parked"])


def waiting_for(holder: str) -> str:
    """Return the reason with which the pipeline parks who waits for a name that `holder` has."""
    return f"The upload {holder} is not done with the output name 'repaint/over/1.png'."


def test_who_waits_for_the_name_of_something_in_doubt_is_parked_and_of_others_lost(
    world: World,
) -> None:
    doubtful, waiting, other, late = (world.put("overwriting") for _ in range(4))
    world.write(doubtful, pending=True, parked="in_doubt", cause="unsure")
    for upload, holder in ((waiting, doubtful), (other, late)):
        reason = waiting_for(holder.id)
        world.write(upload, pending=True, parked="deferred", cause="unsure", reason=reason)
    world.write(late, pending=True, parked="deferred", cause="time")

    counts = world.judge().counts
    assert (2, 2) == (counts["parked"], counts["lost"])


def test_a_charge_of_who_only_waits_for_a_name_is_not_explained(world: World) -> None:
    doubtful, waiting = (world.put("overwriting") for _ in range(2))
    world.write(doubtful, pending=True, parked="in_doubt", cause="unsure")
    reason = waiting_for(doubtful.id)
    world.write(waiting, pending=True, parked="deferred", cause="unsure", reason=reason)
    world.charge(waiting, 1, at=ASKED)

    counts = world.judge().counts
    assert (2, 1) == (counts["parked"], counts["unexplained"])


def test_what_waits_for_a_name_is_known_by_what_the_pipeline_says_of_it() -> None:
    with fakes.World() as deployed:
        deployed.cloud.latency = 0.0
        deployed.cloud.store("repaint/mine.png", charged=False)
        deployed.cloud.reactions = [fakes.answer_lost]
        metadata = {"prompt": "x", "output": "mine.png", "overwrite": "true"}
        results = [
            deployed.deliver(deployed.cloud.upload(key, **metadata))  # type: ignore[arg-type]  # metadata is text
            for key in ("1.png", "2.png")
        ]
        deployed.finish()
        entries = [deployed.ledger.pending(i) for i in deployed.ledger.pending_ids()]

    assert ["in_doubt", "deferred"] == [result.status for result in results]
    pending = {entry.record.id: entry.record for entry in entries if entry}
    assert {result.record for result in results} == parked(pending) == pending.keys()


def test_an_object_that_was_replaced_needs_no_end_of_its_own(world: World) -> None:
    upload = world.put("replaced")
    world.objects.put(UPLOADS_BUCKET, upload.key, b"another")

    tally = world.judge()
    assert 1 == tally.counts["superseded"]
    assert tally.kept


def paid_twice(world: World, *, stored: bool) -> None:
    upload = world.put()
    world.charge(upload, 1, at=ASKED, stored=stored)
    world.look(upload, 1, at=ASKED + 5)
    world.charge(upload, 2, at=ASKED + 10)
    world.write(upload, state="generated", made=2)


def paid_too_late(world: World) -> None:
    upload = world.put()
    world.look(upload, 1, at=ASKED + SETTLE_SECONDS)
    world.charge(upload, 1, at=ASKED + SETTLE_SECONDS)
    world.look(upload, 1, at=ASKED + 9)
    world.charge(upload, 2, at=ASKED + 10)
    world.write(upload, state="generated", made=2)


def paid_without_a_look(world: World) -> None:
    upload = world.put()
    world.charge(upload, 1, at=ASKED, stored=False)
    world.charge(upload, 2, at=ASKED + 10)
    world.write(upload, state="generated", made=2)


def paid_and_rejected(world: World) -> None:
    upload = world.put("refused")
    world.charge(upload, 1, at=ASKED)
    world.write(upload, state="rejected")


def paid_for_nobody(world: World) -> None:
    upload = world.put("no prompt")
    world.charge(Upload(upload.key, "plain", {}, 0, id="f" * 32), 1, at=ASKED)


@pytest.mark.parametrize(
    ("happened", "explained_by"),
    [
        (lambda world: paid_twice(world, stored=False), "nothing stored"),
        (paid_too_late, "too late"),
        (lambda world: paid_twice(world, stored=True), "unexplained"),
        (paid_without_a_look, "unexplained"),
        (paid_and_rejected, "unexplained"),
        (paid_for_nobody, "unexplained"),
    ],
    ids=["not stored", "late", "stored", "without a look", "rejected", "unknown"],
)
def test_every_further_charge_is_explained_or_counts_against_us(
    world: World, happened: Callable[[World], None], explained_by: str
) -> None:
    happened(world)

    tally = world.judge()
    reasons = ("nothing stored", "too late", "in doubt", "unexplained")
    assert explained_by in {reason for reason in reasons if tally.counts[reason]}
    assert tally.kept is (explained_by != "unexplained")


def test_a_look_is_noted_whether_or_not_it_finds_a_file(world: World) -> None:
    upload = world.put()
    world.charge(upload, 1, at=ASKED)
    for number in (1, 2):
        world.book.files(f"repaint/{upload.id}-{number}", "", 1)

    assert {f"repaint/{upload.id}-{n}" for n in (1, 2)} == set(world.book.looks)


def test_what_is_called_generated_must_be_stored_and_paid_for(world: World) -> None:
    world.write(world.put(), state="generated", made=1)

    assert 2 == len(world.judge().broken)


def test_an_end_that_the_upload_should_not_have_is_seen(world: World) -> None:
    world.write(world.put("plain"), state="rejected")

    assert not world.judge().kept


@pytest.mark.parametrize(
    ("outcomes", "kept"),
    [
        (["absent", "absent", "reseed"], True),
        (["absent", "absent", "absent"], False),
        (["absent", "reseed"], False),
        (["absent", "reseed", "reseed"], False),
    ],
)
def test_what_is_refused_once_may_be_rejected_by_its_last_attempt_only(
    world: World, outcomes: list[str], *, kept: bool
) -> None:
    attempts = tuple(
        Attempt(number=n, output=f"repaint/{n}", sent_at=ASKED, outcome=outcome)
        for n, outcome in enumerate(outcomes, 1)
    )
    world.write(world.put("refused once"), state="rejected", attempts=attempts)

    assert world.judge().kept is kept


def test_an_end_record_that_changed_is_seen(world: World) -> None:
    upload = world.put("refused")
    world.write(upload, state="rejected")
    judge = Judge(world.objects, world.book, Ledger(world.objects), {upload.id: "another"})

    assert 1 == len(judge.judge(world.uploads).broken)


def test_the_same_seed_plans_the_same_uploads_and_replaces_keys_that_were_put() -> None:
    uploads = planned(Plan(uploads=1000, seed=7))

    assert uploads == planned(Plan(uploads=1000, seed=7)) != planned(Plan(uploads=1000, seed=8))
    assert 1000 == len(uploads) == len({upload.picture for upload in uploads})
    seen: set[str] = set()
    for upload in uploads:
        assert (upload.picture % 2 == 1) is (upload.key in seen)
        seen.add(upload.key)


def test_the_table_goes_between_the_markers_and_nowhere_else(tmp_path: Path) -> None:
    tally = Tally()
    tally.counts.update({"uploads": 10_000, "generated": 8, "charges": 9})
    (tmp_path / "README.md").write_text("a\n<!-- chaos -->\nold\n<!-- /chaos -->\nz\n", "utf-8")
    (tmp_path / "README.zh-CN.md").write_text("没有标记\n", "utf-8")
    write_readmes({"tos": tally}, "make chaos", tmp_path)

    text = (tmp_path / "README.md").read_text("utf-8")
    assert text.startswith("a\n<!-- chaos -->\n`make chaos`, ")
    assert text.endswith(f"\n\n{table({'tos': tally})}\n<!-- /chaos -->\nz\n")
    assert "| charges per generated image | 1.1250 |" in text
    assert "没有标记\n" == (tmp_path / "README.zh-CN.md").read_text("utf-8")
