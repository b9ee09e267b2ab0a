"""The official client, tamed: on a local control plane, and on one that does not answer well."""

from collections import Counter
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from local.cloud import FixedCredentials
from local.server import CLOSE_CONNECTION, Server
from ops.deployment.model import Mark, Setup, Timer, Version
from ops.deployment.serverless_yml.service import Logs
from ops.deployment.vefaas import (
    READ_REPEATS,
    Client,
    Refusal,
    Release,
    State,
    Vefaas,
    _bucket_of,
    _release,
)
from shared.errors import MaybeExecuted
from shared.signing import Credentials
from tests.local.policy_engine import PolicyCloud
from tests.ops.deployment.deploying import small_zip

KEYS = FixedCredentials(Credentials("AKLTFAKE", "the-secret-key", "the-session-token"))
SETUP = Setup(512, 120, 10, "trn:iam::1:role/x", Logs("p", "t"), {"A": "1", "B": "zwei"})
OTHER = Setup(1024, 60, 1, None, None, {"B": "2"})
MARK, CODE = Mark("repaint", "dev"), "c" * 64


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyCloud]:
    with PolicyCloud(tmp_path_factory.mktemp("cloud"), bare=True) as cloud:
        yield cloud


@pytest.fixture
def vefaas(cloud: PolicyCloud) -> Iterator[Vefaas]:
    vefaas = Vefaas(Client("cn-beijing", cloud.vefaas.address, FixedCredentials(cloud.credentials)))
    yield vefaas
    vefaas.close()


class Broken:
    """A server that counts what it is asked, and never answers as it should."""

    def __init__(self, answer: Response | None) -> None:
        self.asked: Counter[str] = Counter()
        self._answer = answer

    async def answer(self, request: Request) -> Response:
        self.asked[request.query_params["Action"]] += 1
        if self._answer is None:
            request.scope["extensions"][CLOSE_CONNECTION]()
        return self._answer or Response()


def broken(answer: Response | None) -> tuple[Broken, Server]:
    counting = Broken(answer)
    return counting, Server(Starlette(routes=[Route("/", counting.answer, methods=["POST"])]))


def test_what_a_function_is_told_is_what_it_has(vefaas: Vefaas) -> None:
    function_id = vefaas.create("told-and-told-again", "python3.12/v1", SETUP, MARK, small_zip())
    made = vefaas.deployed(function_id)
    vefaas.change(function_id, OTHER, Mark("repaint", "dev", CODE), None)
    changed = vefaas.deployed(function_id)

    assert (Version(SETUP, None), MARK) == (made.draft, made.mark)
    # What is not there any more is gone: role, log and variable.
    assert (Version(OTHER, CODE), None) == (changed.draft, changed.live)


def test_what_runs_is_told_apart_from_what_was_changed_after_it(vefaas: Vefaas) -> None:
    function_id = vefaas.create("runs-and-changes", "python3.11/v1", OTHER, MARK, small_zip())
    vefaas.release(function_id, 0, Mark("repaint", "dev", CODE))
    while vefaas.release_state(function_id).is_under_way:
        pass
    vefaas.create_timer(function_id, "a-timer", "0 * * * *", enabled=True)
    timer = vefaas.deployed(function_id).timers[0]
    vefaas.change_timer(function_id, Timer(timer.id, timer.name, "1 * * * *", enabled=False))
    vefaas.change(function_id, SETUP, MARK, None)

    found = vefaas.deployed(function_id)

    assert (Version(SETUP, None), Version(OTHER, CODE)) == (found.draft, found.live)
    assert (1, [1]) == (found.revision, vefaas.released(function_id))
    assert [("1 * * * *", False)] == [(t.cron, t.enabled) for t in found.timers]


def test_a_status_that_is_not_known_is_not_taken_for_success() -> None:
    told = SimpleNamespace(
        status="aborted",
        status_message="by somebody",
        release_record_id=None,
        new_revision_number=None,
        failed_instance_logs=None,
    )

    assert Release(State.FAILED, "", 0, "its status is aborted. by somebody") == _release(told)


@pytest.mark.parametrize(
    ("kind", "config", "bucket"),
    [
        ("tos", '{"BucketName": "photos", "Events": []}', "photos"),
        ("tos", '{"RuleId": "r", "bucket": "photos"}', "photos"),
        ("tos", "", None),
        ("tos", None, None),
        ("tos", '{"Bucket": null}', None),
        ("apig", '{"Bucket": "photos"}', None),
    ],
)
def test_the_bucket_of_a_trigger_is_found_where_it_is_told(
    kind: str, config: str | None, bucket: str | None
) -> None:
    assert bucket == _bucket_of(SimpleNamespace(type=kind, detailed_config=config))


def test_every_function_is_listed_however_many_there_are(vefaas: Vefaas) -> None:
    names = {f"one-of-many-{number}" for number in range(101)}
    for name in names:
        vefaas.create(name, "python3.12/v1", OTHER, MARK, small_zip())

    assert names <= {listed.name for listed in vefaas.functions()}


def test_a_refusal_is_told_with_its_reason(vefaas: Vefaas) -> None:
    with pytest.raises(Refusal) as refused:
        vefaas.change("nobody", SETUP, MARK, None)

    assert "ResourceNotFound" == refused.value.code
    assert str(refused.value).startswith("veFaaS refused UpdateFunction: HTTP 404 ResourceNotFound")


def test_a_missing_permission_is_named(cloud: PolicyCloud) -> None:
    cloud.policies.set("operator", {"Statement": [
        {"Effect": "Allow", "Action": ["tos:*"], "Resource": ["*"]},
    ]})  # fmt: skip
    keys = FixedCredentials(cloud.keys.issue(role="operator"))
    vefaas = Vefaas(Client("cn-beijing", cloud.vefaas.address, keys))

    with pytest.raises(Refusal, match="Give this key vefaas:ListFunctions"):
        vefaas.functions()
    vefaas.close()


@pytest.mark.parametrize("answer", [None, PlainTextResponse("busy", 503)])
def test_what_changes_something_is_sent_once(answer: Response | None) -> None:
    counting, server = broken(answer)
    with server:
        vefaas = Vefaas(Client("cn-beijing", server.address, KEYS))
        for change in (
            lambda: vefaas.create("a-name", "python3.12/v1", SETUP, MARK, b"a zip"),
            lambda: vefaas.change("fn", SETUP, MARK, None),
            lambda: vefaas.release("fn", 0, MARK),
            lambda: vefaas.create_timer("fn", "t", "0 * * * *", enabled=True),
            lambda: vefaas.remove_timer("fn", "t"),
            lambda: vefaas.remove("fn"),
        ):
            with pytest.raises((Refusal, MaybeExecuted)):
                change()
        vefaas.close()

    assert {1} == set(counting.asked.values())
    assert 6 == len(counting.asked)


def test_what_reads_is_asked_again() -> None:
    counting, server = broken(PlainTextResponse("busy", 503))
    with server:
        vefaas = Vefaas(Client("cn-beijing", server.address, KEYS))
        with pytest.raises(Refusal):
            vefaas.functions()
        vefaas.close()

    assert {"ListFunctions": 1 + READ_REPEATS} == counting.asked


def test_no_answer_says_that_it_can_be_run_again() -> None:
    vefaas = Vefaas(Client("cn-beijing", "http://127.0.0.1:9", KEYS))

    with pytest.raises(MaybeExecuted, match="Run the same command again"):
        vefaas.remove("fn")
    vefaas.close()


def test_an_answer_that_is_none_is_told() -> None:
    counting, server = broken(PlainTextResponse("<html>a proxy's page</html>"))
    with server:
        vefaas = Vefaas(Client("cn-beijing", server.address, KEYS))
        with pytest.raises((Refusal, MaybeExecuted)):
            vefaas.remove("fn")
        vefaas.close()

    assert {"DeleteFunction": 1} == counting.asked
