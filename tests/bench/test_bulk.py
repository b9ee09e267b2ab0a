"""The results of many uploads, as the provider's billing records have them."""

from pathlib import Path

from bench.bulk import QPS, Done, ideal, result_of
from bench.services import Services
from local.imagex import Charge


def enter(services: Services, upload: str, at: float, *, stored: bool = True) -> None:
    output = f"{upload}-{at}"
    charge = Charge(0, output, f"tos/{output}", at, "a cat", 1, "request", upload, stored=False)
    services.billing.charge(charge, b"picture" if stored else None, "image/jpeg", overwrite=False)


def test_result(tmp_path: Path) -> None:
    """Lost uploads have no image; every charge but the first is paid again."""
    with Services(tmp_path) as services:
        enter(services, "once", 101.0)
        enter(services, "twice", 103.0)
        enter(services, "twice", 109.0)
        enter(services, "in vain", 104.0, stored=False)
        services.billing.record_call("GetCVImageGenerateResult", 105.0, "50429", "r")
        services.billing.record_call("GetCVImageGenerateResult", 105.0, "OK", "r")
        done = result_of(services, uploads=4, began=100.0)

    # Of four, one has no charge at all, and one nothing to show for it.
    assert done == Done(moments=(1.0, 3.0), charges=4, lost=2, paid_again=1, refused=1)


def test_ideal() -> None:
    """The ideal time is that of all calls at a steady rate, and of the last one."""
    assert ideal(0) < ideal(500)
    assert 500 / QPS == ideal(500) - ideal(0)
