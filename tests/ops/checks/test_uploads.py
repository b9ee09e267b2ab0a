"""The checks of upload buckets: permissions, and rules that call the function."""

from typing import Any

import pytest

from ops.checks.check import Check, Finding, State
from ops.checks.imagex import ImagexService
from ops.checks.uploads import Trigger, upload_bucket
from shared.clients.http import Request, Response
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT
from tests.ops.checks.scripted import DENIED, Script, always, answered, client
from tests.ops.stores import rule


@pytest.mark.parametrize(
    ("listing", "absent", "state", "sentence"),
    [
        (answered(200, {}), answered(404, {"Code": "NoSuchKey"}), State.OK, "read and listed"),
        (DENIED, answered(404, {"Code": "NoSuchKey"}), State.WARNING, "but not listed"),
        (answered(200, {}), DENIED, State.WRONG, "Reading an object of photos was refused"),
        (DENIED, DENIED, State.WARNING, "is not known"),
        (answered(404, {"Code": "NoSuchBucket"}), DENIED, State.WRONG, "no bucket photos"),
    ],
)
def test_permissions(listing: Response, absent: Response, state: State, sentence: str) -> None:
    """What the access key may do in the upload bucket is reported."""
    script = Script(lambda request: listing if "list-type" in request.url else absent)

    finding = Check("it", lambda: upload_bucket(client(script), "photos")).run()

    assert state is finding.state
    assert sentence in finding.found


@pytest.mark.parametrize(
    ("rules", "settings", "check", "state", "sentence"),
    [
        ([rule()], {}, "state", State.WRONG, "once more"),
        ([rule(".repaint/deep/")], {}, "state", State.WRONG, "mine"),
        ([rule(suffix=".png")], {}, "state", State.OK, "No rule covers"),
        ([rule("uploads/")], {}, "state", State.OK, "No rule covers"),
        ([rule()], {"REPAINT_PREFIXES": "uploads/"}, "state", State.WARNING, "ignore them"),
        ([], {}, "calls", State.WARNING, "No rule of"),
        ([rule("a/", events=("Put",))], {}, "calls", State.WARNING, "CompleteUpload"),
        ([rule("a/")], {}, "calls", State.OK, "mine (a/* → fn1)"),
        ([rule("a/")], {"REPAINT_PREFIXES": "b/"}, "prefixes", State.WRONG, "REPAINT_PREFIXES"),
        ([rule("a/")], {"REPAINT_PREFIXES": "a/b/"}, "prefixes", State.WARNING, "also calls"),
        ([rule("a/")], {"REPAINT_PREFIXES": "a/,c/"}, "prefixes", State.WARNING, "'c/'"),
        ([rule("a/b/")], {"REPAINT_PREFIXES": "a/"}, "prefixes", State.WARNING, "'a/'"),
        ([rule("a/", ".txt")], {}, "prefixes", State.WRONG, "REPAINT_SUFFIXES"),
        ([rule("a/", ".PNG")], {}, "prefixes", State.OK, "match the settings"),
        (
            [rule("a/")],
            {"REPAINT_PRESETS": '[{"prefix": "b/"}]'},
            "prefixes",
            State.WARNING,
            "'b/' (the preset)",
        ),
    ],
)
def test_rules(
    rules: list[dict[str, Any]], settings: dict[str, str], check: str, state: State, sentence: str
) -> None:
    """The rules are compared with the settings."""
    scripted = client(always(answered(200, {"Rules": rules})), settings)
    trigger = Trigger(scripted, "photos", load_settings({**ENVIRONMENT, **settings}))

    finding = {
        "state": lambda: trigger.leaves_ledger(".repaint/"),
        "calls": trigger.covers_uploads,
        "prefixes": trigger.matches_settings,
    }[check]()

    assert state is finding.state
    assert sentence in finding.found
    assert (state is State.OK) == (not finding.fix)


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
def test_unreadable_rules(answer: Response, state: State) -> None:
    """Rules that cannot be read, and missing ones, are reported."""
    trigger = Trigger(client(always(answer)), "photos", load_settings(ENVIRONMENT))

    finding = Check("trigger", trigger.covers_uploads).run()

    assert state is finding.state
    assert finding.fix


def test_outputs_in_upload_bucket() -> None:
    """Outputs that are stored in the upload bucket must not call the function."""
    described = {"ServiceStatus": "正常", "Storage": {"BktName": "photos"}, "AllowBkts": []}

    def outcome(settings: dict[str, str]) -> Finding:
        def answer(request: Request) -> Response:
            if "notification_v2" in request.url:
                return answered(200, {"Rules": [rule()]})
            return answered(200, {"ResponseMetadata": {}, "Result": described})

        loaded = load_settings({**ENVIRONMENT, **settings})
        scripted = client(Script(answer), settings)
        service = ImagexService(scripted, loaded)
        service.service()
        return Trigger(scripted, "photos", loaded).leaves_outputs(service)

    assert State.WRONG is outcome({}).state
    assert State.OK is outcome({"REPAINT_PREFIXES": "uploads/"}).state
