"""`repaint deploy`, `rollback` and `remove` as commands: what they show, ask and end with."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local.cloud import UPLOADS_BUCKET
from ops.ui.output import Exit
from tests.ops.command import document, environment, repaint
from tests.ops.deployment.deploying import EXPORTED, World, deploying, small_project
from tests.ops.deployment.fake_platform import others

TOKEN = EXPORTED["REPAINT_HTTP_TOKENS"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with deploying(tmp_path, small_project) as world:
        yield world


def test_a_dry_run_shows_the_plan_and_does_nothing(world: World) -> None:
    first = world.repaint("deploy", "--dry-run")
    second = world.repaint("deploy", "--dry-run")

    assert Exit.DONE == first.returncode
    assert first.stdout == second.stdout
    assert first.stdout.startswith("create   function repaint-dev-upload\n")
    assert "         timeout                            180\n" in first.stdout
    assert first.stdout.endswith("4 to create, 3 to release, 1 to change\n")


def test_no_secret_is_shown_or_logged_and_one_that_changed_is_told_so(world: World) -> None:
    done = world.repaint("deploy", "--yes", "--function", "http")
    changed = world.repaint("deploy", "--yes", "--function", "http", REPAINT_HTTP_TOKENS="another-")

    said = done.stdout + done.stderr + changed.stdout + changed.stderr
    assert (False, False) == (TOKEN in said, "another-" in said)
    assert "environment.REPAINT_HTTP_TOKENS    •••\n" in done.stdout
    assert "environment.REPAINT_HTTP_TOKENS    ••• changed\n" in changed.stdout


def test_each_step_is_told_as_it_is_done(world: World) -> None:
    done = world.repaint("deploy", "--yes", "--function", "upload")

    assert [
        "packing upload",
        "create   function repaint-dev-upload done",
        "repaint-dev-upload: Function release is in progress",
        "release  function repaint-dev-upload done",
        "change   rules of bucket photos done",
    ] == done.stderr.splitlines()
    assert done.stdout.endswith("\nDeployed.\n")


def test_what_an_instance_repeats_of_its_secrets_is_not_shown(world: World) -> None:
    failing = "import os\n\nraise RuntimeError(os.environ['REPAINT_HTTP_TOKENS'])\n"
    (world.folder / "functions" / "http" / "index.py").write_text(failing)

    failed = world.repaint("deploy", "--yes", "--function", "http")

    assert Exit.NEEDS_YOU == failed.returncode
    assert "RuntimeError: •••" in failed.stderr
    assert TOKEN not in failed.stderr + failed.stdout


def test_nothing_is_done_unless_it_was_confirmed(world: World) -> None:
    asked = world.repaint("deploy")

    assert Exit.NOT_CONFIRMED == asked.returncode
    assert "Deploy: 4 to create, 3 to release, 1 to change? There is no terminal" in asked.stderr
    assert [] == list(world.cloud.control_plane.platform.states)


def test_a_release_that_fails_is_told_with_the_instances_log_and_the_old_one_runs_on(
    world: World,
) -> None:
    world.repaint("deploy", "--yes", "--function", "upload")
    (world.folder / "functions" / "upload" / "index.py").write_text("import nothing_of_that_name\n")

    failed = world.repaint("deploy", "--yes", "--function", "upload")

    assert Exit.NEEDS_YOU == failed.returncode
    assert "The release of repaint-dev-upload failed:" in failed.stderr
    assert "No module named 'nothing_of_that_name'" in failed.stderr
    assert [("repaint-dev-upload", 1)] == [
        (state.name, state.instances) for state in world.cloud.control_plane.platform.states
    ]


def test_one_that_was_stopped_by_ctrl_c_is_gone_on_with_by_the_next_run(world: World) -> None:
    world.cloud.control_plane.settings = replace(
        world.cloud.control_plane.settings, release_seconds=10.0
    )
    with subprocess.Popen(
        [sys.executable, "-m", "ops", "deploy", "--yes", "--function", "upload"],
        cwd=world.folder,
        env=world.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as stopped:
        assert stopped.stderr is not None
        for line in stopped.stderr:
            if "release is in progress" in line:
                stopped.send_signal(signal.SIGINT)
                break
        said = stopped.stderr.read()
    again = world.repaint("deploy", "--yes", "--function", "upload")

    assert 130 == stopped.returncode
    # A line that is being written just then may come twice.
    assert said.endswith(
        "Interrupted. Finished steps are kept: run the same command to continue.\n"
    )
    assert "repaint-dev-upload is being released already: waiting for that\n" in again.stderr
    assert again.stdout.startswith("change   rules of bucket photos\n")


def test_what_the_platform_does_not_release_is_tried_again_by_the_next_run(world: World) -> None:
    settings = world.cloud.control_plane.settings
    world.cloud.control_plane.settings = replace(
        settings, failures={"*": "no room for an instance"}
    )
    failed = world.repaint("deploy", "--yes", "--function", "upload")
    world.cloud.control_plane.settings = settings
    again = world.repaint("deploy", "--yes", "--json", "--function", "upload")

    assert "no room for an instance" in failed.stderr
    assert ["release function repaint-dev-upload", "change rules of bucket photos"] == [
        f"{step['action']} {step['what']}" for step in document(again)["steps"]
    ]


def test_a_rule_of_others_in_the_way_is_told_before_anything_is_done(world: World) -> None:
    rule = {**others(prefix="uploads/"), "Destination": {"VeFaaS": [{"FunctionId": "x"}]}}
    world.cloud.store.buckets.set_rules(UPLOADS_BUCKET, [rule], None)

    done = world.repaint("deploy", "--yes")

    assert Exit.WRONG == done.returncode
    assert "problem  The rule theirs (uploads/* → x) of photos is not Repaint's" in done.stdout
    assert [] == list(world.cloud.control_plane.platform.states)


def test_another_stage_is_another_deployment(world: World) -> None:
    world.repaint("deploy", "--yes", "--function", "http")

    other = world.repaint("deploy", "--dry-run", "--function", "http", "--stage", "prod")

    assert other.stdout.startswith("create   function repaint-prod-http\n")


def test_a_function_that_the_file_has_no_more_is_told_of_and_can_be_removed(world: World) -> None:
    world.repaint("deploy", "--yes", "--function", "http")
    path = world.folder / "serverless.yml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("  http:\n    handler", "  web:\n    handler"), "utf-8")

    told = world.repaint("deploy", "--dry-run", "--function", "web")
    removed = world.repaint("remove", "--yes", "--function", "repaint-dev-http")

    assert "'repaint remove --function repaint-dev-http --stage dev' removes it" in told.stdout
    assert "remove   function repaint-dev-http\n" in removed.stdout
    assert [] == list(world.cloud.control_plane.platform.states)


def test_removing_everything_removes_also_what_the_file_has_no_more(world: World) -> None:
    world.repaint("deploy", "--yes", "--function", "http")
    path = world.folder / "serverless.yml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("  http:\n    handler", "  web:\n    handler"), "utf-8")

    removed = world.repaint("remove", "--yes")

    assert "remove   function repaint-dev-http\n" in removed.stdout


def test_removing_and_rolling_back_need_none_of_the_functions_settings(world: World) -> None:
    world.repaint("deploy", "--yes", "--function", "http")
    # Only what leads to the cloud, and the key.
    kept = {k: v for k, v in environment(world.cloud).items() if not k.startswith("VEIMAGEX")}

    rolled = repaint("rollback", "--yes", folder=world.folder, settings=kept)
    removed = repaint("remove", "--yes", folder=world.folder, settings=kept)

    assert (Exit.NEEDS_YOU, Exit.DONE) == (rolled.returncode, removed.returncode)
    assert "repaint-dev-http has no revision that was released before 1." in rolled.stderr


def test_the_local_cloud_that_is_running_is_found(world: World) -> None:
    served = world.folder / ".repaint" / "cloud"
    served.mkdir()
    (served / "settings.json").write_text(json.dumps(world.cloud.settings), "utf-8")
    keys = world.cloud.credentials
    key = {"access_key": keys.access_key, "secret_key": keys.secret_key}
    (served / "credentials.json").write_text(json.dumps(key), "utf-8")

    done = repaint(
        "--local", "deploy", "--yes", "--function", "http", folder=world.folder, settings=EXPORTED
    )

    assert Exit.DONE == done.returncode, done.stderr
    assert ["repaint-dev-http"] == [
        state.name for state in world.cloud.control_plane.platform.states
    ]


def test_rolling_back_again_goes_back_further(world: World) -> None:
    for seconds in (181, 182, 183):
        world.edit(f"timeout: {seconds - 1}", f"timeout: {seconds}")
        world.repaint("deploy", "--yes", "--function", "upload")

    back = [world.repaint("rollback", "--yes", "--function", "upload") for _ in range(3)]

    shown = [[line for line in done.stdout.splitlines() if "timeout" in line] for done in back]
    assert [
        ["         timeout                            183 → 182"],
        ["         timeout                            182 → 181"],
        [],
    ] == shown
    assert [Exit.DONE, Exit.DONE, Exit.NEEDS_YOU] == [done.returncode for done in back]


def test_what_was_never_deployed_cannot_be_rolled_back(world: World) -> None:
    done = world.repaint("rollback", "--yes", "--function", "upload")

    assert (Exit.NEEDS_YOU, "repaint-dev-upload is not deployed.\n") == (
        done.returncode,
        done.stderr,
    )


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("deploy", "serverless.yml has no function 'uplaod': it has upload, http, sweep."),
        ("rollback", "serverless.yml has no function 'uplaod': it has upload, http, sweep."),
        ("remove", "uplaod is neither in serverless.yml nor deployed."),
    ],
)
def test_a_function_that_nobody_knows_is_told(world: World, command: str, sentence: str) -> None:
    done = world.repaint(command, "--yes", "--function", "uplaod")

    assert (Exit.WRONG, f"{sentence}\n") == (done.returncode, done.stderr)


def test_an_address_that_is_none_is_told(world: World) -> None:
    done = world.repaint("remove", "--dry-run", VEFAAS_ENDPOINT="ftp://nowhere")

    assert (Exit.WRONG, True) == (done.returncode, "VEFAAS_ENDPOINT is invalid" in done.stderr)


@pytest.mark.parametrize("command", ["deploy", "remove", "rollback"])
def test_help_shows_an_example(command: str) -> None:
    done = repaint(command, "--help")

    assert (0, True) == (done.returncode, f"Example: repaint {command} " in done.stdout)
