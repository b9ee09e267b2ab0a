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
    LooksThenWrites,
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
    "looking for outputs",
    "model",
    "upload bucket",
    "trigger",
    "trigger and prefixes",
    "trigger and outputs",
]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One for all: the doctor changes nothing, which is asserted each time."""
    with Cloud(tmp_path_factory.mktemp("cloud")) as served:
        yield served
        assert [] == keys_in(served.store)


def examined(
    cloud: Cloud,
    settings: Mapping[str, str] | None = None,
    *arguments: str,
    code: int = 1,
) -> dict[str, Any]:
    """Run the doctor; return its findings by name. No secret may be in anything it says."""
    done = repaint("doctor", *arguments, "--json", cloud=cloud, settings=settings)
    assert cloud.credentials.secret_key not in done.stdout + done.stderr
    assert (code, "") == (done.returncode, done.stderr)
    return {check["name"]: check for check in document(done)["checks"]}


def test_where_all_is_well_it_says_so_and_leaves_nothing_behind(cloud: Cloud) -> None:
    done = repaint("doctor", "--bucket", UPLOADS_BUCKET, cloud=cloud)

    assert (0, "") == (done.returncode, done.stderr)
    shown = [line for line in done.stdout.splitlines() if line[:1] in "✓–"]
    assert EVERYTHING == [line[2:27].strip() for line in shown if line]
    assert "20 ok, 0 warning, 0 wrong, 1 not checked" in done.stdout
    assert [] == keys_in(cloud.store)
    assert cloud.credentials.access_key not in done.stdout
    assert cloud.credentials.secret_key not in done.stdout


def test_as_json_each_check_has_a_name_a_state_what_was_found_and_what_to_do(cloud: Cloud) -> None:
    done = repaint("doctor", "--bucket", UPLOADS_BUCKET, "--json", cloud=cloud)

    shown = document(done)
    assert (0, True) == (done.returncode, shown["ok"])
    assert EVERYTHING == [check["name"] for check in shown["checks"]]
    assert {("name", "state", "found", "mend")} == {tuple(check) for check in shown["checks"]}


def test_without_an_upload_bucket_the_trigger_is_not_checked(cloud: Cloud) -> None:
    found = examined(cloud, code=0)

    assert "not checked" == found["trigger"]["state"]
    assert "--bucket" in found["trigger"]["mend"]


def test_settings_that_are_wrong_are_told_and_nothing_else_is_checked(cloud: Cloud) -> None:
    settings = {"VEIMAGEX_DOMAIN": "", "REPAINT_LEDGER": "somewhere"}
    done = repaint("doctor", cloud=cloud, settings=settings)

    assert 2 == done.returncode
    assert "VEIMAGEX_DOMAIN is not set" in done.stdout
    assert "REPAINT_LEDGER is wrong" in done.stdout
    assert "– service" in done.stdout


def test_a_wrong_secret_is_told_by_both_services(cloud: Cloud) -> None:
    found = examined(cloud, {"VOLCENGINE_SECRET_KEY": "wrong"}, "--bucket", UPLOADS_BUCKET)

    assert "ok" == found["credentials"]["state"]
    for name in ("state bucket", "service", "upload bucket"):
        assert "SignatureDoesNotMatch" in found[name]["found"]
        assert "VOLCENGINE_SECRET_KEY" in found[name]["mend"]
    assert "not checked" == found["create-only writes"]["state"]
    assert "Needs state bucket, which is wrong." == found["create-only writes"]["found"]


def test_a_key_that_does_not_exist_is_told(cloud: Cloud) -> None:
    found = examined(cloud, {"VOLCENGINE_ACCESS_KEY": "AKLTNOBODYKNOWSTHISONE"})

    assert "no such access key" in found["state bucket"]["mend"]
    assert "no such access key" in found["service"]["mend"]


def test_without_a_key_it_says_where_one_comes_from(cloud: Cloud, tmp_path: Path) -> None:
    settings = {
        "VOLCENGINE_ACCESS_KEY": "",
        "VOLCENGINE_SECRET_KEY": "",
        "VOLCENGINE_ECS_METADATA_DISABLED": "true",
        "HOME": str(tmp_path),
    }
    found = examined(cloud, settings)

    assert "wrong" == found["credentials"]["state"]
    assert "VOLCENGINE_ACCESS_KEY" in found["credentials"]["mend"]
    assert "ok" == found["object storage"]["state"]
    assert "not checked" == found["service"]["state"]


def test_the_roles_file_is_told_as_the_source_of_a_temporary_key(
    cloud: Cloud, tmp_path: Path
) -> None:
    issued = cloud.keys.issue(temporary=True)
    file = tmp_path / "credential"
    keys = {"access_key_id": issued.access_key, "secret_access_key": issued.secret_key}
    file.write_text(json.dumps({**keys, "session_token": issued.session_token}))

    found = examined(cloud, {"REPAINT_CREDENTIAL_FILE": str(file)}, code=0)

    assert f"temporary, from the role's file {file}" in found["credentials"]["found"]
    assert "ok" == found["create-only writes"]["state"]


def test_a_port_where_nobody_listens_is_told_apart(cloud: Cloud) -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else gets it, and connections are refused.
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = examined(cloud, {"TOS_ENDPOINT": nobody, "VEIMAGEX_ENDPOINT": nobody})

    for name, variable in (("object storage", "TOS_ENDPOINT"), ("veImageX", "VEIMAGEX_ENDPOINT")):
        assert "Nobody listens" in found[name]["found"]
        assert variable in found[name]["mend"]
    assert "not checked" == found["state bucket"]["state"]
    assert "not checked" == found["clock"]["state"]


def test_a_service_that_is_not_the_one_that_was_meant_is_told(cloud: Cloud) -> None:
    swapped = {"TOS_ENDPOINT": cloud.imagex.address, "VEIMAGEX_ENDPOINT": cloud.tos.address}
    found = examined(cloud, swapped)

    assert "not as object storage does" in found["object storage"]["found"]
    assert "not as veImageX does" in found["veImageX"]["found"]


def test_tls_where_none_is_spoken_is_told(cloud: Cloud) -> None:
    endpoint = cloud.tos.address.replace("http://", "https://")
    found = examined(cloud, {"TOS_ENDPOINT": endpoint})

    assert "No encrypted connection" in found["object storage"]["found"]


def test_what_the_settings_name_and_is_not_there_is_told(cloud: Cloud) -> None:
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
    assert all(found[name]["mend"] for name in wrong)
    assert "not checked" == found["trigger"]["state"]


def test_a_service_that_is_not_there_is_told(cloud: Cloud) -> None:
    found = examined(cloud, {"VEIMAGEX_SERVICE_ID": "nobodys"})

    assert "There is no service nobodys in cn-north-1" in found["service"]["found"]
    assert "not checked" == found["domain"]["state"]


def test_regions_that_are_not_the_services_are_told(cloud: Cloud) -> None:
    found = examined(cloud, {"VEIMAGEX_REGION": "ap-southeast-1", "TOS_REGION": "cn-shanghai"})

    assert "VEIMAGEX_REGION" in found["service"]["mend"]
    assert "TOS_REGION" in found["state bucket"]["mend"]


def test_a_name_that_no_bucket_can_have_is_refused(cloud: Cloud) -> None:
    done = repaint("doctor", "--bucket", "My_Bucket", cloud=cloud)

    assert (2, "--bucket 'My_Bucket' cannot name a bucket.\n") == (done.returncode, done.stderr)


def test_a_template_is_found_whatever_its_suffix_and_parameters(cloud: Cloud) -> None:
    name = TEMPLATE.partition(".")[0]
    found = examined(cloud, {"VEIMAGEX_TEMPLATE": f"{name}:200:300.png"}, code=0)

    assert "ok" == found["template"]["state"]


def test_a_service_or_domain_that_is_not_in_use_is_told(cloud: Cloud, tmp_path: Path) -> None:
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


def test_a_versioned_state_bucket_is_wrong_and_nothing_is_tried_there(cloud: Cloud) -> None:
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
            LooksThenWrites,
            {
                "create-only writes": "4 create-only writes at the same moment",
                "compare-and-swap": "4 compare-and-swaps at the same moment",
            },
        ),
    ],
)
def test_a_store_that_does_not_keep_its_conditions_is_wrong(
    cloud: Cloud, tmp_path: Path, kind: type[ObjectStore], sentences: dict[str, str]
) -> None:
    with served(store := store_in(tmp_path, kind), cloud.keys) as settings:
        found = examined(cloud, settings)
        left = keys_in(store)

    wrong = {name: check for name, check in found.items() if check["state"] == "wrong"}
    assert list(sentences) == list(wrong)
    for name, sentence in sentences.items():
        assert sentence in wrong[name]["found"]
        assert "one upload could be paid for twice" in wrong[name]["mend"]
    assert [] == left


def test_an_interrupted_doctor_leaves_nothing_behind(cloud: Cloud, tmp_path: Path) -> None:
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


def test_a_service_whose_clock_is_another_is_told(cloud: Cloud, tmp_path: Path) -> None:
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


def test_a_rule_that_does_not_go_with_the_settings_is_told(cloud: Cloud, tmp_path: Path) -> None:
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


def test_outputs_that_would_call_the_function_again_are_told(cloud: Cloud, tmp_path: Path) -> None:
    own = f"tos-cn-i-{SERVICE_ID}"
    with served(store := ObjectStore(tmp_path / "store"), cloud.keys) as where:
        store.create_bucket(own)
        store.buckets.set_rules(own, [rule()], "")
        found = examined(cloud, where, "--bucket", own)

    assert "wrong" == found["trigger and outputs"]["state"]
    assert "repainted again" in found["trigger and outputs"]["found"]


def test_without_a_ledger_each_upload_bucket_is_tried(cloud: Cloud) -> None:
    cloud.store.create_bucket("other-photos")
    buckets = ("--bucket", UPLOADS_BUCKET, "--bucket", "other-photos")
    found = examined(cloud, {"REPAINT_LEDGER": ""}, *buckets, code=0)

    assert "warning" == found["REPAINT_LEDGER"]["state"]
    for bucket in (UPLOADS_BUCKET, "other-photos"):
        assert "ok" == found[f"create-only writes of {bucket}"]["state"]
        assert f"tos://{bucket}/.repaint/" in found[f"state bucket of {bucket}"]["found"]
    assert [[], []] == [keys_in(cloud.store, b) for b in (UPLOADS_BUCKET, "other-photos")]


def test_a_ledger_in_a_file_is_tried_beside_it(cloud: Cloud, tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    found = examined(cloud, {"REPAINT_LEDGER": f"sqlite://{folder}/ledger.sqlite"}, code=0)

    assert "ok" == found["state file"]["state"]
    assert found["state file's place"]["state"] in ("ok", "warning")  # a warning below /tmp
    assert [] == list(folder.iterdir())
