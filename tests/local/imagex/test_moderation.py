"""Refusals by marker words."""

from pathlib import Path

import pytest

from local.imagex import FaultSettings
from local.imagex.moderation import AFTER, BEFORE
from tests.local.imagex.client import (
    World,
    world,
)


@pytest.mark.parametrize(("marker", "code"), [*BEFORE.items(), *AFTER.items()])
def test_markers(shared_imagex: World, marker: str, code: int) -> None:
    """A prompt with a marker word is refused and not charged."""
    before = len(shared_imagex.billing.charges())
    answer = shared_imagex.paint("refused", ReqJson={"prompt": f"a cat {marker}"})

    assert code == answer.result["RespJson"]["code"]
    assert before == len(shared_imagex.billing.charges())


def test_refused_once(shared_imagex: World) -> None:
    """An output can be refused for the first seed only."""
    prompt = {"prompt": "a cat [refuse-output-once]"}
    codes = [
        shared_imagex.paint("once", ReqJson=prompt).result["RespJson"]["code"] for _ in range(2)
    ]

    assert [50511, 10000] == codes


def test_charged_refusal(tmp_path: Path) -> None:
    """By a setting, a refused output is charged."""
    settings = FaultSettings(latency_seconds=0, charge_refused_output=True)
    with world(tmp_path, settings) as imagex:
        imagex.paint(ReqJson={"prompt": "[refuse-output]"})

        assert [False] == [charge.stored for charge in imagex.billing.charges()]


def test_gateway_form(tmp_path: Path) -> None:
    """The model's error can be inside a gateway error."""
    settings = FaultSettings(latency_seconds=0, model_errors="error")
    with world(tmp_path, settings) as imagex:
        answer = imagex.paint(ReqJson={"prompt": "[refuse]"})

        assert 400 == answer.status
        assert '"code": 50412' in answer.error["Message"]
        assert ["50412"] == imagex.outcomes()
