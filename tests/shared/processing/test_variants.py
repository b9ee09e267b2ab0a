"""Variants: several generations of one upload, each with a record, a name and a seed of its own."""

import json
from typing import Any

import pytest

from shared.clients.http import Request, Response
from shared.clients.imagex_model import output_name_problem
from shared.ledger import Lease
from shared.processing.output_names import variant_name
from shared.results import Result
from shared.uploads.metadata import object_id, variant_id
from tests import fakes
from tests.crash import interruption
from tests.crash.interruption import Killed, Plan, process
from tests.fakes import FakeCloud, World


@pytest.fixture
def world(world: World) -> World:
    """Return a deployment that makes three variants of each upload."""
    deploy(world, variants=3)
    return world


def deploy(world: World, **preset: Any) -> None:
    world.environment["REPAINT_PRESETS"] = json.dumps([{"prefix": "", **preset}])


def statuses(results: list[Result]) -> list[str]:
    return [result.status for result in results]


def seeds(world: World) -> list[int]:
    return [body["ReqJson"]["seed"] for body in world.cloud.bodies]


def nothing_at_first(cloud: FakeCloud, request: Request) -> Response:
    """Make no image in the first attempt of each variant."""
    stem = json.loads(request.body)["Outputs"][0].removesuffix(".png")
    is_first = stem.endswith(("-1", "cat", "cat-2", "cat-3"))
    return (fakes.nothing_made if is_first else fakes.made)(cloud, request)


def records(results: list[Result]) -> list[str]:
    return [result.record or "" for result in results]


# Generation


def test_each_variant_generated(world: World) -> None:
    """Each variant is paid once, with a record and a name of its own."""
    results = world.deliver_all(world.cloud.upload(prompt="a cat"))

    assert [("generated", 1), ("generated", 2), ("generated", 3)] == [
        (result.status, result.variant) for result in results
    ]
    first, *others = records(results)
    assert [variant_id(first, 2), variant_id(first, 3)] == others
    assert {object_id("photos", "uploads/cat.png")} == {record[:20] for record in records(results)}
    assert sorted(f"repaint/{record}-1" for record in records(results)) == sorted(
        world.cloud.charges
    )
    assert {"a cat"} == {body["ReqJson"]["prompt"] for body in world.cloud.bodies}
    for result in results:
        assert (f"tos-cn-i-serviceid/repaint/{result.record}-1",) == result.store_uris


def test_results_and_log(world: World) -> None:
    """The handler's body and the log have an entry for each variant."""
    results = world.deliver_all(world.cloud.upload(prompt="a cat"))

    shown = [result.to_dict() for result in results]
    assert [1, 2, 3] == [each["variant"] for each in shown]
    assert {("photos", "uploads/cat.png")} == {(each["bucket"], each["key"]) for each in shown}
    finished = world.lines.named("delivery.finished")
    assert {(record, n) for n, record in enumerate(records(results), 1)} == {
        (line["record"], line["variant"]) for line in finished
    }
    assert 3 == len(finished) == len(world.lines.named("image.generated"))


def test_first_variant_id(world: World) -> None:
    """The first variant has the id of the upload without variants."""
    event = world.cloud.upload(prompt="a cat")
    deploy(world)
    (alone,) = world.deliver_all(event)
    deploy(world, variants=3)

    (again,) = world.deliver_all(event)

    assert ("duplicate", alone.record) == (again.status, again.record)


def test_single_variant() -> None:
    """An upload of one variant sends no further request and logs no further field."""
    world = World()
    deploy(world, variants=1)
    (result,) = world.deliver_all(world.cloud.upload(prompt="a cat"))

    claim, end = f".repaint/pending/{result.record}.json", f".repaint/done/{result.record}.json"
    assert [
        "HEAD /uploads/cat.png",
        f"GET /{end}",
        f"PUT /{claim}",
        f"GET /{end}",
        "GetCVImageGenerateResult",
        f"PUT /{end}",
        f"DELETE /{claim}",
    ] == world.cloud.requests
    assert "variant" not in result.to_dict()
    assert "variant" not in world.lines.text
    assert [-1] == seeds(world)


# Duplicates and interruptions


def test_duplicate(world: World) -> None:
    """A duplicate costs nothing, and returns the address of every variant."""
    event = world.cloud.upload(prompt="a cat")
    first = world.deliver_all(event)

    again = world.deliver_all(event)

    assert ["duplicate"] * 3 == statuses(again)
    assert [r.store_uris for r in first] == [r.store_uris for r in again]
    assert [1, 2, 3] == [result.variant for result in again]
    assert 3 == len(world.cloud.charges)
    assert [] == list(world.ledger.pending_ids())


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("seconds", [120, 1])
def test_other_number(world: World, number: int, seconds: float) -> None:
    """A deployment with another number of variants makes no old event new."""
    event = world.cloud.upload(prompt="a cat")
    world.deliver_all(event, seconds=seconds)

    deploy(world, variants=number)
    again = world.deliver_all(event)
    world.finish()

    assert (1 if number == 1 else 3) == len(again)
    assert 3 == len(world.cloud.charges)


def test_killed_among_siblings(world: World) -> None:
    """The sweep and the next delivery finish what was killed before variant 1."""
    event = world.cloud.upload(prompt="a cat")
    killed_at = 0
    while not list(world.ledger.pending_ids()):
        killed_at += 1
        with pytest.raises(Killed):
            world.deliver_all(event, process(world, Plan(killed_at, interruption.killed_after)))
    world.finish()
    assert 1 == len(world.cloud.charges)

    results = world.deliver_all(event)

    assert ["generated", "generated", "duplicate"] == statuses(results)
    assert 3 == len(world.cloud.charges)
    assert [] == list(world.ledger.pending_ids())


def test_sibling_not_written() -> None:
    """Variant 1 is not claimed while a sibling is not written for sure."""
    world = World()
    deploy(world, variants=3)
    event = world.cloud.upload(prompt="a cat")
    # After three reads comes the first write; refused for a reason of the store's own, it leaves
    # nothing.
    (result,) = world.deliver_all(event, process(world, Plan(4, interruption.conflict)))

    assert ("incomplete", True) == (result.status, "variants" in result.reason)
    assert [] == [name for name in world.cloud.requests if name.startswith("PUT")]
    assert ["generated"] * 3 == statuses(world.deliver_all(event))


def test_sibling_of_the_sweep(world: World) -> None:
    """A sibling that the sweep works on does not stop variant 1."""
    event = world.cloud.upload(prompt="a cat")
    killed_at = 0
    while 2 > len(siblings := list(world.ledger.pending_ids())):
        killed_at += 1
        with pytest.raises(Killed):
            world.deliver_all(event, process(world, Plan(killed_at, interruption.killed_after)))
    entry = world.ledger.pending(siblings[0])
    assert entry is not None
    world.ledger.replace(entry, entry.record.changed(park=None, lease=Lease(owner="x", until=4e9)))

    results = world.deliver_all(event)

    assert ("generated", 1) == (results[0].status, results[0].variant)
    assert ["generated", "generated", "incomplete"] == sorted(statuses(results))


def test_sibling_leased(world: World) -> None:
    """A sibling leased elsewhere is incomplete, and the other variants are done."""
    event = world.cloud.upload(prompt="a cat")
    _, second, _ = records(world.deliver_all(event, seconds=1))
    entry = world.ledger.pending(second)
    assert entry is not None
    world.ledger.replace(entry, entry.record.changed(park=None, lease=Lease(owner="x", until=4e9)))

    results = world.deliver_all(event)

    assert ["generated", "incomplete", "generated"] == statuses(results)
    assert (2, second, "Another delivery is working on it.") == (
        results[1].variant,
        results[1].record,
        results[1].reason,
    )


def test_damaged_sibling() -> None:
    """A sibling that cannot be read is incomplete, and has its number."""
    world = World()
    deploy(world, variants=3)
    event = world.cloud.upload(prompt="a cat")
    _, second, _ = records(world.deliver_all(event, seconds=1))
    world.cloud.objects["photos", f".repaint/pending/{second}.json"].body = b"{"

    results = world.deliver_all(event)

    assert ["generated", "incomplete", "generated"] == statuses(results)
    assert ("photos", "uploads/cat.png", 2, second) == (
        results[1].bucket,
        results[1].key,
        results[1].variant,
        results[1].record,
    )


# Uploads that end without variants


@pytest.mark.parametrize(
    ("metadata", "status"),
    [({}, "skipped"), ({"prompt": "x", "skip": "1"}, "skipped"), ({"seed": "abc"}, "rejected")],
)
def test_skipped_once(world: World, metadata: dict[str, str], status: str) -> None:
    """An upload that is skipped or rejected has one result."""
    (result,) = world.deliver_all(world.cloud.upload(**metadata))  # type: ignore[arg-type]  # metadata is text

    assert (status, None) == (result.status, result.variant)
    assert [] == list(world.ledger.pending_ids())


def test_one_refused(world: World) -> None:
    """A refused variant does not affect the others."""
    world.cloud.reactions = [fakes.model_refuses(50411)]
    results = world.deliver_all(world.cloud.upload(prompt="a cat"))

    assert ["generated", "generated", "rejected"] == sorted(statuses(results))
    assert 2 == len(world.cloud.charges)


# Time and money


def test_too_little_time(world: World) -> None:
    """With too little time all variants are left to the sweep."""
    results = world.deliver_all(world.cloud.upload(prompt="a cat"), seconds=20)

    assert ["deferred"] * 3 == statuses(results)
    assert [1, 2, 3] == [result.variant for result in results]
    world.sweep()
    assert 3 == len(world.cloud.charges)


def test_daily_cap(world: World) -> None:
    """Each variant counts against the daily cap."""
    world.environment["REPAINT_DAILY_CAP"] = "2"
    results = world.deliver_all(world.cloud.upload(prompt="a cat"))

    assert ["deferred", "generated", "generated"] == sorted(statuses(results))
    assert 2 == len(world.cloud.charges)
    world.clock.advance(86_400)
    world.sweep()
    assert 3 == len(world.cloud.charges)


def test_object_overwritten(world: World) -> None:
    """Siblings end without a charge if their object was overwritten."""
    event = world.cloud.upload(prompt="a cat", body=b"one")
    world.deliver_all(event, seconds=1)
    world.cloud.upload(prompt="a cat", body=b"two")
    world.sweep()

    assert [] == world.cloud.charges
    assert [] == list(world.ledger.pending_ids())


# Seeds


def test_given_seed(world: World) -> None:
    """A given seed is counted up from variant to variant."""
    world.deliver_all(world.cloud.upload(prompt="a cat", seed="7"))

    assert [7, 8, 9] == sorted(seeds(world))


def test_free_seeds(world: World) -> None:
    """Free seeds differ for each variant and each attempt."""
    world.cloud.reactions = [nothing_at_first] * 6
    world.deliver_all(world.cloud.upload(prompt="a cat"), seconds=600)

    assert 6 == len(seeds(world)) == len(set(seeds(world)))
    assert all(0 <= seed < 2**31 for seed in seeds(world))


def test_repeated_attempt_seed(world: World) -> None:
    """An attempt that is repeated keeps its seed."""
    deploy(world, variants=2)
    world.cloud.reactions = [fakes.model_refuses(50429)] * 2
    world.deliver_all(world.cloud.upload(prompt="a cat"))

    assert 4 == len(seeds(world))
    assert 2 == len(set(seeds(world)))


def test_reseed(world: World) -> None:
    """A refused output gets another seed if its seed is free, not if it was given."""
    world.cloud.reactions = [fakes.model_refuses(50511)]
    free = world.deliver_all(world.cloud.upload("free.png", prompt="a cat"))
    world.cloud.reactions = [fakes.model_refuses(50511)]
    given = world.deliver_all(world.cloud.upload("given.png", prompt="a cat", seed="7"))

    assert ["generated"] * 3 == statuses(free)
    assert ["generated", "generated", "rejected"] == sorted(statuses(given))


# Names


@pytest.mark.parametrize("where", ["metadata", "preset"])
def test_chosen_names(world: World, where: str) -> None:
    """A chosen name gets the variant's number before its ending."""
    if where == "preset":
        deploy(world, variants=3, output="art/{stem}.png")
    chosen = {"output": "art/cat.png"} if where == "metadata" else {}
    results = world.deliver_all(world.cloud.upload(prompt="a cat", **chosen))  # type: ignore[arg-type]  # metadata is text

    assert ["generated"] * 3 == statuses(results)
    assert ["repaint/art/cat-2.png", "repaint/art/cat-3.png", "repaint/art/cat.png"] == sorted(
        world.cloud.charges
    )


def test_one_name_taken(world: World) -> None:
    """A taken name rejects only the variant that it belongs to."""
    world.cloud.store("repaint/cat-2.png", charged=False)
    results = world.deliver_all(world.cloud.upload(prompt="a cat", output="cat.png"))

    assert ["generated", "rejected", "generated"] == statuses(results)


def test_later_attempt_names(world: World) -> None:
    """A later attempt's name is no other variant's."""
    world.cloud.reactions = [nothing_at_first] * 6
    world.deliver_all(world.cloud.upload(prompt="a cat", output="cat.png"), seconds=600)

    outputs = [body["Outputs"][0] for body in world.cloud.bodies]
    assert 6 == len(outputs) == len(set(outputs))
    assert 3 == len(world.cloud.charges)


@pytest.mark.parametrize("chosen", ["a" * 165 + "/x.png", "x." + "y" * 165, "漫" * 57, ".hidden"])
def test_name_length(chosen: str) -> None:
    """A variant's name is valid for a chosen name of any length."""
    names = [variant_name("repaint/", chosen, number) for number in range(1, 17)]

    kept = [name for name in names if name is not None]
    assert len(kept) == len(set(kept)) > 0
    assert [None] * len(kept) == [output_name_problem(f"repaint/{name}") for name in kept]
