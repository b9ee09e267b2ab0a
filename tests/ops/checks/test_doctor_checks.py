"""The doctor's checks: how they need each other; settings, the key, the clock, who answers."""

import socket
import ssl
from contextlib import closing
from email.utils import formatdate
from pathlib import Path

import pytest

from ops.checks.access import Access, shortened
from ops.checks.checks import Check, Finding, State, Told, ok, run, warning, wrong
from ops.checks.reach import Reach
from ops.checks.settings import settings_findings
from shared.clients.http import Request, Response
from shared.errors import MaybeExecuted, NoAnswer, NotExecuted
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT, START, FakeClock, StaticCredentials
from tests.inbox import SECRET as WEBHOOK_SECRET
from tests.ops.checks.doctor_wire import Script, always, answered, wire


def test_what_needs_something_wrong_is_not_checked_and_what_follows_it_is() -> None:
    checks = [
        Check("first", lambda: wrong("It is wrong.", "Mend it.")),
        Check("second", lambda: ok("fine"), needs=("first",)),
        Check("third", lambda: ok("fine"), needs=("second",)),
        Check("fourth", lambda: ok("fine"), after=("first",)),
        Check("fifth", lambda: warning("Hm.", "Look."), after=("fourth",)),
        Check("sixth", lambda: ok("fine"), needs=("fifth",)),
    ]

    found = list(run(checks, stop=lambda: None))

    assert [
        Finding("first", State.WRONG, "It is wrong.", "Mend it."),
        Finding("second", State.NOT_CHECKED, "Needs first, which is wrong."),
        Finding("third", State.NOT_CHECKED, "Needs second, which was not checked."),
        Finding("fourth", State.OK, "fine"),
        Finding("fifth", State.WARNING, "Hm.", "Look."),
        Finding("sixth", State.OK, "fine"),
    ] == found


def test_a_look_that_gets_no_answer_is_a_finding_and_no_crash() -> None:
    def look() -> Told:
        raise MaybeExecuted("The connection broke.")

    [found] = run([Check("it", look)], stop=lambda: None)

    assert (State.WRONG, "The connection broke.") == (found.state, found.found)


def test_whoever_stops_listening_stops_the_looks() -> None:
    stopped: list[bool] = []
    checks = [Check("a", lambda: ok("")), Check("b", lambda: ok(""))]
    with closing(run(checks, stop=lambda: stopped.append(True))) as listening:
        next(listening)

    assert [True] == stopped


def test_nothing_is_asked_once_the_time_is_up_but_for_what_cleans_up() -> None:
    clock, script = FakeClock(), always(answered())
    asked = wire(script, clock=clock)
    clock.advance(61)

    with pytest.raises(NotExecuted, match="time was up"):
        asked.storage("GET", "photos")
    asked.storage("DELETE", "photos", "key", cleaning=True)

    assert ["DELETE"] == [request.method for request in script.asked]


@pytest.mark.parametrize(
    ("settings", "name", "state", "sentence"),
    [
        ({}, "REPAINT_LEDGER", State.WARNING, "not set"),
        ({"REPAINT_DEADLINE_SECONDS": "30"}, "REPAINT_DEADLINE_SECONDS", State.WRONG, "37"),
        ({"_FAAS_FUNC_TIMEOUT": "30"}, "REPAINT_DEADLINE_SECONDS", State.WRONG, "37"),
        ({"VEIMAGEX_TIMEOUT_SECONDS": "5"}, "VEIMAGEX_TIMEOUT_SECONDS", State.WARNING, "given up"),
        ({"VEIMAGEX_SETTLE_SECONDS": "5"}, "VEIMAGEX_SETTLE_SECONDS", State.WARNING, "again"),
        ({"REPAINT_DEFAULT_PROMPT": "x"}, "REPAINT_DEFAULT_PROMPT", State.WARNING, "every picture"),
        (
            {"REPAINT_PRESETS": '[{"prefix": "", "prompt": "x"}]'},
            "REPAINT_PRESETS",
            State.WARNING,
            "every picture",
        ),
        (
            {"REPAINT_PRESETS": '[{"prefix": "a/"}, {"prefix": "a/b/"}]'},
            "REPAINT_PRESETS",
            State.WARNING,
            "'a/b/' never applies",
        ),
        (
            {"REPAINT_PRESETS": '[{"prefix": "a/"}]', "REPAINT_PREFIXES": "b/"},
            "REPAINT_PRESETS",
            State.WARNING,
            "outside REPAINT_PREFIXES",
        ),
        (
            {"REPAINT_PRESETS": '[{"prefix": "a/", "output": "art.png"}]'},
            "REPAINT_PRESETS",
            State.WARNING,
            "'a/' gives every upload the output's name 'art.png'",
        ),
        ({"REPAINT_DAILY_CAP": "0"}, "REPAINT_DAILY_CAP", State.WARNING, "nothing is generated"),
        ({"REPAINT_HTTP_TOKENS": "hunter2"}, "REPAINT_HTTP_TOKENS", State.WARNING, "1 of 1"),
        (
            {"REPAINT_WEBHOOK_SECRET": WEBHOOK_SECRET},
            "REPAINT_WEBHOOK_SECRET",
            State.WARNING,
            "nobody is told",
        ),
        (
            {
                "REPAINT_WEBHOOK_SECRET": WEBHOOK_SECRET,
                "REPAINT_WEBHOOK_URL": "http://10.0.0.1/hunter2?hunter2",
            },
            "REPAINT_WEBHOOK_URL",
            State.WARNING,
            "http://10.0.0.1 is for a test",
        ),
        (
            {"TOS_PUBLIC_ENDPOINT": "https://tos-cn-beijing.ivolces.com"},
            "TOS_PUBLIC_ENDPOINT",
            State.WRONG,
            "cannot read the sources",
        ),
        (
            {"TOS_ENDPOINT": "https://tos-cn-beijing.volces.com", "TOS_REGION": "cn-shanghai"},
            "TOS_REGION",
            State.WARNING,
            "signed for cn-shanghai",
        ),
        (
            {"VEIMAGEX_ENDPOINT": "http://imagex.example.com"},
            "VEIMAGEX_ENDPOINT",
            State.WARNING,
            "not encrypted",
        ),
    ],
)
def test_settings_that_can_hardly_be_meant_are_told(
    settings: dict[str, str], name: str, state: State, sentence: str
) -> None:
    found = settings_findings(load_settings({**ENVIRONMENT, **settings}))

    told = [f for f in found if f.name == name]
    assert [state] == [f.state for f in told]
    assert sentence in told[0].found
    assert told[0].mend
    assert "hunter2" not in str(found)


def test_a_preset_that_only_wraps_prompts_is_no_prompt_for_every_object() -> None:
    presets = '[{"prefix": "", "prompt": "{prompt}, 水彩", "output": "{stem}.png"}]'
    settings = {**ENVIRONMENT, "REPAINT_LEDGER": "tos://state/x/", "REPAINT_PRESETS": presets}

    [found] = settings_findings(load_settings(settings))

    assert ("settings", State.OK) == (found.name, found.state)


def test_settings_that_are_meant_so_are_all_that_is_told() -> None:
    meant = {
        "REPAINT_LEDGER": "tos://state/x/",
        "REPAINT_PREFIXES": "uploads/",
        "REPAINT_DEFAULT_PROMPT": "水彩",
        "REPAINT_PRESETS": '[{"prefix": "uploads/a/"}, {"prefix": "uploads/"}]',
        "REPAINT_HTTP_TOKENS": "x" * 32,
        "REPAINT_WEBHOOK_URL": "https://hooks.example.com/",
        "REPAINT_WEBHOOK_SECRET": WEBHOOK_SECRET,
        "TOS_ENDPOINT": "https://tos-cn-beijing.ivolces.com",
    }

    [found] = settings_findings(load_settings({**ENVIRONMENT, **meant}))

    assert ("settings", State.OK) == (found.name, found.state)


@pytest.mark.parametrize(
    ("key", "shown"), [("AKLTabcdefgh1234", "AKLT…1234"), ("AKLTshort", "•••"), ("", "•••")]
)
def test_of_a_key_so_much_is_shown_as_tells_it_from_others(key: str, shown: str) -> None:
    assert shown == shortened(key)


def test_a_key_that_is_not_the_environments_came_from_the_sdks_other_places(tmp_path: Path) -> None:
    told = Access(StaticCredentials(), tmp_path / "none", {"VOLCENGINE_ACCESS_KEY": "other"}).look()

    assert "temporary" in told.found
    assert "the SDK's other places" in told.found
    assert "the-secret-key" not in told.found


def dated(seconds: float) -> Response:
    return Response(403, {"date": formatdate(seconds, usegmt=True), "x-tos-request-id": "r"}, b"")


@pytest.mark.parametrize(
    ("ahead", "state", "sentence"),
    [
        (0, State.OK, "Within a second or two"),
        (1, State.OK, "Within a second or two"),
        (10, State.WARNING, "behind that of object storage"),
        (-10, State.WARNING, "ahead of that of object storage"),
        (-1000, State.WRONG, "every signature"),
    ],
)
def test_the_clock_is_compared_with_the_services(ahead: int, state: State, sentence: str) -> None:
    clock = FakeClock()
    script = Script(lambda _: dated(clock.now() + ahead))
    asked = wire(script, clock=clock)
    reach = Reach(asked)
    reach.storage()

    told = reach.clock()

    assert state is told.state
    assert sentence in told.found


def test_a_clock_that_is_far_off_is_made_up_for_in_what_follows() -> None:
    script = Script(lambda _: dated(START + 3600))
    asked = wire(script)
    reach = Reach(asked)
    reach.storage()
    reach.clock()
    asked.storage("GET", "photos")

    # 2025-10-09T08:53:20Z is where the clock stands.
    assert "20251009T095320Z" == script.asked[-1].headers["x-tos-date"]


def test_without_any_answer_the_clock_is_not_checked() -> None:
    assert State.NOT_CHECKED is Reach(wire(always(answered()))).clock().state


def failing(error: NoAnswer, cause: Exception | None) -> Script:
    def fail(_: Request) -> Response:
        raise error from cause

    return Script(fail)


@pytest.mark.parametrize(
    ("error", "cause", "sentence"),
    [
        (NotExecuted(), socket.gaierror("unknown"), "not known to DNS"),
        (NotExecuted(), ConnectionRefusedError(), "the connection was refused"),
        (NotExecuted(), TimeoutError(), "No connection to tos.example.com within"),
        (NotExecuted(), ssl.SSLError("bad certificate"), "No encrypted connection"),
        (NotExecuted("The doctor's time was up."), None, "The doctor's time was up."),
        (MaybeExecuted(), TimeoutError(), "does not answer within"),
        (MaybeExecuted("Cut off."), ConnectionResetError(), "Cut off."),
    ],
)
def test_ways_of_not_reaching_a_service_are_told_apart(
    error: NoAnswer, cause: Exception | None, sentence: str
) -> None:
    told = Reach(wire(failing(error, cause))).storage()

    assert State.WRONG is told.state
    assert sentence in told.found
    assert told.mend


def test_an_internal_endpoint_that_is_out_of_reach_is_explained_and_the_public_one_asked() -> None:
    def answer(request: Request) -> Response:
        if "ivolces.com" in request.url:
            raise NotExecuted("No.") from TimeoutError()
        return dated(START)

    script = Script(answer)
    asked = wire(script, {"TOS_ENDPOINT": "https://tos-cn-beijing.ivolces.com"})

    told = Reach(asked).storage()
    asked.storage("GET", "photos")

    assert State.WARNING is told.state
    assert "internal address" in told.found
    assert "https://photos.tos-cn-beijing.volces.com/" == script.asked[-1].url
