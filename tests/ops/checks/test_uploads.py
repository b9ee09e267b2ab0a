"""The checks of upload buckets: permissions, and rules that call the function."""

from typing import Any

import pytest

from ops.checks.check import Check, CheckState, Finding
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
        (answered(200, {}), answered(404, {"Code": "NoSuchKey"}), CheckState.OK, "read and listed"),
        (DENIED, answered(404, {"Code": "NoSuchKey"}), CheckState.WARNING, "but not listed"),
        (answered(200, {}), DENIED, CheckState.WRONG, "Reading an object of photos was refused"),
        (DENIED, DENIED, CheckState.WARNING, "is not known"),
        (answered(404, {"Code": "NoSuchBucket"}), DENIED, CheckState.WRONG, "no bucket photos"),
    ],
)
def test_permissions(listing: Response, absent: Response, state: CheckState, sentence: str) -> None:
    """What the access key may do in the upload bucket is reported."""
    script = Script(lambda request: listing if "list-type" in request.url else absent)

    finding = Check("it", lambda: upload_bucket(client(script), "photos")).run()

    assert state is finding.state
    assert sentence in finding.found


@pytest.mark.parametrize(
    ("rules", "settings", "check", "state", "sentence"),
    [
        ([rule()], {}, "state", CheckState.WRONG, "once more"),
        ([rule(".repaint/deep/")], {}, "state", CheckState.WRONG, "mine"),
        ([rule(suffix=".png")], {}, "state", CheckState.OK, "No rule covers"),
        ([rule("uploads/")], {}, "state", CheckState.OK, "No rule covers"),
        ([rule()], {"REPAINT_PREFIXES": "uploads/"}, "state", CheckState.WARNING, "ignore them"),
        ([], {}, "calls", CheckState.WARNING, "No rule of"),
        ([rule("a/", events=("Put",))], {}, "calls", CheckState.WARNING, "CompleteUpload"),
        ([rule("a/")], {}, "calls", CheckState.OK, "mine (a/* → fn1)"),
        (
            [rule("a/")],
            {"REPAINT_PREFIXES": "b/"},
            "prefixes",
            CheckState.WRONG,
            "REPAINT_PREFIXES",
        ),
        ([rule("a/")], {"REPAINT_PREFIXES": "a/b/"}, "prefixes", CheckState.WARNING, "also calls"),
        ([rule("a/")], {"REPAINT_PREFIXES": "a/,c/"}, "prefixes", CheckState.WARNING, "'c/'"),
        ([rule("a/b/")], {"REPAINT_PREFIXES": "a/"}, "prefixes", CheckState.WARNING, "'a/'"),
        ([rule("a/", ".txt")], {}, "prefixes", CheckState.WRONG, "REPAINT_SUFFIXES"),
        ([rule("a/", ".PNG")], {}, "prefixes", CheckState.OK, "match the settings"),
        (
            [rule("a/")],
            {"REPAINT_PRESETS": '[{"prefix": "b/"}]'},
            "prefixes",
            CheckState.WARNING,
            "'b/' (the preset)",
        ),
    ],
)
def test_rules(
    rules: list[dict[str, Any]],
    settings: dict[str, str],
    check: str,
    state: CheckState,
    sentence: str,
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
    assert (state is CheckState.OK) == (not finding.fix)


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (DENIED, CheckState.WARNING),
        (answered(404, {"Code": "NoSuchNotificationConfiguration"}), CheckState.WARNING),
        (answered(200, {"Rules": "none"}), CheckState.WARNING),
        (
            answered(200, {"Rules": [None, {"Events": 7, "Filter": [], "Destination": {}}]}),
            CheckState.WARNING,
        ),
        (answered(200), CheckState.WARNING),
        (answered(500), CheckState.WRONG),
    ],
)
def test_unreadable_rules(answer: Response, state: CheckState) -> None:
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

    assert CheckState.WRONG is outcome({}).state
    assert CheckState.OK is outcome({"REPAINT_PREFIXES": "uploads/"}).state
