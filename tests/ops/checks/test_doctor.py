"""`repaint doctor`, as a user runs it: a process of its own, against a local cloud."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local import imagex
from local.cloud import (
    DOMAIN,
    SERVICE_ID,
    TEMPLATE,
    UPLOADS_BUCKET,
    Cloud,
)
from local.server import Server
from local.tos import ObjectStore
from tests.ops.command import ROOT, document, environment, repaint
from tests.ops.stores import (
    ChecksThenWrites,
    OverwritesAnyway,
    SetBack,
    SwapsAnyway,
    WritesSlowly,
    keys_in,
    rule,
    served,
    store_in,
)

EVERYTHING = [
    "settings",
    "credentials",
    "object storage",
    "veImageX",
    "clock",
    "state bucket",
    "state's versioning",
    "create-only writes",
    "compare-and-swap",
    "listing and removal",
    "scratch keys",
    "trigger and state",
    "service",
    "domain",
    "template",
    "output probe",
    "model",
    "upload bucket",
    "trigger",
    "trigger and prefixes",
    "trigger and outputs",
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Yield one cloud for all tests: the doctor leaves nothing in it, which is asserted."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as served:
        yield served
        assert [] == keys_in(served.store)


def examined(
    cloud: Cloud,
    settings: Mapping[str, str] | None = None,
    *arguments: str,
    code: int = 1,
) -> dict[str, Any]:
    """Run the doctor; return its findings by name. No secret may be in its output."""
    done = repaint("doctor", *arguments, "--json", cloud=cloud, settings=settings)
    assert cloud.credentials.secret_key not in done.stdout + done.stderr
    assert (code, "") == (done.returncode, done.stderr)
    return {check["name"]: check for check in document(done)["checks"]}


def test_no_problem(cloud: Cloud) -> None:
    """Without a problem every check is shown, and nothing is left behind."""
    done = repaint("doctor", "--bucket", UPLOADS_BUCKET, cloud=cloud)

    assert (0, "") == (done.returncode, done.stderr)
    shown = [line for line in done.stdout.splitlines() if line[:1] in "✓–"]
    assert EVERYTHING == [line[2:27].strip() for line in shown if line]
    assert "20 ok, 0 warning, 0 wrong, 1 not checked" in done.stdout
    assert [] == keys_in(cloud.store)
    assert cloud.credentials.access_key not in done.stdout
    assert cloud.credentials.secret_key not in done.stdout


def test_json(cloud: Cloud) -> None:
    """In JSON each check has a name, a state, a finding and a fix."""
    done = repaint("doctor", "--bucket", UPLOADS_BUCKET, "--json", cloud=cloud)

    shown = document(done)
    assert (0, True) == (done.returncode, shown["ok"])
    assert EVERYTHING == [check["name"] for check in shown["checks"]]
    assert {("name", "state", "found", "fix")} == {tuple(check) for check in shown["checks"]}


def test_no_upload_bucket(cloud: Cloud) -> None:
    """Without an upload bucket the trigger is not checked."""
    found = examined(cloud, code=0)

    assert "not checked" == found["trigger"]["state"]
    assert "--bucket" in found["trigger"]["fix"]


def test_wrong_settings(cloud: Cloud) -> None:
    """If settings are wrong, nothing else is checked."""
    settings = {"VEIMAGEX_DOMAIN": "", "REPAINT_LEDGER": "somewhere"}
    done = repaint("doctor", cloud=cloud, settings=settings)

    assert 2 == done.returncode
    assert "VEIMAGEX_DOMAIN is not set" in done.stdout
    assert "REPAINT_LEDGER is wrong" in done.stdout
    assert "– service" in done.stdout


def test_wrong_secret_key(cloud: Cloud) -> None:
    """Both services reject a wrong secret key."""
    found = examined(cloud, {"VOLCENGINE_SECRET_KEY": "wrong"}, "--bucket", UPLOADS_BUCKET)

    assert "ok" == found["credentials"]["state"]
    for name in ("state bucket", "service", "upload bucket"):
        assert "SignatureDoesNotMatch" in found[name]["found"]
        assert "VOLCENGINE_SECRET_KEY" in found[name]["fix"]
    assert "not checked" == found["create-only writes"]["state"]
    assert "Needs state bucket, which is wrong." == found["create-only writes"]["found"]


def test_unknown_access_key(cloud: Cloud) -> None:
    """Both services reject an unknown access key."""
    found = examined(cloud, {"VOLCENGINE_ACCESS_KEY": "AKLTNOBODYKNOWSTHISONE"})

    assert "no such access key" in found["state bucket"]["fix"]
    assert "no such access key" in found["service"]["fix"]


def test_no_access_key(cloud: Cloud, tmp_path: Path) -> None:
    """Without an access key, the places are named that it can come from."""
    settings = {
        "VOLCENGINE_ACCESS_KEY": "",
        "VOLCENGINE_SECRET_KEY": "",
        "VOLCENGINE_ECS_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
    }
    found = examined(cloud, settings)

    assert "wrong" == found["credentials"]["state"]
    assert "VOLCENGINE_ACCESS_KEY" in found["credentials"]["fix"]
    assert "ok" == found["object storage"]["state"]
    assert "not checked" == found["service"]["state"]


def test_key_of_role(cloud: Cloud, tmp_path: Path) -> None:
    """The role's file is shown as the source of a temporary key."""
    issued = cloud.keys.issue(temporary=True)
    file = tmp_path / "credential"
    keys = {"access_key_id": issued.access_key, "secret_access_key": issued.secret_key}
    file.write_text(json.dumps({**keys, "session_token": issued.session_token}))

    found = examined(cloud, {"REPAINT_CREDENTIAL_FILE": str(file)}, code=0)

    assert f"temporary, from the role's file {file}" in found["credentials"]["found"]
    assert "ok" == found["create-only writes"]["state"]


def test_closed_port(cloud: Cloud) -> None:
    """A port at which nothing listens is distinguished from silence."""
    with socket.socket() as taken:
        # Bound and not listening: no other process gets it, and connections are refused.
        taken.bind(("127.0.0.1", 0))
        closed = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = examined(cloud, {"TOS_ENDPOINT": closed, "VEIMAGEX_ENDPOINT": closed})

    for name, variable in (("object storage", "TOS_ENDPOINT"), ("veImageX", "VEIMAGEX_ENDPOINT")):
        assert "Nothing listens" in found[name]["found"]
        assert variable in found[name]["fix"]
    assert "not checked" == found["state bucket"]["state"]
    assert "not checked" == found["clock"]["state"]


def test_swapped_endpoints(cloud: Cloud) -> None:
    """An endpoint of another service is recognised."""
    swapped = {"TOS_ENDPOINT": cloud.imagex.address, "VEIMAGEX_ENDPOINT": cloud.tos.address}
    found = examined(cloud, swapped)

    assert "but not as object storage does" in found["object storage"]["found"]
    assert "but not as veImageX does" in found["veImageX"]["found"]


def test_no_tls(cloud: Cloud) -> None:
    """An https endpoint without TLS is recognised."""
    endpoint = cloud.tos.address.replace("http://", "https://")
    found = examined(cloud, {"TOS_ENDPOINT": endpoint})

    assert "No encrypted connection" in found["object storage"]["found"]


def test_missing_resources(cloud: Cloud) -> None:
    """What the settings name and does not exist is reported."""
    presets = [{"prefix": "uploads/", "template": "tplv-y"}]
    settings = {
        "VEIMAGEX_DOMAIN": "img.other",
        "VEIMAGEX_TEMPLATE": "tplv-x.image",
        "REPAINT_PRESETS": json.dumps(presets),
        "REPAINT_LEDGER": "tos://nowhere-at-all/x/",
    }
    found = examined(cloud, settings, "--bucket", "fotos")

    wrong = {name: check["found"] for name, check in found.items() if check["state"] == "wrong"}
    assert {
        "state bucket": "There is no bucket nowhere-at-all in cn-beijing.",
        "domain": f"img.other is not bound to {SERVICE_ID}; bound is {DOMAIN}.",
        "template": f"{SERVICE_ID} has no template tplv-x.image, tplv-y.",
        "upload bucket": "There is no bucket fotos in cn-beijing.",
    } == wrong
    assert all(found[name]["fix"] for name in wrong)
    assert "not checked" == found["trigger"]["state"]


def test_unknown_service(cloud: Cloud) -> None:
    """A service that does not exist is reported."""
    found = examined(cloud, {"VEIMAGEX_SERVICE_ID": "nobodys"})

    assert "There is no service nobodys in cn-north-1" in found["service"]["found"]
    assert "not checked" == found["domain"]["state"]


def test_wrong_regions(cloud: Cloud) -> None:
    """Regions that are not the services' are reported."""
    found = examined(cloud, {"VEIMAGEX_REGION": "ap-southeast-1", "TOS_REGION": "cn-shanghai"})

    assert "VEIMAGEX_REGION" in found["service"]["fix"]
    assert "TOS_REGION" in found["state bucket"]["fix"]


def test_invalid_bucket_name(cloud: Cloud) -> None:
    """A name that no bucket can have is refused."""
    done = repaint("doctor", "--bucket", "My_Bucket", cloud=cloud)

    assert (2, "--bucket 'My_Bucket' cannot name a bucket.\n") == (done.returncode, done.stderr)


def test_template_with_suffix(cloud: Cloud) -> None:
    """A template is found whatever its suffix and parameters are."""
    name = TEMPLATE.partition(".")[0]
    found = examined(cloud, {"VEIMAGEX_TEMPLATE": f"{name}:200:300.png"}, code=0)

    assert "ok" == found["template"]["state"]


def test_disabled_service(cloud: Cloud, tmp_path: Path) -> None:
    """A service or domain that is not in use is a warning."""
    book = imagex.BillingRecords(tmp_path / "book")
    idle = imagex.application(
        book,
        cloud.keys,
        imagex.Faults(imagex.FaultSettings()),
        service_id=SERVICE_ID,
        domain=DOMAIN,
        template=TEMPLATE,
        service_status="禁用",
        domain_status="配置中",
    )
    with Server(idle) as server:
        found = examined(cloud, {"VEIMAGEX_ENDPOINT": server.address}, code=0)
    book.close()

    assert ["warning", "warning"] == [found[name]["state"] for name in ("service", "domain")]
    assert "禁用" in found["service"]["found"]
    assert "配置中" in found["domain"]["found"]


def test_versioned_bucket(cloud: Cloud) -> None:
    """A versioned state bucket is wrong, and nothing is tried there."""
    cloud.store.create_bucket("versioned")
    cloud.store.buckets.set_versioning("versioned", "Enabled")

    found = examined(cloud, {"REPAINT_LEDGER": "tos://versioned/ledger/"})

    assert "wrong" == found["state's versioning"]["state"]
    assert "Enabled" in found["state's versioning"]["found"]
    assert "not checked" == found["create-only writes"]["state"]
    assert [] == keys_in(cloud.store, "versioned")


@pytest.mark.parametrize(
    ("kind", "sentences"),
    [
        (OverwritesAnyway, {"create-only writes": "replaced an object that was there already"}),
        (SwapsAnyway, {"compare-and-swap": "an ETag that no longer held"}),
        (
            ChecksThenWrites,
            {
                "create-only writes": "4 create-only writes at the same moment",
                "compare-and-swap": "4 compare-and-swaps at the same moment",
            },
        ),
    ],
)
def test_careless_store(
    cloud: Cloud, tmp_path: Path, kind: type[ObjectStore], sentences: dict[str, str]
) -> None:
    """A store that does not honour conditions is wrong."""
    with served(store := store_in(tmp_path, kind), cloud.keys) as settings:
        found = examined(cloud, settings)
        left = keys_in(store)

    wrong = {name: check for name, check in found.items() if check["state"] == "wrong"}
    assert list(sentences) == list(wrong)
    for name, sentence in sentences.items():
        assert sentence in wrong[name]["found"]
        assert "one upload could be paid for twice" in wrong[name]["fix"]
    assert [] == left


def test_interruption(cloud: Cloud, tmp_path: Path) -> None:
    """An interrupted doctor leaves nothing behind."""
    with served(store := store_in(tmp_path, WritesSlowly), cloud.keys) as settings:
        doctor = subprocess.Popen(
            [sys.executable, "-m", "ops", "doctor"],
            cwd=ROOT,
            env=environment(cloud, settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not keys_in(store):
            assert doctor.poll() is None
            time.sleep(0.01)
        doctor.send_signal(signal.SIGINT)
        code = doctor.wait(60)
        left = keys_in(store)

    assert 0 != code
    assert [] == left


def test_different_clock(cloud: Cloud, tmp_path: Path) -> None:
    """A clock that differs from a service's is a warning."""
    clock = SetBack()
    clock.back = 30.0
    book = imagex.BillingRecords(tmp_path / "book")
    late = imagex.application(
        book,
        cloud.keys,
        imagex.Faults(imagex.FaultSettings()),
        service_id=SERVICE_ID,
        domain=DOMAIN,
        template=TEMPLATE,
        clock=clock,
    )
    with Server(late) as server:
        found = examined(cloud, {"VEIMAGEX_ENDPOINT": server.address}, code=0)
    book.close()

    assert "warning" == found["clock"]["state"]
    assert "ahead of that of veImageX" in found["clock"]["found"]


def test_mismatching_rule(cloud: Cloud, tmp_path: Path) -> None:
    """A rule that does not match the settings is reported."""
    settings = {
        "REPAINT_LEDGER": f"tos://{UPLOADS_BUCKET}/uploads/state/",
        "REPAINT_PREFIXES": "uploads/,others/",
    }
    with served(store := ObjectStore(tmp_path / "store"), cloud.keys) as where:
        store.buckets.set_rules(UPLOADS_BUCKET, [rule("uploads/", events=("Put",))], "")
        found = examined(cloud, {**where, **settings}, "--bucket", UPLOADS_BUCKET)

    assert "wrong" == found["trigger and state"]["state"]
    assert "covers the ledger's photos/uploads/state/" in found["trigger and state"]["found"]
    assert "CompleteUpload" in found["trigger"]["found"]
    assert "'others/'" in found["trigger and prefixes"]["found"]


def test_outputs_call_function(cloud: Cloud, tmp_path: Path) -> None:
    """Outputs that would call the function again are reported."""
    own = f"tos-cn-i-{SERVICE_ID}"
    with served(store := ObjectStore(tmp_path / "store"), cloud.keys) as where:
        store.create_bucket(own)
        store.buckets.set_rules(own, [rule()], "")
        found = examined(cloud, where, "--bucket", own)

    assert "wrong" == found["trigger and outputs"]["state"]
    assert "repainted again" in found["trigger and outputs"]["found"]


def test_ledger_in_file(cloud: Cloud, tmp_path: Path) -> None:
    """A ledger in a file is tried beside it."""
    folder = tmp_path / "ledger"
    folder.mkdir()
    found = examined(cloud, {"REPAINT_LEDGER": f"sqlite://{folder}/ledger.sqlite"}, code=0)

    assert "ok" == found["state file"]["state"]
    assert found["state file's place"]["state"] in ("ok", "warning")  # a warning below /tmp
    assert [] == list(folder.iterdir())
