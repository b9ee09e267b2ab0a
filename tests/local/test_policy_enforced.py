"""The policies of roles: what they allow works, and everything else is denied."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tos
import urllib3
from tos.exceptions import TosServerError

from local.cloud import (
    DOMAIN,
    HTTP_FUNCTION,
    SERVICE_ID,
    STATE_BUCKET,
    SWEEP_FUNCTION,
    SWEEP_TIMER,
    TEMPLATE,
    UPLOAD_FUNCTION,
    UPLOADS_BUCKET,
    FixedCredentials,
)
from local.imagex import FaultSettings
from local.invoke import object_event
from shared.errors import RepaintError
from shared.runtime import Runtime
from shared.signing import Credentials
from tests.local.policy_engine import PolicyCloud
from tests.local.vefaas.plane_world import operator, refused

pytestmark = pytest.mark.filterwarnings(
    # The official clients' own, on Python 3.12 and later.
    "ignore:datetime.datetime.utcnow:DeprecationWarning"
)
CAT = (Path(__file__).parents[2] / "examples" / "images" / "chelsea.png").read_bytes()
QUICK = FaultSettings(latency_seconds=0.0)
ROLE = "repaint"


def allow(actions: list[str], *resources: str, **condition: Any) -> dict[str, Any]:
    made = {"Effect": "Allow", "Action": actions, "Resource": list(resources)}
    return {**made, "Condition": condition} if condition else made


LEDGER = f"trn:tos:::{STATE_BUCKET}/ledger/*"
SERVICE = f"trn:ImageX:*:*:ServiceId/{SERVICE_ID}"
STATEMENTS = {
    "pictures": allow(
        ["tos:GetObject", "tos:GetObjectVersion"], f"trn:tos:::{UPLOADS_BUCKET}/uploads/*"
    ),
    "ledger": allow(["tos:GetObject", "tos:PutObject", "tos:DeleteObject"], LEDGER),
    "listing": allow(
        ["tos:ListBucket"], f"trn:tos:::{STATE_BUCKET}", StringLike={"tos:prefix": ["ledger/*"]}
    ),
    "painting": allow(
        [
            "ImageX:GetCVImageGenerateResult",
            "ImageX:GetImageStorageFiles",
            "ImageX:GetResourceURL",
        ],
        SERVICE,
    ),
}
PAINTING = {"Statement": list(STATEMENTS.values())}
"""What the functions need here, and nothing else."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyCloud]:
    folder = tmp_path_factory.mktemp("cloud")
    with PolicyCloud(folder, bare=True, faults=QUICK, role_policies={ROLE: PAINTING}) as cloud:
        root = cloud.runtime().storage(None)
        for key in ("uploads/a.png", "private/b.png"):
            root.put(UPLOADS_BUCKET, key, CAT, content_type="image/png")
        root.put(STATE_BUCKET, "ledger/done/x.json", b"{}", content_type="application/json")
        yield cloud


@pytest.fixture(scope="module")
def role(cloud: PolicyCloud) -> Credentials:
    return cloud.keys.issue(temporary=True, role=f"trn:iam::2100000001:role/{ROLE}")


@contextmanager
def official(cloud: PolicyCloud, key: Credentials) -> Iterator[Any]:
    client = tos.TosClientV2(
        key.access_key,
        key.secret_key,
        "http://tos-cn-beijing.volces.com",
        "cn-beijing",
        security_token=key.session_token,
        proxy_host="127.0.0.1",
        proxy_port=cloud.tos.port,
        dns_cache_time=0,
        max_retry_count=0,
    )
    yield client
    client.close()


@pytest.fixture
def storage(cloud: PolicyCloud, role: Credentials) -> Iterator[Any]:
    with official(cloud, role) as client:
        yield client


Call = Callable[[Any], Any]
ALLOWED: dict[str, Call] = {
    "read a picture": lambda t: t.get_object(UPLOADS_BUCKET, "uploads/a.png").read(),
    "HEAD a picture": lambda t: t.head_object(UPLOADS_BUCKET, "uploads/a.png"),
    "write a record": lambda t: t.put_object(STATE_BUCKET, "ledger/pending/y.json", content=b"{}"),
    "delete a record": lambda t: t.delete_object(STATE_BUCKET, "ledger/pending/z.json"),
    "list records": lambda t: t.list_objects_type2(STATE_BUCKET, prefix="ledger/done/"),
}
REFUSED: dict[str, Call] = {
    "read another's picture": lambda t: t.get_object(UPLOADS_BUCKET, "private/b.png").read(),
    "write a picture": lambda t: t.put_object(UPLOADS_BUCKET, "uploads/c.png", content=b"c"),
    "delete a picture": lambda t: t.delete_object(UPLOADS_BUCKET, "uploads/a.png"),
    "write outside the ledger": lambda t: t.put_object(STATE_BUCKET, "else.json", content=b"{}"),
    "list a whole bucket": lambda t: t.list_objects_type2(STATE_BUCKET),
    "list another prefix": lambda t: t.list_objects_type2(STATE_BUCKET, prefix="else/"),
    "list the pictures": lambda t: t.list_objects_type2(UPLOADS_BUCKET, prefix="uploads/"),
    "copy from elsewhere": lambda t: t.copy_object(
        STATE_BUCKET, "ledger/done/b.json", UPLOADS_BUCKET, "private/b.png"
    ),
    "copy to elsewhere": lambda t: t.copy_object(
        UPLOADS_BUCKET, "private/a.png", UPLOADS_BUCKET, "uploads/a.png"
    ),
    "begin a multipart upload": lambda t: t.create_multipart_upload(UPLOADS_BUCKET, "uploads/d"),
    "read rules": lambda t: t.get_bucket_notification_type2(UPLOADS_BUCKET),
    "write rules": lambda t: t.put_bucket_notification_type2(UPLOADS_BUCKET, [], "1"),
    "read versioning": lambda t: t.get_bucket_version(UPLOADS_BUCKET),
    "delete many": lambda t: t.delete_multi_objects(
        STATE_BUCKET, [tos.models2.ObjectTobeDeleted("ledger/done/x.json")]
    ),
    "create a bucket": lambda t: t.create_bucket("another-bucket"),
    "delete a bucket": lambda t: t.delete_bucket(UPLOADS_BUCKET),
    "list buckets": lambda t: t.list_buckets(),
}


@pytest.mark.parametrize("what", ALLOWED)
def test_allowed(storage: Any, what: str) -> None:
    """A role may do what its policy allows."""
    ALLOWED[what](storage)


@pytest.mark.parametrize("what", REFUSED)
def test_denied(storage: Any, what: str) -> None:
    """Everything else is denied to a role."""
    with pytest.raises(TosServerError) as caught:
        REFUSED[what](storage)

    assert (403, "AccessDenied") == (caught.value.status_code, caught.value.code)
    assert "The policy of the role repaint does not allow tos:" in caught.value.message


@pytest.mark.parametrize(
    "head",
    [
        lambda t: t.head_object(UPLOADS_BUCKET, "private/b.png"),
        lambda t: t.head_bucket(UPLOADS_BUCKET),
    ],
)
def test_denied_head(storage: Any, head: Call) -> None:
    """A HEAD that is not allowed is refused without a body."""
    with pytest.raises(TosServerError) as caught:
        head(storage)

    assert 403 == caught.value.status_code


@pytest.mark.parametrize("what", ["read another's picture", "list a whole bucket", "read rules"])
def test_account(cloud: PolicyCloud, what: str) -> None:
    """No policy holds for the account itself."""
    with official(cloud, cloud.credentials) as client:
        REFUSED[what](client)


def presigned(runtime: Runtime, key: str) -> str:
    storage = runtime.storage(None)
    return storage.presign(UPLOADS_BUCKET, key, version_id=None, expires_seconds=600)


def fetched(url: str) -> int:
    host = url.split("/")[2]
    path = url.split(host, 1)[1]
    with urllib3.HTTPConnectionPool("127.0.0.1", int(host.rpartition(":")[2])) as pool:
        return pool.request("GET", path, headers={"Host": host}).status


def test_presigned_url(cloud: PolicyCloud, role: Credentials) -> None:
    """A presigned URL is allowed if its signer is."""
    runtime = Runtime(cloud.settings, credentials=FixedCredentials(role))

    assert 200 == fetched(presigned(runtime, "uploads/a.png"))
    assert 403 == fetched(presigned(runtime, "private/b.png"))
    runtime.close()


def test_presigned_url_later(cloud: PolicyCloud) -> None:
    """The policy at the time of its use holds for a presigned URL."""
    key = cloud.keys.issue(temporary=True, role="passing")
    runtime = Runtime(cloud.settings, credentials=FixedCredentials(key))
    address = presigned(runtime, "uploads/a.png")
    assert 200 == fetched(address)

    cloud.policies.set("passing", {"Statement": [allow(["tos:PutObject"], "*")]})

    assert 403 == fetched(address)
    runtime.close()


def test_multipart_upload(cloud: PolicyCloud, storage: Any) -> None:
    """A multipart upload needs PutObject; listing parts and aborting need other rights."""
    key = "ledger/done/parts.json"
    upload = storage.create_multipart_upload(STATE_BUCKET, key).upload_id
    part = storage.upload_part(STATE_BUCKET, key, upload, 1, content=b"{}")

    for call in (storage.list_parts, storage.abort_multipart_upload):
        with pytest.raises(TosServerError) as caught:
            call(STATE_BUCKET, key, upload)
        assert 403 == caught.value.status_code
    storage.complete_multipart_upload(
        STATE_BUCKET, key, upload, [tos.models2.UploadedPart(1, part.etag)]
    )
    assert b"{}" == cloud.runtime().storage(None).get(STATE_BUCKET, key)[0]


def test_object_version(cloud: PolicyCloud) -> None:
    """One version of an object needs GetObjectVersion."""
    key = cloud.keys.issue(temporary=True, role="historian")
    anywhere = f"trn:tos:::{UPLOADS_BUCKET}/*"
    cloud.policies.set("historian", {"Statement": [allow(["tos:GetObjectVersion"], anywhere)]})

    with official(cloud, key) as client:
        assert CAT == client.get_object(UPLOADS_BUCKET, "private/b.png", version_id="null").read()
        with pytest.raises(TosServerError):
            client.get_object(UPLOADS_BUCKET, "private/b.png")
        with pytest.raises(TosServerError):
            client.delete_object(UPLOADS_BUCKET, "private/b.png", version_id="null")


def test_imagex(cloud: PolicyCloud) -> None:
    """veImageX denies with its own error."""
    key = cloud.keys.issue(temporary=True, role="reader")
    only_listing = allow(["ImageX:GetImageStorageFiles"], SERVICE)
    cloud.policies.set("reader", {"Statement": [only_listing]})
    runtime = Runtime(cloud.settings, credentials=FixedCredentials(key))

    assert runtime.imagex.find_output("nothing") is None
    with pytest.raises(RepaintError) as caught:
        runtime.imagex.url_of("tos-cn-i-local/nothing", domain=DOMAIN, template=TEMPLATE)

    assert "AccessDenied" in str(caught.value)
    runtime.close()


def test_control_plane(cloud: PolicyCloud, role: Credentials) -> None:
    """The control plane denies a role that may not deploy."""
    with operator(cloud.vefaas.address, role) as op:
        status, error, message = refused(lambda: op.create("paint-one"))

    assert (403, "AccessDenied") == (status, error)
    assert "vefaas:CreateFunction" in message


OWN = (UPLOAD_FUNCTION, HTTP_FUNCTION, SWEEP_FUNCTION)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PolicyCloud]:
    """Yield a cloud that runs the functions of this source tree."""
    with PolicyCloud(tmp_path_factory.mktemp("own"), faults=QUICK) as cloud:
        yield cloud


def hold(cloud: PolicyCloud, *statements: dict[str, Any]) -> None:
    for role in OWN:
        cloud.policies.set(role, {"Statement": list(statements)})


def put(cloud: PolicyCloud, key: str) -> None:
    metadata = {"x-tos-meta-prompt": "x", "content-type": "image/png"}
    cloud.store.put(UPLOADS_BUCKET, key, CAT, metadata)


def painted(cloud: PolicyCloud, key: str) -> bool:
    """Check whether the upload function made a picture of an object."""
    before = len(cloud.billing.charges())
    cloud.platform.invoke(UPLOAD_FUNCTION, object_event(UPLOADS_BUCKET, key))
    return len(cloud.billing.charges()) > before


def test_functions(own: PolicyCloud) -> None:
    """Every function works with the policy."""
    hold(own, *PAINTING["Statement"])
    put(own, "uploads/one.png")

    assert painted(own, "uploads/one.png")
    assert own.platform.tick(SWEEP_TIMER).failure is None
    answer = urllib3.request(
        "POST",
        f"{own.gateway.address}/generations",
        headers={
            "Authorization": f"Bearer {own.http_token}",
            "Content-Type": "application/json",
        },
        body=json.dumps({"bucket": UPLOADS_BUCKET, "key": "uploads/one.png", "prompt": "y"}),
        timeout=60.0,
    )
    assert (200, "generated") == (answer.status, answer.json()["status"])


@pytest.mark.parametrize(
    ("left_out", "paints", "sweeps"),
    [("pictures", False, True), ("ledger", False, True), ("listing", True, False),
     ("painting", False, True)],
)  # fmt: skip
def test_functions_with_less(own: PolicyCloud, left_out: str, paints: bool, sweeps: bool) -> None:
    """A function fails without the statements that it needs."""
    key = f"uploads/{left_out}.png"
    put(own, key)
    hold(own, *(each for name, each in STATEMENTS.items() if name != left_out))

    assert paints == painted(own, key)
    assert sweeps == (own.platform.tick(SWEEP_TIMER).failure is None)
