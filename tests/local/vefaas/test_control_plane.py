"""The control plane's answers, as the official client reads them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
import volcenginesdkvefaas as sdk

from local.keys import KeyRing
from local.server import Server
from local.vefaas.api import ControlPlane, ControlPlaneSettings, application
from local.vefaas.runtime import Platform
from shared.signing import Credentials, openapi_headers
from tests.local.vefaas.plane_world import ECHO, Operator, code, operator, refused, zipped

pytestmark = pytest.mark.filterwarnings(
    # The official client's own, on Python 3.12 and later.
    "ignore:datetime.datetime.utcnow:DeprecationWarning"
)


class Clock:
    """The machine's clock, moved on by what was slept: the official client signs by its own."""

    def __init__(self) -> None:
        self._slept = 0.0

    def now(self) -> float:
        return time.time() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing()


@pytest.fixture
def plane(tmp_path: Path, clock: Clock) -> Iterator[ControlPlane]:
    with Platform(tmp_path / "faas") as platform:
        plane = ControlPlane(tmp_path / "vefaas", platform, clock=clock)
        plane.start()
        yield plane
        plane.close()


@pytest.fixture
def address(plane: ControlPlane, keys: KeyRing) -> Iterator[str]:
    with Server(application(plane, keys)) as server:
        yield server.address


@pytest.fixture
def op(address: str, keys: KeyRing) -> Iterator[Operator]:
    with operator(address, keys.issue()) as who:
        yield who


def get(op: Operator, function_id: str) -> Any:
    return op.api.get_function(sdk.GetFunctionRequest(id=function_id))


def names(op: Operator, **asked: Any) -> list[str]:
    return [item.name for item in op.api.list_functions(sdk.ListFunctionsRequest(**asked)).items]


def test_a_function_is_made_as_it_was_asked_for_and_otherwise_by_default(op: Operator) -> None:
    content = code(ECHO)
    function_id = op.create(
        "paint-one",
        content,
        envs={"PROMPT": "水彩"},
        memory_mb=512,
        request_timeout=120,
        role="trn:iam::2100000001:role/painter",
        tls_config=sdk.TlsConfigForCreateFunctionInput(enable_log=True, tls_topic_id="topic"),
        vpc_config=sdk.VpcConfigForCreateFunctionInput(enable_vpc=False),
    )

    made = get(op, function_id)

    assert ("paint-one", "python3.12/v1", "zip") == (made.name, made.runtime, made.source_type)
    assert [("PROMPT", "水彩")] == [(env.key, env.value) for env in made.envs]
    assert (512, 120, 100, False) == (
        made.memory_mb,
        made.request_timeout,
        made.max_concurrency,
        made.exclusive_mode,
    )
    assert "trn:iam::2100000001:role/painter" == made.role
    assert (True, "topic") == (made.tls_config.enable_log, made.tls_config.tls_topic_id)
    assert (len(content), 0) == (made.code_size, made.triggers_count)
    assert made.creation_time.endswith(" +0000 UTC")


def test_a_name_is_given_once(op: Operator) -> None:
    op.create("paint-one")

    status, error, message = refused(lambda: op.create("paint-one"))

    assert (409, "DuplicatedResource") == (status, error)
    assert "paint-one" in message


@pytest.mark.parametrize(
    ("wrong", "parameter"),
    [
        ({"name": "abc"}, "Name"),
        ({"name": "with space"}, "Name"),
        ({"runtime": "node20/v1"}, "Runtime"),
        ({"runtime": "python3.12"}, "Runtime"),
        ({"memory_mb": 256}, "MemoryMB"),
        ({"memory_mb": 700}, "MemoryMB"),
        ({"memory_mb": 4608}, "MemoryMB"),
        ({"request_timeout": 0}, "RequestTimeout"),
        ({"request_timeout": 901}, "RequestTimeout"),
        ({"max_concurrency": 9}, "MaxConcurrency"),
        ({"max_concurrency": 1001}, "MaxConcurrency"),
        ({"envs": {"": "x"}}, "Envs.0.Key"),
        ({"envs": {"K" * 64: "x"}}, "Envs.0.Key"),
        ({"description": "d" * 1001}, "Description"),
        ({"source": "no base64!"}, "Source"),
        ({"source": "bm8gemlw"}, "Source"),
    ],
)
def test_what_the_platform_would_refuse_is_refused_and_named(
    op: Operator, wrong: dict[str, Any], parameter: str
) -> None:
    status, error, message = refused(lambda: op.create(**{"name": "paint-one", **wrong}))

    assert (400, "InvalidParameter") == (status, error)
    assert f"parameter {parameter} is not valid" in message
    assert [] == names(op)


@pytest.mark.parametrize(
    ("action", "body", "parameter"),
    [
        ("CreateFunction", {"Runtime": "python3.12/v1"}, "Name"),
        ("CreateFunction", {"Name": "paint-one"}, "Runtime"),
        ("UpdateFunction", {}, "Id"),
        ("Release", {"FunctionId": "x"}, "RevisionNumber"),
        ("GetCodeUploadAddress", {"FunctionId": "x"}, "ContentLength"),
        ("CreateTimer", {"FunctionId": "x", "Name": "n"}, "Crontab"),
        ("CodeUploadCallback", {}, "FunctionId"),
    ],
)
def test_what_is_required_is_missed(
    op: Operator, action: str, body: dict[str, Any], parameter: str
) -> None:
    expected = (400, "MissingParameter", f"The request is missing {parameter} parameter.")
    assert expected == refused(lambda: op.raw(action, body))


@pytest.mark.parametrize("odd", ["MemoryMb", "Timeout", "name"])
def test_what_is_no_parameter_is_refused_and_not_overlooked(op: Operator, odd: str) -> None:
    body = {"Name": "paint-one", "Runtime": "python3.12/v1", odd: 512}

    status, error, message = refused(lambda: op.raw("CreateFunction", body))

    assert (400, "InvalidParameter") == (status, error)
    assert f"{odd} is no parameter of this action" in message


def test_an_update_changes_what_it_names_and_nothing_else(op: Operator) -> None:
    function_id = op.create("paint-one", code(ECHO), envs={"A": "1", "B": "2"}, memory_mb=512)

    op.api.update_function(
        sdk.UpdateFunctionRequest(
            id=function_id,
            request_timeout=60,
            envs=[sdk.EnvForUpdateFunctionInput(key="A", value="3")],
        )
    )

    now = get(op, function_id)
    assert (60, 512) == (now.request_timeout, now.memory_mb)
    assert [("A", "3")] == [(env.key, env.value) for env in now.envs]
    assert len(code(ECHO)) == now.code_size


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"Name": "paint-two"}, (400, "InvalidParameter")),
        ({"Runtime": "python3.9/v1"}, (400, "InvalidParameter")),
        ({"SourceType": "tos"}, (403, "InvalidOperation")),
    ],
)
def test_what_a_function_was_made_as_cannot_be_changed(
    op: Operator, change: dict[str, str], expected: tuple[int, str]
) -> None:
    function_id = op.create("paint-one")

    assert expected == refused(lambda: op.raw("UpdateFunction", {"Id": function_id, **change}))[:2]


def test_functions_are_listed_in_pages_newest_first(op: Operator) -> None:
    for number in range(5):
        op.create(f"paint-{number}")

    assert ["paint-4", "paint-3"] == names(op, page_number=1, page_size=2)
    assert ["paint-0"] == names(op, page_number=3, page_size=2)
    assert 5 == op.api.list_functions(sdk.ListFunctionsRequest()).total


def test_functions_are_filtered_by_a_part_of_their_name(op: Operator) -> None:
    for name in ("paint-one", "paint-two", "paint-two-b"):
        op.create(name)
    wanted = [sdk.FilterForListFunctionsInput(name="Name", values=["paint-two", "paint-six"])]

    assert ["paint-two-b", "paint-two"] == names(op, filters=wanted)
    by_colour = [sdk.FilterForListFunctionsInput(name="Colour", values=["red"])]
    assert (400, "InvalidParameter") == refused(lambda: names(op, filters=by_colour))[:2]


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("GetFunction", {"Id": "nothing1"}),
        ("UpdateFunction", {"Id": "nothing1"}),
        ("DeleteFunction", {"Id": "nothing1"}),
        ("Release", {"FunctionId": "nothing1", "RevisionNumber": 0}),
        ("GetReleaseStatus", {"FunctionId": "nothing1"}),
        ("ListRevisions", {"FunctionId": "nothing1"}),
        ("ListReleaseRecords", {"FunctionId": "nothing1"}),
        ("GetCodeUploadAddress", {"FunctionId": "nothing1", "ContentLength": 1}),
        ("CodeUploadCallback", {"FunctionId": "nothing1"}),
        ("CreateDependencyInstallTask", {"FunctionId": "nothing1"}),
        ("ListTriggers", {"FunctionId": "nothing1"}),
        ("ListFunctionInstances", {"FunctionId": "nothing1"}),
        ("UpdateFunctionResource", {"FunctionId": "nothing1", "MaxInstance": 1}),
    ],
)
def test_a_function_that_is_not_there_is_not_found(
    op: Operator, action: str, body: dict[str, Any]
) -> None:
    status, error, message = refused(lambda: op.raw(action, body))

    assert (404, "ResourceNotFound") == (status, error)
    assert "nothing1" in message


def test_a_function_that_nothing_calls_is_deleted(op: Operator, plane: ControlPlane) -> None:
    function_id = op.deploy("paint-one", code(ECHO))

    # As documented, the answer has no Result, of which the client makes None.
    assert op.api.delete_function(sdk.DeleteFunctionRequest(id=function_id)) is None

    assert [] == names(op)
    assert {} == plane.platform.functions
    assert function_id != op.create("paint-one")


def test_code_is_put_to_an_address_and_taken_by_the_callback(op: Operator) -> None:
    function_id = op.create("paint-one")
    content = code(ECHO)

    op.upload(function_id, content)

    assert len(content) == get(op, function_id).code_size


def test_the_callback_answers_to_the_older_version_of_the_platforms_own_tools(
    op: Operator,
) -> None:
    body = {"FunctionId": op.create("paint-one")}
    nothing_there = (403, "InvalidOperation")

    assert nothing_there == refused(lambda: op.raw("CodeUploadCallback", body, "2021-03-03"))[:2]


def address_for(op: Operator, function_id: str, size: int) -> str:
    asked = sdk.GetCodeUploadAddressRequest(function_id=function_id, content_length=size)
    return str(op.api.get_code_upload_address(asked).upload_address)


def put(address: str, content: bytes) -> int:
    return urllib3.request("PUT", address, body=content, timeout=10.0).status


def test_only_what_was_announced_can_be_put_and_only_at_the_newest_address(
    op: Operator, clock: Clock
) -> None:
    function_id, content = op.create("paint-one"), code(ECHO)
    address = address_for(op, function_id, len(content))

    assert 400 == put(address, content + b"more")
    assert 400 == put(address, content[:-1])
    assert 400 == put(address_for(op, function_id, 6), b"no zip")
    assert 403 == put(address, content)
    newest = address_for(op, function_id, len(content))
    assert 403 == put(newest.replace("uploads/", "uploads/x"), content)
    clock.sleep(15 * 60 + 1)
    assert 403 == put(newest, content)
    clock.sleep(-15 * 60)  # requests are signed by the machine's clock
    assert 0 == get(op, function_id).code_size


def test_what_is_still_being_put_to_an_older_address_does_not_count(op: Operator) -> None:
    function_id, content = op.create("paint-one"), code(ECHO)
    address = address_for(op, function_id, len(content))

    def slowly() -> Iterator[bytes]:
        yield content[:9]
        address_for(op, function_id, len(content))
        yield content[9:]

    assert 403 == urllib3.request("PUT", address, body=slowly(), timeout=10.0).status
    nothing_there = refused(lambda: op.raw("CodeUploadCallback", {"FunctionId": function_id}))
    assert (403, "InvalidOperation") == nothing_there[:2]


def test_a_zip_has_at_most_256_mebibytes(op: Operator) -> None:
    function_id = op.create("paint-one")

    address_for(op, function_id, 256 * 1024 * 1024)
    over = refused(lambda: address_for(op, function_id, 256 * 1024 * 1024 + 1))

    assert (400, "InvalidParameter") == over[:2]


def test_a_zip_in_the_request_has_at_most_15_mebibytes(op: Operator) -> None:
    large = b"PK" + bytes(15 * 1024 * 1024)

    status, error, message = refused(lambda: op.create("paint-one", large))

    assert (400, "InvalidParameter") == (status, error)
    assert "GetCodeUploadAddress" in message


def install(op: Operator, function_id: str) -> Any:
    op.api.create_dependency_install_task(
        sdk.CreateDependencyInstallTaskRequest(function_id=function_id)
    )
    return installed(op, function_id)


def installed(op: Operator, function_id: str) -> Any:
    asked = sdk.GetDependencyInstallTaskStatusRequest(function_id=function_id)
    return op.api.get_dependency_install_task_status(asked)


def test_dependencies_that_are_in_the_zip_are_installed_in_the_time_that_is_set(
    op: Operator, plane: ControlPlane, clock: Clock
) -> None:
    plane.settings = ControlPlaneSettings(install_seconds=30)
    files = {"requirements.txt": "# colours\nPaint_Box==1.2\n", "index.py": ECHO}
    vendored = zipped({**files, "paint_box-1.2.dist-info/METADATA": "Name: paint-box"})
    function_id = op.create("paint-one", vendored)

    assert "InProgress" == install(op, function_id).status
    assert (409, "StatusConflictError") == refused(lambda: install(op, function_id))[:2]
    clock.sleep(31)
    done = installed(op, function_id)
    assert "Succeeded" == done.status
    assert done.finish_time > done.create_time


def test_dependencies_that_are_missing_fail_with_a_log_that_says_which(op: Operator) -> None:
    function_id = op.create("paint-one", code(ECHO, **{"requirements.txt": "paint-box==1.2"}))

    assert "Failed" == install(op, function_id).status
    address = op.api.get_dependency_install_task_log_download_uri(
        sdk.GetDependencyInstallTaskLogDownloadURIRequest(function_id=function_id)
    ).download_url
    assert b"paint-box==1.2" in urllib3.request("GET", address, timeout=10.0).data


def test_how_many_instances_a_function_may_have_is_kept(op: Operator) -> None:
    function_id = op.create("paint-one")

    op.api.update_function_resource(
        sdk.UpdateFunctionResourceRequest(function_id=function_id, max_instance=3)
    )

    asked = sdk.GetFunctionResourceRequest(function_id=function_id)
    told = op.api.get_function_resource(asked).function_resource
    assert (0, 3) == (told.min_instance, told.max_instance)
    over = sdk.UpdateFunctionResourceRequest(function_id=function_id, min_instance=4)
    status, error, _ = refused(lambda: op.api.update_function_resource(over))
    assert (400, "InvalidParameter") == (status, error)


def test_the_log_of_an_instance_is_told_from_its_end(op: Operator, plane: ControlPlane) -> None:
    text = "def handler(event, context):\n    print('one'); print('two')"
    function_id = op.deploy("paint-one", code(text))
    plane.platform.invoke("paint-one", {})

    (instance,) = op.api.list_function_instances(
        sdk.ListFunctionInstancesRequest(function_id=function_id)
    ).items
    asked = {"function_id": function_id, "name": instance.instance_name}

    assert ("Ready", 1) == (instance.instance_status, instance.revision_number)
    logs = op.api.get_function_instance_logs
    assert "two\n" == logs(sdk.GetFunctionInstanceLogsRequest(**asked, limit=1)).logs
    assert "one\ntwo\n" == logs(sdk.GetFunctionInstanceLogsRequest(**asked)).logs


def sent(address: str, method: str, credentials: Credentials, **how: Any) -> tuple[int, str]:
    """Send a signed request as it should be, apart from `how`; return status and error code."""
    query = {"Action": "ListFunctions", "Version": "2024-06-06", **how.pop("query", {})}
    signed = {
        "method": method,
        "host": address.removeprefix("http://"),
        "path": "/",
        "query": query,
        "content_type": "application/json",
        "body": b"{}",
        "credentials": credentials,
        "region": "cn-beijing",
        "service": "vefaas",
        "now": time.time(),
        **how,
    }
    headers = openapi_headers(**signed)
    answer = urllib3.request(
        method,
        f"{address}/?{'&'.join(f'{k}={v}' for k, v in query.items())}",
        headers=headers,
        body=b"{}",
        timeout=10.0,
    )
    error = json.loads(answer.data)["ResponseMetadata"].get("Error", {})
    return answer.status, error.get("Code", "")


def test_only_what_is_signed_for_this_service_is_answered(address: str, keys: KeyRing) -> None:
    key = keys.issue()
    other = Credentials(key.access_key, "another secret")

    assert (200, "") == sent(address, "POST", key)
    assert (401, "SignatureDoesNotMatch") == sent(address, "POST", other)
    assert (401, "InvalidCredential") == sent(address, "POST", key, service="ImageX")
    assert (401, "InvalidCredential") == sent(address, "POST", key, region="cn-shanghai")
    assert (400, "InvalidTimestamp") == sent(address, "POST", key, now=time.time() - 1000)
    unsigned = urllib3.request("POST", f"{address}/?Action=ListFunctions", timeout=10.0)
    assert 401 == unsigned.status


def test_other_actions_versions_and_methods_are_refused(address: str, keys: KeyRing) -> None:
    key = keys.issue()

    unknown = (404, "InvalidActionOrVersion")
    assert unknown == sent(address, "POST", key, query={"Action": "PaintFunction"})
    assert unknown == sent(address, "POST", key, query={"Version": "2021-03-03"})
    assert (405, "MethodNotAllowed") == sent(address, "GET", key, body=b"{}")
