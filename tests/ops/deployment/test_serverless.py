"""What serverless.yml comes to, for programs and on the screen."""

from pathlib import Path

import pytest

from ops.deployment.serverless_yml import (
    HttpEvent,
    Logs,
    ScheduleEvent,
    ServerlessError,
    TosEvent,
    load,
)
from ops.deployment.serverless_yml.schedule import as_crontab
from ops.deployment.serverless_yml.service import rule_id, timer_name
from ops.ui.output import Refused
from tests.ops.command import ROOT, document, repaint
from tests.ops.deployment.serverless_file import EXPORTED, changed, read, with_setting


def test_the_projects_own_file_has_three_functions_and_what_calls_them() -> None:
    service = load(ROOT / "serverless.yml", environment=EXPORTED, stage=None)

    assert [
        ("repaint-dev-upload", (TosEvent("photos", ("tos:ObjectCreated:*",), "uploads/"),)),
        ("repaint-dev-http", (HttpEvent(),)),
        ("repaint-dev-sweep", (ScheduleEvent("*/1 * * * *"),)),
    ] == [(function.deployed_name, function.events) for function in service.functions]
    assert {"python3.12/v1"} == {function.runtime for function in service.functions}


def test_what_a_function_does_not_say_is_the_providers_and_else_the_default(
    tmp_path: Path,
) -> None:
    text = changed("  name: volcengine", "  name: volcengine\n  memorySize: 1024\n  timeout: 200")
    text = text.replace("    events:", "    timeout: 300\n    events:")

    upload = read(tmp_path, text).function("upload")

    assert (1024, 300, 10) == (upload.memory_mb, upload.timeout_seconds, upload.max_concurrency)


def test_a_functions_environment_goes_over_the_providers(tmp_path: Path) -> None:
    text = changed(
        "    events:", "    environment:\n      VEIMAGEX_DOMAIN: other.example.com\n    events:"
    )

    environment = read(tmp_path, text).function("upload").environment

    assert ("svc", "other.example.com") == (
        environment["VEIMAGEX_SERVICE_ID"],
        environment["VEIMAGEX_DOMAIN"],
    )


def test_without_settings_the_rest_is_read_and_nothing_of_them_is_asked_for(
    tmp_path: Path,
) -> None:
    text = changed("VEIMAGEX_DOMAIN: img.example.com", "TOO_BAD: ${env:NOT_EXPORTED}")
    with_bucket = text.replace("bucket: photos", "bucket: ${env:BUCKET}")

    service = read(tmp_path, with_bucket, environment={"BUCKET": "pictures"}, with_settings=False)

    (function,) = service.functions
    assert ({}, "pictures") == (function.environment, getattr(function.events[0], "bucket", None))


def test_without_settings_what_is_wrong_elsewhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(ServerlessError, match="NOT_EXPORTED is not set"):
        read(
            tmp_path, changed("bucket: photos", "bucket: ${env:NOT_EXPORTED}"), with_settings=False
        )


def test_settings_keep_the_spelling_they_have_in_the_file(tmp_path: Path) -> None:
    text = changed(
        "    events:",
        "    environment: {A: 1.50, B: on, C: 0755, D: true, E: 1:30, F: 12, G: '12'}\n    events:",
    )

    environment = read(tmp_path, text).function("upload").environment

    assert ["1.50", "on", "0755", "true", "1:30", "12", "12"] == [
        environment[name] for name in "ABCDEFG"
    ]


def test_the_paths_of_functions_begin_at_the_files_folder(tmp_path: Path) -> None:
    service = read(tmp_path)

    assert tmp_path == service.root
    assert Path("functions/upload") == service.function("upload").folder


def test_each_suffix_is_a_rule_of_its_own(tmp_path: Path) -> None:
    text = changed(
        "prefix: uploads/", "suffix: [.jpg, .png]\n          events: tos:ObjectCreated:Put"
    )

    events = read(tmp_path, text).function("upload").events

    assert (
        TosEvent("photos", ("tos:ObjectCreated:Put",), "", ".jpg"),
        TosEvent("photos", ("tos:ObjectCreated:Put",), "", ".png"),
    ) == events


def test_role_and_log_topic_are_every_functions(tmp_path: Path) -> None:
    role = "trn:iam::2100000000:role/repaint"
    text = changed(
        "  environment:",
        f"  iam: {{role: '{role}'}}\n  logs: {{project: p, topic: t}}\n  environment:",
    )

    upload = read(tmp_path, text).function("upload")

    assert (role, Logs("p", "t")) == (upload.role, upload.logs)


@pytest.mark.parametrize(
    ("stage_line", "option", "stage"),
    [
        ("", None, "dev"),
        ("  stage: test\n", None, "test"),
        ("  stage: test\n", "prod", "prod"),
        ("  stage: ${opt:stage, 'dev'}\n", "prod", "prod"),
        ("  stage: ${env:STAGE}\n", None, "beta"),
    ],
)
def test_the_stage_is_the_options_then_the_files_then_dev(
    tmp_path: Path, stage_line: str, option: str | None, stage: str
) -> None:
    text = changed("  environment:", f"{stage_line}  environment:")

    service = read(tmp_path, text, environment={"STAGE": "beta"}, stage=option)

    assert (stage, f"shop-{stage}-upload") == (service.stage, service.functions[0].deployed_name)


def test_a_stage_that_cannot_be_part_of_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="--stage 'a b' is invalid: write letters"):
        read(tmp_path, stage="a b")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"There is no .*serverless\.yml"):
        load(tmp_path / "serverless.yml", environment={}, stage=None)


def test_a_function_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="has no function 'uplaod': it has upload"):
        read(tmp_path).function("uplaod")


def test_the_id_of_a_rule_goes_by_what_it_says(tmp_path: Path) -> None:
    upload = read(tmp_path).function("upload")
    one, same, other = (
        TosEvent("photos", events, "a/") for events in (("x", "y"), ("y", "x"), ("x",))
    )

    assert rule_id(upload, one) == rule_id(upload, same)
    assert rule_id(upload, one) != rule_id(upload, other)
    assert rule_id(upload, one).startswith("shop-dev-upload-")


def test_the_name_of_a_timer_goes_by_its_schedule_and_not_by_whether_it_rests(
    tmp_path: Path,
) -> None:
    upload = read(tmp_path).function("upload")
    each_minute = timer_name(upload, ScheduleEvent("*/1 * * * *"))

    assert each_minute == timer_name(upload, ScheduleEvent("*/1 * * * *", enabled=False))
    assert each_minute != timer_name(upload, ScheduleEvent("*/2 * * * *"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("rate(1 minute)", "*/1 * * * *"),
        ("rate(15 minutes)", "*/15 * * * *"),
        ("rate(60 minutes)", "0 * * * *"),
        ("rate(6 hours)", "0 */6 * * *"),
        ("rate(24 hours)", "0 0 * * *"),
        ("rate(1 day)", "0 0 * * *"),
        ("cron(0 3 * * 1-5)", "0 3 * * 1-5"),
        ("*/5  *  * * *", "*/5 * * * *"),
    ],
)
def test_a_schedule_is_a_crontab_line(written: str, meant: str) -> None:
    assert meant == as_crontab(written)


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("rate(7 minutes)", "divides 60"),
        ("rate(0 minutes)", "divides 60"),
        ("rate(5 hours)", "divides 24"),
        ("rate(2 days)", "divides 1,"),
        ("cron(0 3 * * ? *)", "the five fields"),
        ("61 * * * *", "the five fields"),
        ("0 0 30 2 *", "the five fields"),
        ("often", "the five fields"),
    ],
)
def test_a_schedule_that_a_crontab_line_cannot_say_is_refused(written: str, instead: str) -> None:
    with pytest.raises(ValueError, match=instead):
        as_crontab(written)


def test_secrets_are_shown_by_no_means(tmp_path: Path) -> None:
    text = with_setting("REPAINT_HTTP_TOKENS: ${env:TOKEN}").replace(
        "  environment:", "  secrets: [MINE]\n  environment:\n    MINE: ${env:MINE}", 1
    )

    upload = read(
        tmp_path, text, environment={"TOKEN": "hunter2hunter2", "MINE": "swordfish"}
    ).function("upload")

    assert ("•••", "•••") == (upload.shown()["REPAINT_HTTP_TOKENS"], upload.shown()["MINE"])
    assert "hunter2" not in repr(upload)
    assert "swordfish" not in repr(upload)


def test_an_address_is_shown_without_what_gives_power(tmp_path: Path) -> None:
    text = with_setting("REPORT_TO: https://me:pass@example.com/?signature=abc")

    shown = read(tmp_path, text).function("upload").shown()

    assert "https://•••@example.com/?signature=•••" == shown["REPORT_TO"]


def test_print_shows_every_value_and_no_secret() -> None:
    shown = repaint("print", "--stage", "prod", settings=EXPORTED)
    as_json = repaint("print", "--stage", "prod", "--json", settings=EXPORTED)

    assert [(0, ""), (0, "")] == [(done.returncode, done.stderr) for done in (shown, as_json)]
    http = document(as_json)["functions"]["http"]
    assert ("repaint-prod-http", "•••") == (
        http["name"],
        http["environment"]["REPAINT_HTTP_TOKENS"],
    )
    assert "name: repaint-prod-http" in shown.stdout
    assert EXPORTED["REPAINT_HTTP_TOKENS"] not in shown.stdout + as_json.stdout


def test_print_tells_every_mistake_with_its_line() -> None:
    done = repaint("print", settings={**EXPORTED, "VEIMAGEX_DOMAIN": "", "REPAINT_ROLE": "me"})

    lines = (ROOT / "serverless.yml").read_text("utf-8").splitlines()
    told = [line.split(":")[:2] for line in done.stderr.splitlines()]
    assert (2, "") == (done.returncode, done.stdout)
    assert [("serverless.yml", "role:"), ("serverless.yml", "VEIMAGEX_DOMAIN:")] == [
        (file, lines[int(number) - 1].split()[0]) for file, number in told
    ]


def test_print_reads_the_local_clouds_settings_where_it_is_asked_to(tmp_path: Path) -> None:
    done = repaint("--local", "print", "-c", str(ROOT / "serverless.yml"), folder=tmp_path)

    assert 2 == done.returncode
    assert "make local" in done.stderr
