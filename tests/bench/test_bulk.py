"""What became of many uploads is read in the provider's book."""

from pathlib import Path

from bench.bulk import QPS, Done, ideal, judged
from bench.world import World
from local.imagex import Charge


def enter(world: World, upload: str, at: float, *, stored: bool = True) -> None:
    output = f"{upload}-{at}"
    charge = Charge(0, output, f"tos/{output}", at, "a cat", 1, "request", upload, stored=False)
    world.book.charge(charge, b"picture" if stored else None, "image/jpeg", overwrite=False)


def test_lost_is_what_has_no_image_and_paid_again_every_charge_but_the_first(
    tmp_path: Path,
) -> None:
    with World(tmp_path) as world:
        enter(world, "once", 101.0)
        enter(world, "twice", 103.0)
        enter(world, "twice", 109.0)
        enter(world, "in vain", 104.0, stored=False)
        world.book.record_call("GetCVImageGenerateResult", 105.0, "50429", "r")
        world.book.record_call("GetCVImageGenerateResult", 105.0, "OK", "r")
        done = judged(world, uploads=4, began=100.0)

    # Of four, one has no charge at all, and one nothing to show for it.
    assert done == Done(moments=(1.0, 3.0), charges=4, lost=2, paid_again=1, refused=1)


def test_at_a_steady_pace_one_follows_the_other_and_the_last_is_waited_for() -> None:
    assert ideal(0) < ideal(500)
    assert 500 / QPS == ideal(500) - ideal(0)
