"""Running one record again: wherever it dies, never do the old and the new one both pay."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.context import Deployment
from ops.records.redrive.again import Done, Redrive
from shared.clients.http import Request
from shared.errors import MaybeExecuted
from shared.ledger import Record
from shared.uploads.metadata import again_id, variant_id
from tests import fakes
from tests.crash import interruption
from tests.crash.interruption import Killed, Plan, process
from tests.fakes import World

LEASE_SECONDS = 47.0
KILLS = {"before": interruption.killed_before, "after": interruption.killed_after}


@pytest.fixture(params=["tos", "sqlite"])
def worlds(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], World]]:
    """Make worlds, each with a ledger of its own."""
    made: list[World] = []

    def make() -> World:
        world = World()
        if request.param == "sqlite":
            world.environment["REPAINT_LEDGER"] = f"sqlite://{tmp_path}/{len(made)}.db"
        made.append(world)
        return world

    yield make
    for world in made:
        world.__exit__()


@pytest.fixture
def world(worlds: Callable[[], World]) -> World:
    return worlds()


def in_doubt(world: World, **metadata: Any) -> Record:
    """Have three calls sent that leave nothing."""
    world.cloud.reactions = [fakes.nothing_made] * 3
    result = world.deliver(world.cloud.upload(prompt="a cat", **metadata), seconds=600)
    entry = world.ledger.pending(result.record or "")
    assert entry is not None
    assert "in_doubt" == entry.record.parked
    return entry.record


def unsure(world: World, **metadata: Any) -> Record:
    """Have a call sent that leaves nothing, and no look tell so: the next one would pay."""

    def blind(name: str, _request: Request) -> None:
        if name == "GetImageStorageFiles":
            raise MaybeExecuted("timed out")

    world.cloud.reactions = [fakes.nothing_made]
    world.cloud.interfere = blind
    result = world.deliver(world.cloud.upload(prompt="a cat", **metadata), seconds=600)
    world.cloud.interfere = lambda _name, _request: None
    entry = world.ledger.pending(result.record or "")
    assert entry is not None
    assert ("in_doubt", "unsure") == (entry.record.parked, entry.record.cause)
    return entry.record


def rejected(world: World, **metadata: Any) -> Record:
    """Have the model refuse an upload."""
    world.cloud.reactions = [fakes.model_refuses(50412)]
    result = world.deliver(world.cloud.upload(prompt="a cat", **metadata))
    ended = world.ledger.finished(result.record or "")
    assert ended is not None
    return ended


def redrive(world: World, record_id: str, plan: Plan | None = None, *, later: bool = False) -> Done:
    """Run a record again, in a process that follows `plan`."""
    runtime = process(world, plan)
    deployed = Deployment(runtime, runtime.ledger("photos", None))
    return Redrive(deployed, note="why", later=later, log=runtime.log).run(record_id)


def state(world: World, record_id: str) -> str:
    """Return how a record ended; where it is pending that, and nothing where there is none."""
    ended, entry = world.ledger.finished(record_id), world.ledger.pending(record_id)
    return ended.state if ended else "pending" if entry else ""


def test_what_was_rejected_is_run_again_as_a_new_record_and_stays_as_it_was(world: World) -> None:
    old = rejected(world)
    done = redrive(world, old.id)

    new = world.ledger.finished(again_id(old.id))
    assert new is not None
    assert ("generated", new.id) == (done.status, done.record)
    assert (old.id, "why", "generated") == (new.again_of, new.note, new.state)
    assert old == world.ledger.finished(old.id)
    assert [f"repaint/{new.id}-1"] == world.cloud.charges


def test_what_is_in_doubt_ends_in_favour_of_the_new_one(world: World) -> None:
    old = in_doubt(world)
    redrive(world, old.id)

    ended = world.ledger.finished(old.id)
    assert ended is not None
    assert ("superseded", f"Run again as {again_id(old.id)}.") == (ended.state, ended.reason)
    assert again_id(old.id) == ended.again_as
    assert "generated" == state(world, ended.again_as)
    assert [f"repaint/{ended.again_as}-1"] == world.cloud.charges


def test_left_to_the_sweep_it_is_due_at_once(world: World) -> None:
    old = in_doubt(world)
    done = redrive(world, old.id, later=True)

    assert ("deferred", "superseded") == (done.status, state(world, old.id))
    assert [] == world.cloud.charges
    world.sweep()
    assert "generated" == state(world, again_id(old.id))


def test_a_record_is_run_again_once(world: World) -> None:
    old = rejected(world)
    redrive(world, old.id)
    again = redrive(world, old.id)

    assert ("not_run", 1) == (again.status, len(world.cloud.charges))
    assert f"run again already, as {again_id(old.id)} (generated)" in again.reason


def test_what_was_run_again_can_be_run_again_itself(world: World) -> None:
    old = rejected(world)
    world.cloud.reactions = [fakes.model_refuses(50412)]
    assert "rejected" == redrive(world, old.id).status
    done = redrive(world, again_id(old.id))

    assert ("generated", again_id(again_id(old.id))) == (done.status, done.record)


def test_an_image_that_is_there_after_all_is_the_end_and_costs_nothing(world: World) -> None:
    old = in_doubt(world)
    world.cloud.store(old.attempts[0].output)
    done = redrive(world, old.id)

    ended = world.ledger.finished(old.id)
    assert ended is not None
    assert ("generated", old.id) == (done.status, done.record)
    assert (["found"], "") == (
        [a.outcome for a in ended.attempts if a.number == 1],
        ended.again_as,
    )
    assert "" == state(world, again_id(old.id))
    assert [old.attempts[0].output] == world.cloud.charges


def test_what_is_being_worked_on_is_left_alone(world: World) -> None:
    old = in_doubt(world)
    entry = world.ledger.pending(old.id)
    assert entry is not None
    until = world.clock.now() + 40
    world.ledger.replace(entry, old.changed(owner="another", lease_until=until))
    done = redrive(world, old.id)

    assert ("not_run", "") == (done.status, state(world, again_id(old.id)))
    assert "It is being worked on" in done.reason


def test_what_ended_while_it_was_taken_is_not_run_again() -> None:
    world = World()
    old = in_doubt(world)
    place = ("photos", f".repaint/done/{old.id}.json")

    def ends_meanwhile(name: str, _request: Request) -> None:
        if name.startswith("PUT /.repaint/pending/") and place not in world.cloud.objects:
            body = old.changed(state="generated").to_json()
            world.cloud.objects[place] = fakes.StoredObject(body, {}, len(body))

    world.cloud.interfere = ends_meanwhile
    done = redrive(world, old.id)

    assert ("not_run", "It ended meanwhile: generated.") == (done.status, done.reason)
    assert "" == state(world, again_id(old.id))


def test_a_process_that_was_frozen_for_longer_than_its_lease_writes_no_new_record() -> None:
    world = World()  # whose ledger is requests, which can be stopped at
    old = in_doubt(world)
    writes: list[str] = []

    def frozen(name: str, request: Request) -> None:
        if name.startswith("PUT") and again_id(old.id).encode() in request.body:
            writes.append(name)
            world.clock.advance(LEASE_SECONDS * 2)

    world.cloud.interfere = frozen
    done = redrive(world, old.id)

    assert ("not_run", 1) == (done.status, len(writes))
    assert ("pending", "") == (state(world, old.id), state(world, again_id(old.id)))


@pytest.mark.parametrize("kill", KILLS)
@pytest.mark.parametrize("begun", [rejected, in_doubt, unsure])
def test_killed_anywhere_the_sweep_and_a_repetition_finish_it_and_one_is_paid(
    worlds: Callable[[], World], begun: Callable[[World], Record], kill: str
) -> None:
    for n in range(1, 99):
        world, plan = worlds(), Plan(n, KILLS[kill])
        old = begun(world)
        try:
            redrive(world, old.id, plan)
        except Killed:
            assert plan.met
        new_id = again_id(old.id)
        # What the sweep makes of it alone: nothing is lost, and the two never both pay.
        world.finish(ticks=2)
        if state(world, new_id):
            assert ("generated", 1) == (state(world, new_id), len(world.cloud.charges)), n
            assert state(world, old.id) in ("rejected", "superseded"), n
        else:
            # It was not run again: it is as it was, and goes on as it would have.
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


# What the new record asks for


def asked(world: World, record_id: str) -> Any:
    record = world.ledger.finished(record_id)
    assert record is not None
    return record.instructions


def test_an_object_is_asked_for_as_its_presets_are_now(world: World) -> None:
    old = rejected(world)
    world.environment["REPAINT_PRESETS"] = '[{"prefix": "uploads/", "steps": 9}]'
    redrive(world, old.id)

    instructions = asked(world, again_id(old.id))
    assert ("a cat", 9) == (instructions.prompt, instructions.steps)


def test_what_was_rejected_for_its_settings_and_would_be_again_is_not_written(
    world: World,
) -> None:
    result = world.deliver(world.cloud.upload(prompt="a cat", seed="abc"))
    done = redrive(world, result.record or "")

    assert "not_run" == done.status
    assert done.reason.startswith("It would be rejected again: x-tos-meta-seed is 'abc'")
    assert "" == state(world, again_id(result.record or ""))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda world: world.cloud.objects.clear(), "gone"),
        (lambda world: world.cloud.upload(prompt="a cat", body=b"another"), "overwritten"),
        (lambda world: world.cloud.upload(prompt="a cat", skip="true"), "x-tos-meta-skip"),
    ],
)
def test_an_object_that_is_another_by_now_is_not_run_again(
    change: Callable[[World], object], reason: str, tmp_path: Path
) -> None:
    with World() as world:
        world.environment["REPAINT_LEDGER"] = f"sqlite://{tmp_path}/ledger.db"
        old = rejected(world)
        change(world)
        done = redrive(world, old.id)

        assert "not_run" == done.status
        assert reason in done.reason


def test_mended_metadata_that_has_its_own_record_is_not_paid_for_twice(world: World) -> None:
    old = rejected(world)
    mended = world.deliver(world.cloud.upload(prompt="a dog"))
    done = redrive(world, old.id)

    assert ("generated", "not_run") == (mended.status, done.status)
    assert f"has a record of its own: {mended.record}" in done.reason


def test_mended_metadata_that_nobody_saw_is_what_is_asked_for(world: World) -> None:
    result = world.deliver(world.cloud.upload(prompt="a cat", seed="abc"))
    world.cloud.upload(prompt="a cat", seed="7")
    done = redrive(world, result.record or "")

    assert ("generated", 7) == (done.status, asked(world, done.record or "").seed)


def test_a_request_of_the_http_door_is_asked_for_as_it_was(world: World) -> None:
    old = rejected(world)
    assert old.instructions is not None
    prompt = old.instructions.model_copy(update={"prompt": "a dog"})
    of_object = old.changed(id="1" * 32, fingerprint="f", instructions=prompt, state="pending")
    of_address = of_object.changed(
        id="2" * 32, bucket="", key="", etag="", source="https://pictures.example.com/a.png?s=1"
    )
    for record in (of_object, of_address):
        entry = world.ledger.create(record)
        assert entry is not None
        world.ledger.finish(entry, record.without_queries().changed(state="rejected"))
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


def test_a_variant_stays_the_variant_that_it_is(world: World) -> None:
    _, second, _ = refused_variants(world, output="cat.png", seed="7")
    done = redrive(world, second)

    assert ("generated", "") == (done.status, done.reason)
    instructions = asked(world, again_id(second))
    assert (2, 3) == (instructions.variant, instructions.variants)
    assert ["repaint/cat-2.png"] == world.cloud.charges
    assert [8] == [body["ReqJson"]["seed"] for body in world.cloud.bodies]


@pytest.mark.parametrize("number", [1, 5])
def test_a_variant_stays_one_of_as_many_whatever_its_preset_says_now(
    world: World, number: int
) -> None:
    _, second, _ = refused_variants(world)
    deploy(world, variants=number)
    redrive(world, second)

    instructions = asked(world, again_id(second))
    assert (2, 3) == (instructions.variant, instructions.variants)
    world.finish()
    assert 1 == len(world.cloud.charges)


def test_what_had_one_variant_has_one_again_whatever_its_preset_says_now(world: World) -> None:
    old = rejected(world)
    deploy(world, variants=3)
    redrive(world, old.id)

    assert 1 == asked(world, again_id(old.id)).variants
    assert [-1] == [body["ReqJson"]["seed"] for body in world.cloud.bodies[1:]]
    world.finish()
    assert 1 == len(world.cloud.charges)


def mistaken(world: World) -> str:
    """Have an upload rejected for its metadata, which is mended then; return its record's id."""
    deploy(world, variants=3)
    result = world.deliver(world.cloud.upload(prompt="a cat", output="cat.png", seed="abc"))
    assert "rejected" == result.status
    world.cloud.upload(prompt="a cat", output="cat.png", seed="7")
    return result.record or ""


def test_what_was_rejected_as_it_was_uploaded_gets_all_its_variants_once_it_is_mended(
    world: World,
) -> None:
    old = mistaken(world)
    done = redrive(world, old)

    assert ("generated", again_id(old)) == (done.status, done.record)
    assert "Its further variants (2) are left to the sweep." == done.reason
    world.sweep()
    ids = [variant_id(again_id(old), number) for number in (1, 2, 3)]
    assert ["generated"] * 3 == [state(world, record) for record in ids]
    assert [(1, 3), (2, 3), (3, 3)] == [
        (asked(world, record).variant, asked(world, record).variants) for record in ids
    ]
    assert ["repaint/cat-2.png", "repaint/cat-3.png", "repaint/cat.png"] == sorted(
        world.cloud.charges
    )
    assert [7, 8, 9] == sorted(body["ReqJson"]["seed"] for body in world.cloud.bodies)


@pytest.mark.parametrize("kill", KILLS)
def test_killed_anywhere_all_variants_come_to_be_and_each_is_paid_once(
    worlds: Callable[[], World], kill: str
) -> None:
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

        ids = [variant_id(again_id(old), number) for number in (1, 2, 3)]
        assert ["generated"] * 3 == [state(world, record) for record in ids], n
        assert 3 == len(world.cloud.charges), n
        if not plan.met:
            assert n > 9
            return
    raise AssertionError("a record never takes so many operations")


def test_a_variant_that_the_sweep_is_at_already_does_not_hold_the_new_record_back(
    world: World,
) -> None:
    old = mistaken(world)
    died_at = 0
    while not (siblings := list(world.ledger.pending_ids())):
        died_at += 1
        with pytest.raises(Killed):
            redrive(world, old, Plan(died_at, interruption.killed_after))
    entry = world.ledger.pending(siblings[0])
    assert entry is not None
    world.ledger.replace(entry, entry.record.changed(parked=None, owner="x", lease_until=4e9))

    assert "generated" == redrive(world, old).status


# The name that a user chose


def test_a_name_that_nothing_was_made_under_is_used_again(world: World) -> None:
    old = rejected(world, output="cat.png")
    redrive(world, old.id)

    assert ["repaint/cat.png"] == world.cloud.charges


def test_a_name_that_may_come_to_hold_an_image_yet_is_not_used_again(world: World) -> None:
    old = in_doubt(world, output="cat.png")
    redrive(world, old.id)

    assert [f"repaint/cat-{again_id(old.id)[-8:]}.png"] == world.cloud.charges


def test_a_name_that_an_earlier_one_may_hold_yet_is_not_used_by_a_later_one(world: World) -> None:
    old = in_doubt(world, output="cat.png")
    world.cloud.reactions = [fakes.model_refuses(50412)]
    assert "rejected" == redrive(world, old.id).status
    done = redrive(world, again_id(old.id))

    assert "generated" == done.status
    assert [f"repaint/cat-{(done.record or '')[-8:]}.png"] == world.cloud.charges


def test_a_picture_that_was_made_keeps_its_name_unless_it_is_to_be_overwritten(
    worlds: Callable[[], World],
) -> None:
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
