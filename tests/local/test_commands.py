"""The commands, run as a user runs them."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
import volcenginesdkvefaas as sdk
from PIL import Image

from local.keys import load_or_create_credentials
from tests.local.vefaas.plane_world import ECHO, code, operator

ROOT = Path(__file__).parents[2]
EVENT = ROOT / "examples" / "events" / "upload.json"


PORTS = [
    *("--tos-port", "0", "--imagex-port", "0", "--gateway-port", "0"),
    *("--console-port", "0", "--vefaas-port", "0"),
]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "local", *arguments]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VOLCENGINE", "REPAINT"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def run(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(**more),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith('{"timestamp"')]


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Path]:
    """Keep the local cloud running in a folder; what it tells at first is in told.txt there."""
    with subprocess.Popen(
        command("serve", *PORTS, *options),
        cwd=folder,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        with (folder / "told.txt").open("w") as told:
            for line in process.stdout:
                told.write(line)
                if "Ctrl-C" in line:
                    break
        yield folder
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert (0, True) == (process.returncode, rest.endswith("stopping\n"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Path]:
    """A folder in which the local cloud is kept running."""
    with serving(tmp_path) as folder:
        yield folder


def test_run_shows_the_log_and_ends_with_the_record_the_uris_and_a_picture(tmp_path: Path) -> None:
    done = run(tmp_path, "run")

    assert done.returncode == 0, done.stderr
    events = [line["event"] for line in lines(done.stdout)]
    assert ["upload.claimed", "attempt.sent", "image.generated", "delivery.finished"] == events
    (made,) = [line for line in lines(done.stdout) if line["event"] == "image.generated"]
    for shown in (made["record"], *made["store_uris"], *made["image_urls"]):
        assert shown in done.stderr
    assert ".repaint/run/before-after.png" in done.stderr
    with Image.open(tmp_path / ".repaint" / "run" / "before-after.png") as picture:
        assert picture.width > 2 * 451


def test_run_takes_any_prompt_as_it_is(tmp_path: Path) -> None:
    done = run(tmp_path, "run", "--prompt", "[/x] red/blue 100% sky")

    assert done.returncode == 0, done.stderr
    assert "x-tos-meta-prompt: [/x] red/blue 100% sky" in done.stderr


def test_invoke_takes_an_event_that_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text("[]", "utf-8")
    done = run(tmp_path, "invoke", "event.json")

    (result,) = json.loads(json.loads(done.stdout)["body"])["results"]
    assert "not a JSON object" in result["reason"]


def test_run_ends_with_an_error_where_nothing_is_generated(tmp_path: Path) -> None:
    done = run(tmp_path, "run", "--prompt", "[refuse]")

    assert done.returncode == 1
    assert "not generated" in done.stderr
    (finished,) = [line for line in lines(done.stdout) if line["event"] == "delivery.finished"]
    assert finished["reason"] in " ".join(done.stderr.split())


def test_invoke_runs_the_example_event_on_a_cloud_of_its_own(tmp_path: Path) -> None:
    done = run(tmp_path, "invoke", str(EVENT))

    assert done.returncode == 0, done.stderr
    (result,) = json.loads(json.loads(done.stdout)["body"])["results"]
    assert ("generated", "uploads/chelsea.png") == (result["status"], result["key"])
    assert [line["event"] for line in lines(done.stderr)][-1] == "delivery.finished"


def test_invoke_takes_a_bucket_and_a_key(tmp_path: Path) -> None:
    done = run(tmp_path, "invoke", "--bucket", "photos", "--key", "uploads/nothing.png")

    (result,) = json.loads(json.loads(done.stdout)["body"])["results"]
    assert result["status"] == "skipped"


def test_serve_tells_before_anything_else_where_its_console_is(served: Path) -> None:
    first = (served / "told.txt").read_text("utf-8").splitlines()[0]
    address = first.split()[1]

    assert f"open {address} in a browser" in first
    assert b"<!doctype html>" in urllib3.request("GET", address).data


def test_invoke_uses_the_local_cloud_that_is_running(served: Path) -> None:
    statuses = []
    for _ in range(2):
        done = run(served, "invoke", str(EVENT))
        assert done.returncode == 0, done.stderr
        (result,) = json.loads(json.loads(done.stdout)["body"])["results"]
        statuses.append(result["status"])

    # The second one meets what the first one left: it was the same cloud.
    assert statuses == ["generated", "duplicate"]


def test_upload_puts_a_picture_into_the_local_cloud_that_is_running(served: Path) -> None:
    picture = ROOT / "examples" / "images" / "coffee.png"
    done = run(served, "upload", str(picture), "--prompt", "油画 100%")
    # While the function is at it, another delivery ends as an error: the platform comes back.
    for _ in range(20):
        seen = run(served, "invoke", "--bucket", "photos", "--key", "uploads/coffee.png")
        if seen.returncode == 0:
            break

    assert done.stdout == "uploaded uploads/coffee.png\n"
    (result,) = json.loads(json.loads(seen.stdout)["body"])["results"]
    assert result["status"] == "duplicate"


def test_upload_says_what_to_do_where_no_cloud_is_running(tmp_path: Path) -> None:
    done = run(
        tmp_path, "upload", str(ROOT / "examples" / "images" / "coffee.png"), "--prompt", "x"
    )

    assert done.returncode == 1
    assert "make local" in done.stderr


def test_invoke_uses_the_settings_of_the_environment_where_it_has_an_access_key(
    tmp_path: Path,
) -> None:
    done = run(
        tmp_path,
        "invoke",
        str(EVENT),
        VOLCENGINE_ACCESS_KEY="AKLTNOWHERE",
        VOLCENGINE_SECRET_KEY="hush",
        REPAINT_LEDGER="tos://repaint-state/ledger/",
        TOS_ENDPOINT="http://127.0.0.1:1",
        VEIMAGEX_SERVICE_ID="s",
        VEIMAGEX_DOMAIN="d",
        VEIMAGEX_TEMPLATE="t",
    )

    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["type"] == "DeliveryIncomplete"
    assert "hush" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["invoke"], "Name either an event file, or --bucket and --key."),
        (["invoke", "--bucket", "photos"], "Name either"),
        (["invoke", "nowhere.json"], "nowhere.json cannot be read as JSON"),
        (["invoke", str(EVENT), "--function", "nothing"], "There is no function 'nothing'"),
        (["run", "--picture", "nowhere.png"], "does not exist"),
    ],
)
def test_a_wrong_call_is_told_in_a_sentence(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = run(tmp_path, *arguments)

    assert done.returncode == 2
    assert sentence in done.stderr


def test_serve_says_what_to_do_where_its_port_is_taken(served: Path, tmp_path: Path) -> None:
    settings = json.loads((served / ".repaint" / "cloud" / "settings.json").read_text("utf-8"))
    port = settings["TOS_ENDPOINT"].rpartition(":")[2]
    (tmp_path / "other").mkdir()
    done = run(tmp_path / "other", "serve", *PORTS, "--tos-port", port)

    assert done.returncode == 1
    assert "choose other ports with --tos-port" in done.stderr


def test_serve_says_what_to_do_where_another_one_has_its_folder(served: Path) -> None:
    done = run(served, "serve", *PORTS)

    assert done.returncode == 1
    assert "stop the other local cloud that runs on this folder" in done.stderr


@pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")
def test_serve_bare_runs_what_is_deployed_there_and_nothing_else_does(tmp_path: Path) -> None:
    with serving(tmp_path, "--bare"):
        state = tmp_path / ".repaint" / "cloud"
        address = json.loads((state / "settings.json").read_text("utf-8"))["VEFAAS_ENDPOINT"]
        with operator(address, load_or_create_credentials(state / "credentials.json")) as op:
            assert 0 == op.api.list_functions(sdk.ListFunctionsRequest()).total
            op.deploy("paint-one", code(ECHO))
        told = (tmp_path / "told.txt").read_text("utf-8")
    done = run(tmp_path, "serve", *PORTS)

    assert address in told
    assert "yours to deploy" in told
    assert 1 == done.returncode
    assert "start a bare cloud there" in done.stderr
