"""Running one record again: wherever it dies, the old and the new one never both pay."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops.records.redrive.redrive import RedriveOutcome, Redriver
from shared.clients.http import Request
from shared.errors import MaybeExecuted
from shared.ledger import Cause, Lease, Record, Source, State, Status, find
from shared.uploads.metadata import redrive_id, variant_id
from tests import fakes
from tests.crash import interruption
from tests.crash.interruption import KILLS, Killed, Plan, process
from tests.fakes import LEASE_SECONDS, World


def in_doubt(world: World, **metadata: Any) -> Record:
    """Have three calls sent that leave nothing behind."""
    world.cloud.reactions = [fakes.nothing_made] * 3
    result = world.deliver(world.cloud.upload(prompt="a cat", **metadata), seconds=600)
    entry = world.ledger.pending(result.record or "")
    assert entry is not None
    assert Status.IN_DOUBT is entry.record.status
    return entry.record


def unsure(world: World, **metadata: Any) -> Record:
    """Have a call sent that leaves nothing, and its probes fail: the next one would pay."""

    def blind(name: str, _request: Request) -> None:
        if name == "GetImageStorageFiles":
            raise MaybeExecuted("timed out")

    world.cloud.reactions = [fakes.nothing_made]
    world.cloud.interfere = blind
    result = world.deliver(world.cloud.upload(prompt="a cat", **metadata), seconds=600)
    world.cloud.interfere = lambda _name, _request: None
    entry = world.ledger.pending(result.record or "")
    assert entry is not None
    assert Status.IN_DOUBT is entry.record.status
    assert entry.record.park is not None
    assert Cause.UNSURE is entry.record.park.cause
    return entry.record


def rejected(world: World, **metadata: Any) -> Record:
    """Have the model refuse an upload."""
    world.cloud.reactions = [fakes.model_refuses(50412)]
    result = world.deliver(world.cloud.upload(prompt="a cat", **metadata))
    ended = world.ledger.finished(result.record or "")
    assert ended is not None
    return ended


def redrive(
    world: World, record_id: str, plan: Plan | None = None, *, later: bool = False
) -> RedriveOutcome:
    """Run a record again, in a process that follows `plan`."""
    runtime = process(world, plan)
    engine = runtime.redrive(later=later)
    read = find(world.ledger, record_id)
    shown_at = read.updated_at if read else 0.0
    return Redriver(runtime, engine, "why", runtime.log).redrive((record_id, shown_at))


def state(world: World, record_id: str) -> str:
    """Return a record's state, empty if there is none."""
    ended, entry = world.ledger.finished(record_id), world.ledger.pending(record_id)
    return ended.state if ended else "pending" if entry else ""


def test_rejected(world: World) -> None:
    """A rejected record is run again as a new one and stays as it was."""
    old = rejected(world)
    done = redrive(world, old.id)

    new = world.ledger.finished(redrive_id(old.id))
    assert new is not None
    assert ("generated", new.id) == (done.status, done.record)
    assert (old.id, "why", "generated") == (new.redrive_of, new.note, new.state)
    assert old == world.ledger.finished(old.id)
    assert [f"repaint/{new.id}-1"] == world.cloud.charges


def test_in_doubt(world: World) -> None:
    """A record in doubt is superseded by the new one."""
    old = in_doubt(world)
    redrive(world, old.id)

    ended = world.ledger.finished(old.id)
    assert ended is not None
    assert ("superseded", f"Run again as {redrive_id(old.id)}.") == (ended.state, ended.reason)
    assert redrive_id(old.id) == ended.redriven_as
    assert "generated" == state(world, redrive_id(old.id))
    assert [f"repaint/{ended.redriven_as}-1"] == world.cloud.charges


def test_later(world: World) -> None:
    """A new record that is left to the sweep is due at once."""
    old = in_doubt(world)
    done = redrive(world, old.id, later=True)

    assert ("deferred", "superseded") == (done.status, state(world, old.id))
    assert [] == world.cloud.charges
    world.sweep()
    assert "generated" == state(world, redrive_id(old.id))


def test_once(world: World) -> None:
    """A record is run again once."""
    old = rejected(world)
    redrive(world, old.id)
    again = redrive(world, old.id)

    assert ("not_run", 1) == (again.status, len(world.cloud.charges))
    assert f"run again already, as {redrive_id(old.id)} (generated)" in (again.reason or "")


def test_chain(world: World) -> None:
    """A record that runs another again can be run again itself."""
    old = rejected(world)
    world.cloud.reactions = [fakes.model_refuses(50412)]
    assert "rejected" == redrive(world, old.id).status
    done = redrive(world, redrive_id(old.id))

    assert ("generated", redrive_id(redrive_id(old.id))) == (done.status, done.record)


def test_image_found(world: World) -> None:
    """A record whose image is there after all ends with it, which costs nothing."""
    old = in_doubt(world)
    world.cloud.store(old.attempts[0].output)
    done = redrive(world, old.id)

    ended = world.ledger.finished(old.id)
    assert ended is not None
    assert ("generated", old.id) == (done.status, done.record)
    assert (["found"], None) == (
        [a.outcome for a in ended.attempts if a.number == 1],
        ended.redriven_as,
    )
    assert "" == state(world, redrive_id(old.id))
    assert [old.attempts[0].output] == world.cloud.charges


def test_leased(world: World) -> None:
    """A leased record is left alone."""
    old = in_doubt(world)
    entry = world.ledger.pending(old.id)
    assert entry is not None
    lease = Lease(owner="another", until=world.clock.now() + 40)
    world.ledger.replace(entry, old.changed(lease=lease))
    done = redrive(world, old.id)

    assert ("not_run", "") == (done.status, state(world, redrive_id(old.id)))
    assert "It is being worked on" in (done.reason or "")


def test_ended_meanwhile() -> None:
    """A record that ends while it is taken over is not run again."""
    world = World()
    old = in_doubt(world)
    place = ("photos", f".repaint/done/{old.id}.json")

    def ends_meanwhile(name: str, _request: Request) -> None:
        if name.startswith("PUT /.repaint/pending/") and place not in world.cloud.objects:
            body = old.changed(state=State.GENERATED, park=None).to_json()
            world.cloud.objects[place] = fakes.StoredObject(body, {}, len(body))

    world.cloud.interfere = ends_meanwhile
    done = redrive(world, old.id)

    assert ("not_run", "It ended meanwhile: generated.") == (done.status, done.reason)
    assert "" == state(world, redrive_id(old.id))


def test_suspended_process() -> None:
    """A process that is suspended for longer than its lease leaves a record that pays nothing."""
    world = World()  # whose ledger is made of requests, which can be interfered with
    old = unsure(world)
    new_id = redrive_id(old.id)
    meanwhile: list[str] = []

    def suspend(name: str, _request: Request) -> None:
        if name == f"PUT /.repaint/pending/{new_id}.json" and not meanwhile:
            meanwhile.append(name)
            world.clock.advance(LEASE_SECONDS * 2)
            runtime = world.runtime()
            runtime.pipeline.resume(old.id, world.delivery(runtime), early=True)

    world.cloud.interfere = suspend
    done = redrive(world, old.id)

    assert ("not_run", 1) == (done.status, len(meanwhile))
    assert "generated" == state(world, old.id)
    world.finish()
    assert ("superseded", 1) == (state(world, new_id), len(world.cloud.charges))


@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.parametrize("begun", [rejected, in_doubt, unsure])
def test_killed_anywhere(
    worlds: Callable[[], World], begun: Callable[[World], Record], kill: str
) -> None:
    """Killed anywhere, the sweep and a repetition finish it, and one is paid."""
    for n in range(1, 99):
        world, plan = worlds(), Plan(n, KILLS[kill])
        old = begun(world)
        try:
            redrive(world, old.id, plan)
        except Killed:
            assert plan.met
        new_id = redrive_id(old.id)
        # The sweep alone: nothing is lost, and the two never both pay.
        world.finish(ticks=2)
        if state(world, new_id):
            assert ("generated", 1) == (state(world, new_id), len(world.cloud.charges)), n
            assert state(world, old.id) in ("rejected", "superseded"), n
        else:
            # It was not run again: it is as it was.
            assert state(world, old.id) in ("rejected", "pending", "generated"), n
        if state(world, old.id) != "generated":
            redrive(world, old.id)
            assert "generated" == state(world, new_id), n
            assert state(world, old.id) in ("rejected", "superseded"), n
        assert [] == list(world.ledger.pending_ids()), n
        assert 1 == len(world.cloud.charges), n
        if not plan.met:
            assert n > 5
            return
    raise AssertionError("a record never takes so many operations")


# The instructions of the new record


def asked(world: World, record_id: str) -> Any:
    record = world.ledger.finished(record_id)
    assert record is not None
    return record.instructions


def test_new_presets(world: World) -> None:
    """The new record has the presets as they are now."""
    old = rejected(world)
    world.environment["REPAINT_PRESETS"] = '[{"prefix": "uploads/", "steps": 9}]'
    redrive(world, old.id)

    instructions = asked(world, redrive_id(old.id))
    assert ("a cat", 9) == (instructions.prompt, instructions.steps)


def test_rejected_again(
    world: World,
) -> None:
    """A record that would be rejected again is not written."""
    result = world.deliver(world.cloud.upload(prompt="a cat", seed="abc"))
    done = redrive(world, result.record or "")

    assert "not_run" == done.status
    assert (done.reason or "").startswith("It would be rejected again: x-tos-meta-seed is 'abc'")
    assert "" == state(world, redrive_id(result.record or ""))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda world: world.cloud.objects.clear(), "gone"),
        (lambda world: world.cloud.upload(prompt="a cat", body=b"another"), "overwritten"),
        (lambda world: world.cloud.upload(prompt="a cat", skip="true"), "x-tos-meta-skip"),
    ],
)
def test_changed_object(change: Callable[[World], object], reason: str, tmp_path: Path) -> None:
    """An object that is another by now is not run again."""
    with World() as world:
        world.environment["REPAINT_LEDGER"] = f"sqlite://{tmp_path}/ledger.db"
        old = rejected(world)
        change(world)
        done = redrive(world, old.id)

        assert "not_run" == done.status
        assert reason in (done.reason or "")


def test_fixed_metadata_with_record(world: World) -> None:
    """Fixed metadata with a record of its own is not paid for twice."""
    old = rejected(world)
    fixed = world.deliver(world.cloud.upload(prompt="a dog"))
    done = redrive(world, old.id)

    assert ("generated", "not_run") == (fixed.status, done.status)
    assert f"has a record of its own: {fixed.record}" in (done.reason or "")


def test_fixed_metadata(world: World) -> None:
    """Fixed metadata without a record is used."""
    result = world.deliver(world.cloud.upload(prompt="a cat", seed="abc"))
    world.cloud.upload(prompt="a cat", seed="7")
    done = redrive(world, result.record or "")

    assert ("generated", 7) == (done.status, asked(world, done.record or "").seed)


def test_http_request(world: World) -> None:
    """An HTTP request is repeated as it was."""
    old = rejected(world)
    assert old.instructions is not None
    prompt = old.instructions.model_copy(update={"prompt": "a dog"})
    of_object = old.changed(id="1" * 32, fingerprint="f", instructions=prompt, state=State.PENDING)
    address = Source(address="https://pictures.example.com/a.png?s=1")
    of_address = of_object.changed(id="2" * 32, source=address)
    for record in (of_object, of_address):
        entry = world.ledger.create(record)
        assert entry is not None
        world.ledger.finish(entry, record.without_queries().changed(state=State.REJECTED))
        assert "generated" == redrive(world, record.id).status

    assert ["a dog", "a dog"] == [body["ReqJson"]["prompt"] for body in world.cloud.bodies[-2:]]
    assert "https://pictures.example.com/a.png" == world.cloud.bodies[-1]["ImageUrl"]


# Variants


def deploy(world: World, **preset: Any) -> None:
    world.environment["REPAINT_PRESETS"] = json.dumps([{"prefix": "uploads/", **preset}])


def refused_variants(world: World, **metadata: Any) -> list[str]:
    """Have the model refuse each of an upload's three variants; return their records' ids."""
    deploy(world, variants=3)
    world.cloud.reactions = [fakes.model_refuses(50412)] * 3
    results = world.deliver_all(world.cloud.upload(prompt="a cat", **metadata))
    assert ["rejected"] * 3 == [result.status for result in results]
    world.cloud.bodies.clear()
    return [result.record or "" for result in results]


def test_variant(world: World) -> None:
    """A variant stays the variant that it is."""
    _, second, _ = refused_variants(world, output="cat.png", seed="7")
    done = redrive(world, second)

    assert ("generated", "") == (done.status, done.reason or "")
    instructions = asked(world, redrive_id(second))
    assert (2, 3) == (instructions.variant, instructions.variants)
    assert ["repaint/cat-2.png"] == world.cloud.charges
    assert [8] == [body["ReqJson"]["seed"] for body in world.cloud.bodies]


@pytest.mark.parametrize("number", [1, 5])
def test_number_of_variants(world: World, number: int) -> None:
    """A variant stays one of as many, whatever its preset says now."""
    _, second, _ = refused_variants(world)
    deploy(world, variants=number)
    redrive(world, second)

    instructions = asked(world, redrive_id(second))
    assert (2, 3) == (instructions.variant, instructions.variants)
    world.finish()
    assert 1 == len(world.cloud.charges)


def test_single_variant(world: World) -> None:
    """A record without variants gets none, whatever its preset says now."""
    old = rejected(world)
    deploy(world, variants=3)
    redrive(world, old.id)

    assert 1 == asked(world, redrive_id(old.id)).variants
    assert [-1] == [body["ReqJson"]["seed"] for body in world.cloud.bodies[1:]]
    world.finish()
    assert 1 == len(world.cloud.charges)


def mistaken(world: World) -> str:
    """Have an upload rejected for its metadata, and fix that; return its record's id."""
    deploy(world, variants=3)
    result = world.deliver(world.cloud.upload(prompt="a cat", output="cat.png", seed="abc"))
    assert "rejected" == result.status
    world.cloud.upload(prompt="a cat", output="cat.png", seed="7")
    return result.record or ""


def test_missing_variants(
    world: World,
) -> None:
    """A record that was rejected before it had variants gets all of them."""
    old = mistaken(world)
    done = redrive(world, old)

    assert ("generated", redrive_id(old)) == (done.status, done.record)
    assert "Its further variants (2) are left to the sweep." == done.reason
    world.sweep()
    ids = [variant_id(redrive_id(old), number) for number in (1, 2, 3)]
    assert ["generated"] * 3 == [state(world, record) for record in ids]
    assert [(1, 3), (2, 3), (3, 3)] == [
        (asked(world, record).variant, asked(world, record).variants) for record in ids
    ]
    assert ["repaint/cat-2.png", "repaint/cat-3.png", "repaint/cat.png"] == sorted(
        world.cloud.charges
    )
    assert [7, 8, 9] == sorted(body["ReqJson"]["seed"] for body in world.cloud.bodies)


@pytest.mark.parametrize("kill", KILLS)
def test_variants_killed_anywhere(worlds: Callable[[], World], kill: str) -> None:
    """Killed anywhere, all variants are generated, and each is paid once."""
    for n in range(1, 99):
        world, plan = worlds(), Plan(n, KILLS[kill])
        old = mistaken(world)
        try:
            redrive(world, old, plan)
        except Killed:
            assert plan.met
        world.finish()
        redrive(world, old)
        world.finish()

        ids = [variant_id(redrive_id(old), number) for number in (1, 2, 3)]
        assert ["generated"] * 3 == [state(world, record) for record in ids], n
        assert 3 == len(world.cloud.charges), n
        if not plan.met:
            assert n > 9
            return
    raise AssertionError("a record never takes so many operations")


def test_leased_sibling(
    world: World,
) -> None:
    """A sibling that the sweep works on does not hold the new record back."""
    old = mistaken(world)
    died_at = 0
    while not (siblings := list(world.ledger.pending_ids())):
        died_at += 1
        with pytest.raises(Killed):
            redrive(world, old, Plan(died_at, interruption.killed_after))
    entry = world.ledger.pending(siblings[0])
    assert entry is not None
    lease = Lease(owner="x", until=4e9)
    world.ledger.replace(entry, entry.record.changed(park=None, lease=lease))

    assert "generated" == redrive(world, old).status


# A name that the user chose


def test_unused_name(world: World) -> None:
    """A name without an image is used again."""
    old = rejected(world, output="cat.png")
    redrive(world, old.id)

    assert ["repaint/cat.png"] == world.cloud.charges


def test_name_in_doubt(world: World) -> None:
    """A name that may come to hold an image is not used again."""
    old = in_doubt(world, output="cat.png")
    redrive(world, old.id)

    assert [f"repaint/cat-{redrive_id(old.id)}.png"] == world.cloud.charges


def test_name_in_chain(world: World) -> None:
    """A name that an earlier record may hold is not used by a later one."""
    old = in_doubt(world, output="cat.png")
    world.cloud.reactions = [fakes.model_refuses(50412)]
    assert "rejected" == redrive(world, old.id).status
    done = redrive(world, redrive_id(old.id))

    assert "generated" == done.status
    assert [f"repaint/cat-{done.record}.png"] == world.cloud.charges


def test_overwrite(
    worlds: Callable[[], World],
) -> None:
    """An image keeps its name unless it is to be overwritten."""
    names = {}
    for overwrite in ("false", "true"):
        world = worlds()
        made = world.deliver(
            world.cloud.upload(prompt="a cat", output="cat.png", overwrite=overwrite)
        )
        world.clock.advance(60)
        done = redrive(world, made.record or "")
        assert "generated" == done.status, done
        names[overwrite] = world.cloud.charges[-1]

    assert "repaint/cat.png" == names["true"]
    assert names["false"].startswith("repaint/cat-")
