"""The doctor's checks of what calls the function."""

from typing import Any

import pytest

from ops.checks.checks import State, Told
from ops.checks.imagex import Service
from ops.checks.trigger import Rules
from shared.clients.http import Request, Response
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT
from tests.ops.checks.doctor_wire import DENIED, Script, always, answered, wire
from tests.ops.stores import (
    rule,
)


@pytest.mark.parametrize(
    ("rules", "settings", "look", "state", "sentence"),
    [
        ([rule()], {}, "state", State.WRONG, "once more"),
        ([rule(".repaint/deep/")], {}, "state", State.WRONG, "mine"),
        ([rule(suffix=".png")], {}, "state", State.OK, "No rule covers"),
        ([rule("uploads/")], {}, "state", State.OK, "No rule covers"),
        ([rule()], {"REPAINT_PREFIXES": "uploads/"}, "state", State.WARNING, "leave them alone"),
        ([], {}, "calls", State.WARNING, "No rule of"),
        ([rule("a/", events=("Put",))], {}, "calls", State.WARNING, "CompleteUpload"),
        ([rule("a/")], {}, "calls", State.OK, "mine (a/* → fn1)"),
        ([rule("a/")], {"REPAINT_PREFIXES": "b/"}, "prefixes", State.WRONG, "REPAINT_PREFIXES"),
        ([rule("a/")], {"REPAINT_PREFIXES": "a/b/"}, "prefixes", State.WARNING, "also calls"),
        ([rule("a/")], {"REPAINT_PREFIXES": "a/,c/"}, "prefixes", State.WARNING, "'c/'"),
        ([rule("a/b/")], {"REPAINT_PREFIXES": "a/"}, "prefixes", State.WARNING, "'a/'"),
        ([rule("a/", ".txt")], {}, "prefixes", State.WRONG, "REPAINT_SUFFIXES"),
        ([rule("a/", ".PNG")], {}, "prefixes", State.OK, "what the settings want"),
        (
            [rule("a/")],
            {"REPAINT_PRESETS": '[{"prefix": "b/"}]'},
            "prefixes",
            State.WARNING,
            "'b/' (the preset)",
        ),
    ],
)
def test_rules_are_held_against_the_settings(
    rules: list[dict[str, Any]], settings: dict[str, str], look: str, state: State, sentence: str
) -> None:
    asked = wire(always(answered(200, {"Rules": rules})), settings)
    bucket = Rules(asked, "photos", load_settings({**ENVIRONMENT, **settings}))
    first = bucket.calls()

    told = {
        "state": lambda: bucket.state(".repaint/"),
        "calls": lambda: first,
        "prefixes": bucket.prefixes,
    }[look]()

    assert state is told.state
    assert sentence in told.found
    assert (state is State.OK) == (not told.mend)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (DENIED, State.WARNING),
        (answered(404, {"Code": "NoSuchNotificationConfiguration"}), State.WARNING),
        (answered(200, {"Rules": "none"}), State.WARNING),
        (
            answered(200, {"Rules": [None, {"Events": 7, "Filter": [], "Destination": {}}]}),
            State.WARNING,
        ),
        (answered(200), State.WARNING),
        (answered(500), State.WRONG),
    ],
)
def test_rules_that_cannot_be_read_or_are_none_are_told(answer: Response, state: State) -> None:
    told = Rules(wire(always(answer)), "photos", load_settings(ENVIRONMENT)).calls()

    assert state is told.state
    assert told.mend


def test_outputs_that_veimagex_stores_in_the_upload_bucket_are_told() -> None:
    described = {"ServiceStatus": "正常", "Storage": {"BktName": "photos"}, "AllowBkts": []}

    def outcome(settings: dict[str, str]) -> Told:
        def answer(request: Request) -> Response:
            if "notification_v2" in request.url:
                return answered(200, {"Rules": [rule()]})
            return answered(200, {"ResponseMetadata": {}, "Result": described})

        loaded = load_settings({**ENVIRONMENT, **settings})
        asked = wire(Script(answer), settings)
        service, rules = Service(asked, loaded), Rules(asked, "photos", loaded)
        service.exists()
        rules.calls()
        return rules.outputs(service)

    assert State.WRONG is outcome({}).state
    assert State.OK is outcome({"REPAINT_PREFIXES": "uploads/"}).state
