"""The chaos run on a small scale, and its judge: it finds every broken promise."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local.cloud import STATE_BUCKET, UPLOADS_BUCKET
from local.imagex import Charge
from local.tos import ObjectStore
from shared.ledger import Attempt, Cause, Park, Record, Source, State, Status
from tests import fakes
from tests.chaos.evidence import ProbedBilling, StoredLedger
from tests.chaos.judge import Judge, Tally, waiting_for_operator
from tests.chaos.plan import (
    SETTLE_SECONDS,
    ChaosPlan,
    Kind,
    PlannedUpload,
    Store,
    picture,
    planned,
)
from tests.chaos.simulation import run
from tests.chaos.table import table, write_readmes

SMALL = ChaosPlan(uploads=60, seed=1, instances=2, qps=20.0, kill_every=1.5, backlog=40)
SENT = 1_760_000_000.0
IN_DOUBT = Park(status=Status.IN_DOUBT, cause=Cause.UNSURE, due_at=0.0)
DEFERRED = Park(status=Status.DEFERRED, cause=Cause.UNSURE, due_at=0.0)


@pytest.mark.parametrize("store", ["tos", "sqlite"])
def test_sixty_uploads(store: Store, tmp_path: Path) -> None:
    """Sixty uploads in chaos are neither lost nor paid for blindly."""
    tally = run(SMALL, store, tmp_path, lambda _state, _ended: None)

    assert [] == tally.broken
    assert tally.kept
    ends = ("generated", "rejected", "superseded", "skipped", "parked")
    assert 60 == tally.counts["uploads"] == sum(tally.counts[end] for end in ends)
    assert tally.counts["charges"]
    assert tally.counts["kills"]


class Scene:
    """A bucket, billing records and a ledger, filled by a test for the judge."""

    def __init__(self, folder: Path) -> None:
        self.objects = ObjectStore(folder / "tos")
        for bucket in (UPLOADS_BUCKET, STATE_BUCKET):
            self.objects.create_bucket(bucket)
        self.billing = ProbedBilling(folder / "billing")
        self.uploads: list[PlannedUpload] = []

    def put(self, kind: Kind = "plain") -> PlannedUpload:
        number = len(self.uploads)
        key, record_id = f"uploads/{number}.png", f"{number:032x}"
        stored, _ = self.objects.put(UPLOADS_BUCKET, key, picture(number))
        self.uploads.append(PlannedUpload(key, kind, {}, number, stored.etag, record_id))
        return self.uploads[-1]

    def charge(self, upload: PlannedUpload, number: int, *, at: float, stored: bool = True) -> None:
        name = f"repaint/{upload.id}-{number}"
        request_id = f"{name}@{at}"
        self.billing.record_call("GetCVImageGenerateResult", at, "OK", request_id)
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
        self.billing.charge(charge, b"made" if stored else None, "image/png", overwrite=False)

    def probe(self, upload: PlannedUpload, number: int, *, at: float) -> None:
        self.billing.probes.setdefault(f"repaint/{upload.id}-{number}", []).append(at)

    def write(
        self, upload: PlannedUpload, *, pending: bool = False, made: int = 0, **fields: object
    ) -> None:
        attempts = [
            Attempt(number=n, output=f"repaint/{upload.id}-{n}", sent_at=SENT + 10 * (n - 1))
            for n in range(1, made + 1)
        ]
        uris = [f"bucket/repaint/{upload.id}-{made}"] if made else []
        source = Source(bucket=UPLOADS_BUCKET, key=upload.key, etag=upload.etag)
        record = Record(id=upload.id, source=source).changed(
            **{"attempts": tuple(attempts), "store_uris": tuple(uris), **fields}
        )
        place = f"ledger/{'pending' if pending else 'done'}/{upload.id}.json"
        self.objects.put(STATE_BUCKET, place, record.to_json())

    def judge(self) -> Tally:
        return Judge(self.objects, self.billing, StoredLedger(self.objects)).judge(self.uploads)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.objects.close()
    scene.billing.close()


def test_one_charge(scene: Scene) -> None:
    """One charge for a stored image breaks no rule."""
    upload = scene.put()
    scene.charge(upload, 1, at=SENT)
    scene.write(upload, state=State.GENERATED, made=1)

    assert scene.judge().kept


def test_no_record(scene: Scene) -> None:
    """An upload without a record is lost."""
    scene.put()

    tally = scene.judge()
    assert 1 == tally.counts["lost"]
    assert not tally.kept


def test_pending_record(scene: Scene) -> None:
    """A record that stays pending is lost unless it is in doubt."""
    scene.write(scene.put(), pending=True, park=DEFERRED)
    scene.write(scene.put(), pending=True, park=IN_DOUBT)

    counts = scene.judge().counts
    assert (1, 1) == (counts["lost"], counts["parked"])


def waiting_for(holder: str) -> str:
    """Return the reason with which a record is parked that waits for a name of `holder`."""
    return f"The upload {holder} is not done with the output name 'repaint/over/1.png'."


def test_waiting_for_name(scene: Scene) -> None:
    """A record that waits for a name is parked if the holder is in doubt, else lost."""
    doubtful, waiting, other, late = (scene.put("overwriting") for _ in range(4))
    scene.write(doubtful, pending=True, park=IN_DOUBT)
    for upload, holder in ((waiting, doubtful), (other, late)):
        reason = waiting_for(holder.id)
        scene.write(upload, pending=True, park=DEFERRED, reason=reason)
    scene.write(late, pending=True, park=DEFERRED)

    counts = scene.judge().counts
    assert (2, 2) == (counts["parked"], counts["lost"])


def test_charged_while_waiting(scene: Scene) -> None:
    """A charge of a record that waits for a name is unexplained."""
    doubtful, waiting = (scene.put("overwriting") for _ in range(2))
    scene.write(doubtful, pending=True, park=IN_DOUBT)
    reason = waiting_for(doubtful.id)
    scene.write(waiting, pending=True, park=DEFERRED, reason=reason)
    scene.charge(waiting, 1, at=SENT)

    counts = scene.judge().counts
    assert (2, 1) == (counts["parked"], counts["unexplained"])


def test_reason_of_waiting() -> None:
    """The judge knows a record that waits for a name by its real reason."""
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
    assert {result.record for result in results} == waiting_for_operator(pending) == pending.keys()


def test_replaced_object(scene: Scene) -> None:
    """An object that was replaced needs no end of its own."""
    upload = scene.put("replaced")
    scene.objects.put(UPLOADS_BUCKET, upload.key, b"another")

    tally = scene.judge()
    assert 1 == tally.counts["superseded"]
    assert tally.kept


def paid_twice(scene: Scene, *, stored: bool) -> None:
    upload = scene.put()
    scene.charge(upload, 1, at=SENT, stored=stored)
    scene.probe(upload, 1, at=SENT + 5)
    scene.charge(upload, 2, at=SENT + 10)
    scene.write(upload, state=State.GENERATED, made=2)


def paid_too_late(scene: Scene) -> None:
    upload = scene.put()
    scene.probe(upload, 1, at=SENT + SETTLE_SECONDS)
    scene.charge(upload, 1, at=SENT + SETTLE_SECONDS)
    scene.probe(upload, 1, at=SENT + 9)
    scene.charge(upload, 2, at=SENT + 10)
    scene.write(upload, state=State.GENERATED, made=2)


def paid_without_probe(scene: Scene) -> None:
    upload = scene.put()
    scene.charge(upload, 1, at=SENT, stored=False)
    scene.charge(upload, 2, at=SENT + 10)
    scene.write(upload, state=State.GENERATED, made=2)


def paid_and_rejected(scene: Scene) -> None:
    upload = scene.put("refused")
    scene.charge(upload, 1, at=SENT)
    scene.write(upload, state=State.REJECTED)


def paid_for_nobody(scene: Scene) -> None:
    upload = scene.put("no prompt")
    scene.charge(PlannedUpload(upload.key, "plain", {}, 0, id="f" * 32), 1, at=SENT)


@pytest.mark.parametrize(
    ("happened", "explained_by"),
    [
        (lambda scene: paid_twice(scene, stored=False), "nothing stored"),
        (paid_too_late, "too late"),
        (lambda scene: paid_twice(scene, stored=True), "unexplained"),
        (paid_without_probe, "unexplained"),
        (paid_and_rejected, "unexplained"),
        (paid_for_nobody, "unexplained"),
    ],
    ids=["not stored", "late", "stored", "without a probe", "rejected", "unknown"],
)
def test_further_charges(
    scene: Scene, happened: Callable[[Scene], None], explained_by: str
) -> None:
    """Every further charge is explained or counts as unexplained."""
    happened(scene)

    tally = scene.judge()
    reasons = ("nothing stored", "too late", "in doubt", "unexplained")
    assert explained_by in {reason for reason in reasons if tally.counts[reason]}
    assert tally.kept is (explained_by != "unexplained")


def test_probes_recorded(scene: Scene) -> None:
    """A probe is recorded whether or not it finds a file."""
    upload = scene.put()
    scene.charge(upload, 1, at=SENT)
    for number in (1, 2):
        scene.billing.files(f"repaint/{upload.id}-{number}", "", 1)

    assert {f"repaint/{upload.id}-{n}" for n in (1, 2)} == set(scene.billing.probes)


def test_generated_without_charge(scene: Scene) -> None:
    """A generated upload must have an image and a charge."""
    scene.write(scene.put(), state=State.GENERATED, made=1)

    assert 2 == len(scene.judge().broken)


def test_wrong_end(scene: Scene) -> None:
    """An end that the upload should not have is found."""
    scene.write(scene.put("plain"), state=State.REJECTED)

    assert not scene.judge().kept


@pytest.mark.parametrize(
    ("outcomes", "kept"),
    [
        (["absent", "absent", "reseed"], True),
        (["absent", "absent", "absent"], False),
        (["absent", "reseed"], False),
        (["absent", "reseed", "reseed"], False),
    ],
)
def test_refused_once(scene: Scene, outcomes: list[str], *, kept: bool) -> None:
    """An upload that is refused once may be rejected only by its last attempt."""
    attempts = tuple(
        Attempt(number=n, output=f"repaint/{n}", sent_at=SENT, outcome=outcome)
        for n, outcome in enumerate(outcomes, 1)
    )
    scene.write(scene.put("refused once"), state=State.REJECTED, attempts=attempts)

    assert scene.judge().kept is kept


def test_changed_end(scene: Scene) -> None:
    """An end record that changed is found."""
    upload = scene.put("refused")
    scene.write(upload, state=State.REJECTED)
    judge = Judge(scene.objects, scene.billing, StoredLedger(scene.objects), {upload.id: "another"})

    assert 1 == len(judge.judge(scene.uploads).broken)


def test_plan() -> None:
    """The same seed plans the same uploads, and replaces only keys that were put."""
    uploads, same, other = (planned(ChaosPlan(uploads=1000, seed=seed)) for seed in (7, 7, 8))

    assert uploads == same != other
    assert 1000 == len(uploads) == len({upload.picture for upload in uploads})
    seen: set[str] = set()
    for upload in uploads:
        assert (upload.picture % 2 == 1) is (upload.key in seen)
        seen.add(upload.key)


def test_table_in_readme(tmp_path: Path) -> None:
    """The table is written between the markers only."""
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
