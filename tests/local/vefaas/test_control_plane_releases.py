"""Releases: what is in the zip runs, and nothing else; they take time, fail, and can be undone."""

import json
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import volcenginesdkvefaas as sdk

from local.keys import KeyRing
from local.server import Server
from local.vefaas.api import ControlPlane, ControlPlaneSettings, application
from local.vefaas.runtime import Platform
from tests.local.vefaas.plane_world import ECHO, RUNTIME, Operator, code, operator, refused, zipped

pytestmark = pytest.mark.filterwarnings(
    # The official client's own, on Python 3.12 and later.
    "ignore:datetime.datetime.utcnow:DeprecationWarning"
)


class World:
    """A platform with its control plane, which can be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self.keys = KeyRing()
        self.start()

    def start(self, settings: ControlPlaneSettings | None = None) -> None:
        self.platform = Platform(self._folder / "faas", keys=self.keys)
        self.plane = ControlPlane(
            self._folder / "vefaas",
            self.platform,
            settings=settings,
            environment=lambda: {"TOS_ENDPOINT": "http://127.0.0.1:1", "GIVEN": "by the cloud"},
        )
        self.plane.start()
        self._stack.callback(self.plane.close)
        self._stack.enter_context(self.platform)
        self._stack.callback(self.plane.stop)
        server = self._stack.enter_context(Server(application(self.plane, self.keys)))
        self.op = self._stack.enter_context(operator(server.address, self.keys.issue()))

    def stop(self) -> None:
        self._stack.close()

    def call(self, name: str, event: Mapping[str, Any] | None = None) -> Any:
        answer = self.platform.invoke(name, event or {})
        assert answer.failure is None
        return json.loads(answer.body)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.stop()


def say(word: str) -> bytes:
    return code(f"def handler(event, context): return {{'body': '\"{word}\"'}}")


def revise(op: Operator, function_id: str, content: bytes) -> Any:
    op.upload(function_id, content)
    return op.release(function_id)


def test_what_was_released_runs_out_of_its_zip(world: World) -> None:
    text = "from shared.brush import paint\ndef handler(e, c): return {'body': paint(e['colour'])}"
    brush = "import json\ndef paint(colour): return json.dumps('painted ' + colour)"
    files = {"index.py": text, "shared/__init__.py": "", "shared/brush.py": brush}

    world.op.deploy("paint-one", zipped(files))

    assert "painted 红" == world.call("paint-one", {"colour": "红"})


def test_a_function_finds_its_own_variables_and_the_platforms_and_no_others(world: World) -> None:
    function_id = world.op.deploy(
        "paint-one", code(ECHO), envs={"GIVEN": "by its owner"}, request_timeout=77
    )

    env = world.call("paint-one")["env"]

    assert "by its owner" == env["GIVEN"]
    assert (function_id, "77") == (env["_FAAS_FUNC_ID"], env["_FAAS_FUNC_TIMEOUT"])
    assert {
        "GIVEN",
        "HOME",
        "LANG",
        "PATH",
        "PYTHONUNBUFFERED",
        "TOS_ENDPOINT",
        "_FAAS_FUNC_ID",
        "_FAAS_FUNC_TIMEOUT",
        "_FAAS_RUNTIME_PORT",
    } == set(env) - {"LC_CTYPE"}


def test_a_function_finds_no_package_but_what_its_zip_holds(world: World) -> None:
    # This machine's interpreter has it: the tests need it.
    text = "import pytest\ndef handler(event, context): pass"
    function_id = world.op.create("paint-one", code(text))

    status = world.op.release(function_id)

    assert ("failed", "function_start_failed") == (status.status, status.error_code)
    assert "No module named 'pytest'" in status.failed_instance_logs
    world.op.deploy("paint-two", code(text, **{"pytest.py": ""}))


def test_only_a_function_with_a_role_gets_credentials(world: World) -> None:
    world.op.deploy("paint-one", code(ECHO), role="trn:iam::2100000001:role/painter")
    world.op.deploy("paint-two", code(ECHO))

    file = Path(world.call("paint-one")["env"]["REPAINT_CREDENTIAL_FILE"])
    key = json.loads(file.read_text("utf-8"))["access_key_id"]

    assert "trn:iam::2100000001:role/painter" == world.keys.role_of(key)
    assert "REPAINT_CREDENTIAL_FILE" not in world.call("paint-two")["env"]


def test_what_was_never_released_is_pending(world: World) -> None:
    status = world.op.status(world.op.create("paint-one", code(ECHO)))

    assert ("pending", -1, None) == (
        status.status,
        status.stable_revision_number,
        status.new_revision_number,
    )
    assert {} == world.platform.functions


def test_a_release_takes_its_time_and_another_waits(world: World) -> None:
    world.plane.settings = ControlPlaneSettings(release_seconds=3600)
    function_id = world.op.create("paint-one", code(ECHO))

    begun = world.op.begin(function_id)

    assert ("inprogress", 1, -1) == (
        begun.status,
        begun.new_revision_number,
        begun.stable_revision_number,
    )
    assert (409, "StatusConflictError") == refused(lambda: world.op.begin(function_id))[:2]
    delete = sdk.DeleteFunctionRequest(id=function_id)
    assert (409, "StatusConflictError") == refused(lambda: world.op.api.delete_function(delete))[:2]
    assert "inprogress" == world.op.status(function_id).status


def test_a_release_that_is_done_is_told_as_documented(world: World) -> None:
    function_id = world.op.deploy("paint-one", code(ECHO))

    status = world.op.status(function_id)

    assert ("done", "Function release finished successfully") == (
        status.status,
        status.status_message,
    )
    assert (1, 1, 100) == (
        status.stable_revision_number,
        status.new_revision_number,
        status.target_traffic_weight,
    )
    assert status.error_code is None


def test_a_release_fails_on_demand_and_the_one_before_stays(world: World) -> None:
    function_id = world.op.deploy("paint-one", say("one"))
    world.plane.settings = ControlPlaneSettings(failures={"paint-one": "No more machines."})

    status = revise(world.op, function_id, say("two"))

    assert ("failed", "No more machines.") == (status.status, status.status_message)
    assert (1, 2) == (status.stable_revision_number, status.new_revision_number)
    assert "one" == world.call("paint-one")


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (code("raise SystemExit('no paint')"), "no paint"),
        (code("def paint(event, context): pass"), "defines no function `handler"),
        (code("this is no Python"), "SyntaxError"),
    ],
)
def test_code_that_does_not_start_fails_with_its_last_lines_and_the_one_before_stays(
    world: World, broken: bytes, told: str
) -> None:
    function_id = world.op.deploy("paint-one", say("one"))

    status = revise(world.op, function_id, broken)

    assert ("failed", "function_start_failed") == (status.status, status.error_code)
    assert told in status.failed_instance_logs
    assert "one" == world.call("paint-one")


def test_a_zip_without_an_index_at_its_root_fails(world: World) -> None:
    function_id = world.op.create("paint-one", zipped({"functions/upload/index.py": ECHO}))

    assert "The zip has no index.py at its root." == world.op.release(function_id).status_message


def test_a_zip_that_is_damaged_fails_instead_of_never_ending(world: World) -> None:
    whole = zipped({"index.py": ECHO + "#" * 1000})
    name = whole.index(b"index.py") + len("index.py")
    function_id = world.op.create("paint-one", whole[:name] + bytes(40) + whole[name + 40 :])

    status = world.op.release(function_id)

    assert "failed" == status.status
    assert "The local platform failed" in status.status_message


def test_there_must_be_code_to_release_and_all_of_the_traffic(world: World) -> None:
    empty = world.op.create("paint-one")
    full = world.op.create("paint-two", code(ECHO))

    assert (403, "InvalidOperation") == refused(lambda: world.op.begin(empty))[:2]
    part = refused(lambda: world.op.begin(full, target_traffic_weight=50))
    assert (403, "InvalidOperation") == part[:2]


def test_an_earlier_revision_is_released_again(world: World) -> None:
    function_id = world.op.deploy("paint-one", say("one"), envs={"A": "1"})
    revise(world.op, function_id, say("two"))

    status = world.op.release(function_id, 1)

    assert ("done", 1, 2) == (
        status.status,
        status.stable_revision_number,
        status.old_revision_number,
    )
    assert "one" == world.call("paint-one")
    absent = refused(lambda: world.op.begin(function_id, 3))
    assert (404, "ResourceNotFound") == absent[:2]


def test_revisions_and_releases_are_listed_newest_first(world: World) -> None:
    op = world.op
    function_id = op.deploy("paint-one", say("one"))
    op.begin(function_id, 0, description="the second")
    op.ended(function_id)
    op.release(function_id, 1)

    revisions = op.api.list_revisions(sdk.ListRevisionsRequest(function_id=function_id)).items
    asked = sdk.ListReleaseRecordsRequest(function_id=function_id)
    releases = op.api.list_release_records(asked).items

    assert [2, 1] == [each.revision_number for each in revisions]
    assert ["the second", ""] == [each.revision_description for each in revisions]
    assert [(2, 1), (1, 2), (-1, 1)] == [
        (each.source_revision_number, each.target_revision_number) for each in releases
    ]
    only = [sdk.FilterForListRevisionsInput(name="RevisionNumber", values=["1"])]
    asked_for_one = sdk.ListRevisionsRequest(function_id=function_id, filters=only)
    assert [1] == [each.revision_number for each in op.api.list_revisions(asked_for_one).items]


def test_a_revision_stays_as_it_was_released(world: World) -> None:
    function_id = world.op.deploy("paint-one", code(ECHO), envs={"A": "1"})
    change = [sdk.EnvForUpdateFunctionInput(key="A", value="2")]
    world.op.api.update_function(sdk.UpdateFunctionRequest(id=function_id, envs=change))

    def told(number: int) -> list[str]:
        asked = sdk.GetRevisionRequest(function_id=function_id, revision_number=number)
        return [env.value for env in world.op.api.get_revision(asked).envs]

    assert (["1"], ["2"]) == (told(1), told(0))
    assert "1" == world.call("paint-one")["env"]["A"]


def test_a_cloud_that_starts_again_runs_what_was_released(world: World) -> None:
    function_id = world.op.deploy("paint-one", say("one"))
    world.stop()

    world.start()

    assert "one" == world.call("paint-one")
    assert [function_id] == list(world.platform.functions)
    assert "done" == world.op.status(function_id).status


def test_a_release_that_was_cut_off_is_carried_out_by_the_next_start(world: World) -> None:
    function_id = world.op.deploy("paint-one", say("one"))
    world.plane.settings = ControlPlaneSettings(release_seconds=3600)
    world.op.upload(function_id, say("two"))
    world.op.begin(function_id)
    world.stop()

    world.start()

    assert ("done", 2) == (
        world.op.ended(function_id).status,
        world.op.status(function_id).stable_revision_number,
    )
    assert "two" == world.call("paint-one")


def test_a_folder_of_a_revision_that_is_gone_is_made_again(world: World, tmp_path: Path) -> None:
    function_id = world.op.deploy("paint-one", say("one"))
    world.stop()
    folder = tmp_path / "vefaas" / "revisions" / function_id
    for file in (folder / "1").iterdir():
        file.unlink()
    (folder / "1").rmdir()

    world.start()

    assert "one" == world.call("paint-one")


def test_the_zips_that_nobody_needs_are_swept_at_the_next_start(
    world: World, tmp_path: Path
) -> None:
    function_id = world.op.create("paint-one", say("one"))
    world.op.upload(function_id, say("two"))
    world.stop()

    world.start()

    assert 1 == len(list((tmp_path / "vefaas" / "code").iterdir()))
    assert "done" == world.op.release(function_id).status
    assert "two" == world.call("paint-one")


def test_what_waits_for_a_function_that_is_deleted_is_dropped(world: World) -> None:
    fails = "def handler(event, context): raise OSError('never')"
    function_id = world.op.deploy("paint-one", code(fails), role="painter")
    file = Path(world.platform.launcher.log_path("paint-one")).parents[1] / "roles/paint-one"
    world.platform.enqueue(function_id, {"colour": "red"})

    world.op.api.delete_function(sdk.DeleteFunctionRequest(id=function_id))

    assert world.platform.wait_idle()
    (dropped,) = world.platform.queue.snapshot().dropped
    assert "the function was deleted" == dropped.dropped_because
    assert [] == list(file.iterdir())


COMPILED = {"index.py": ECHO, "brush.cpython-399-made_up.so": ""}


def test_compiled_packages_that_nothing_here_loads_fail_and_say_what_to_do(world: World) -> None:
    function_id = world.op.create("paint-one", zipped(COMPILED))

    status = world.op.release(function_id)

    assert ("failed", "function_start_failed") == (status.status, status.error_code)
    assert "cpython-399-made_up" in status.status_message
    assert "install Python 3.12" in status.status_message


def test_a_function_of_another_version_runs_here_where_its_compiled_packages_fit(
    world: World,
) -> None:
    fitting = {"index.py": ECHO, f"brush{sysconfig.get_config_var('EXT_SUFFIX')}": ""}

    function_id = world.op.deploy("paint-one", zipped(fitting), runtime="python3.8/v1")

    assert function_id == world.call("paint-one")["env"]["_FAAS_FUNC_ID"]


def test_a_runtime_is_run_by_the_interpreter_that_is_set_for_it(
    world: World, tmp_path: Path
) -> None:
    chosen = tmp_path / "python"
    chosen.symlink_to(sys.executable)
    world.plane.settings = ControlPlaneSettings(runtimes={RUNTIME: str(chosen)})

    function_id = world.op.deploy("paint-one", code(ECHO))

    assert (str(chosen), "-S", "-s") == world.platform.functions[function_id].python


def test_an_interpreter_that_is_set_and_not_there_fails_the_release(world: World) -> None:
    world.plane.settings = ControlPlaneSettings(runtimes={RUNTIME: "/nowhere/python"})

    status = world.op.release(world.op.create("paint-one", code(ECHO)))

    assert "failed" == status.status
    assert "/nowhere/python, to run python3.12/v1, is no Python" in status.status_message
