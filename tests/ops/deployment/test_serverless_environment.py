"""The functions' environment is held against their own settings, before they are deployed."""

from pathlib import Path

import pytest

from ops.deployment.serverless_yml.service import is_secret
from tests.ops.deployment.serverless_file import (
    HERE,
    RIGHT,
    changed,
    line_of_mark,
    mistakes,
    read,
    with_setting,
)

SWEEP = (
    "  sweep:\n    handler: functions/sweep/index.handler\n    events: [{schedule: rate(1 hour)}]\n"
)
TOKEN = "hunter2-hunter2"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            with_setting(f"REPAINT_MAX_QPS: fast {HERE}"),
            "REPAINT_MAX_QPS is wrong: input should be a valid number, unable to parse string as a "
            "number; fix it here or where it is exported.",
            id="a wrong setting",
        ),
        pytest.param(
            changed("    VEIMAGEX_DOMAIN: img.example.com\n", "").replace(
                "  environment:", f"  environment: {HERE}"
            ),
            "VEIMAGEX_DOMAIN is not set: it is a domain bound to that service; "
            "write VEIMAGEX_DOMAIN: ${env:VEIMAGEX_DOMAIN} below environment:.",
            id="a setting that is missing everywhere",
        ),
        pytest.param(
            RIGHT + SWEEP + f"    environment:\n      REPAINT_LOG_LEVEL: loud {HERE}\n",
            "REPAINT_LOG_LEVEL is wrong: input should be 'debug', 'info', 'warning' or 'error'; "
            "fix it here or where it is exported.",
            id="a wrong setting of one function",
        ),
        pytest.param(
            with_setting(f"REPAINT_DAILY_CUP: 100 {HERE}"),
            "REPAINT_DAILY_CUP is not a setting; did you mean REPAINT_DAILY_CAP?",
            id="a setting with a slip",
        ),
        pytest.param(
            with_setting(f"VEIMAGEX_MOOD: calm {HERE}"),
            "VEIMAGEX_MOOD is not a setting; see the README for all settings.",
            id="a setting that nothing is like",
        ),
        pytest.param(
            with_setting(f"_FAAS_FUNC_TIMEOUT: 10 {HERE}"),
            "_FAAS_FUNC_TIMEOUT is set by the platform; remove it.",
            id="a variable of the platform",
        ),
        pytest.param(
            changed("tos://shop-state/ledger/", f"sqlite:///tmp/ledger {HERE}"),
            "REPAINT_LEDGER is a file, and the functions' instances share no disk; "
            "write tos://<bucket>/ledger/.",
            id="a ledger on a disk",
        ),
        pytest.param(
            changed("    REPAINT_LEDGER: tos://shop-state/ledger/\n", "").replace(
                "  environment:", f"  environment: {HERE}"
            ),
            "REPAINT_LEDGER is not set: it is the place of the records, the same for every "
            "function, such as tos://my-state-bucket/ledger/; "
            "write REPAINT_LEDGER: ${env:REPAINT_LEDGER} below environment:.",
            id="no ledger",
        ),
        pytest.param(
            changed("  environment:", f"  environment: {HERE}")
            + SWEEP
            + "    environment: {REPAINT_LEDGER: 'tos://others/ledger/'}\n",
            "REPAINT_LEDGER is not the same for every function: one would not find what another "
            "parks; set it once, here.",
            id="two ledgers",
        ),
        pytest.param(
            changed("tos://shop-state/ledger/", "tos://photos/uploads/ledger/").replace(
                "    events:", f"    events: {HERE}"
            ),
            "photos/uploads/* includes the records in tos://photos/uploads/ledger/: each record "
            "that is written would call upload again; "
            "choose a prefix such as uploads/, or a REPAINT_LEDGER in another bucket.",
            id="a ledger among the uploads",
        ),
        pytest.param(
            changed("tos://shop-state/ledger/", "tos://photos/.repaint/")
            .replace("          prefix: uploads/\n", "")
            .replace("    events:", f"    events: {HERE}"),
            "photos/* includes the records in tos://photos/.repaint/: each record that is written "
            "would call upload again; "
            "choose a prefix such as uploads/, or a REPAINT_LEDGER in another bucket.",
            id="uploads all around the ledger",
        ),
        pytest.param(
            changed("name: volcengine", "name: volcengine\n  region: cn-shanghai")
            + SWEEP.replace("sweep:", f"sweep: {HERE}"),
            "TOS_REGION is not set, and no tos event gives sweep the region; "
            "write TOS_REGION: ${self:provider.region} below environment: in provider:.",
            id="a sweep that would look in another region",
        ),
        pytest.param(
            changed("    events:", f"    timeout: 30 {HERE}\n    events:"),
            "an invocation of upload has 30 seconds, and one generation may take 37: none would "
            "start; set a timeout of more than 37.",
            id="a timeout in which nothing can be begun",
        ),
        pytest.param(
            with_setting("VEIMAGEX_TIMEOUT_SECONDS: 60").replace(
                "  name:", f"  timeout: 50 {HERE}\n  name:"
            ),
            "an invocation of upload has 50 seconds, and one generation may take 62: none would "
            "start; set a timeout of more than 62.",
            id="a timeout for all in which nothing can be begun",
        ),
        pytest.param(
            with_setting(f"REPAINT_DEADLINE_SECONDS: 200 {HERE}"),
            "REPAINT_DEADLINE_SECONDS is more than the 120 seconds of upload's timeout; "
            "remove it: the functions know their timeout.",
            id="a deadline beyond the timeout",
        ),
        pytest.param(
            with_setting(f"REPAINT_DEADLINE_SECONDS: 20 {HERE}"),
            "an invocation of upload has 20 seconds, and one generation may take 37: none would "
            "start; remove it: the functions know their timeout.",
            id="a deadline in which nothing can be begun",
        ),
        pytest.param(
            with_setting("MY_ADDRESS: x").replace(
                "  environment:", f"  secrets:\n    - MY_ADRESS {HERE}\n  environment:", 1
            ),
            "secrets contains MY_ADRESS, which is in no environment; did you mean MY_ADDRESS?",
            id="a secret with a slip",
        ),
        pytest.param(
            with_setting(f"VOLCENGINE_ACCESS_KEY: ${{env:KEY}} {HERE}").replace(
                "  environment:", "  iam: {role: 'trn:iam::1:role/r'}\n  environment:", 1
            ),
            "VOLCENGINE_ACCESS_KEY is set, although the functions have a role; "
            "remove it: they use the role's own temporary key.",
            id="an access key beside a role",
        ),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_at_its_line(tmp_path: Path, text: str, told: str) -> None:
    assert [f"{line_of_mark(text)}: {told}"] == mistakes(tmp_path, text, environment={"KEY": "k"})


def test_what_is_missing_for_one_function_is_told_at_that_function(tmp_path: Path) -> None:
    domain = "    VEIMAGEX_DOMAIN: img.example.com\n"
    text = changed(domain, "").replace("  upload:", f"  upload: {HERE}")
    text += SWEEP + f"    environment:\n  {domain}"

    [told] = mistakes(tmp_path, text)

    assert told.startswith(f"{line_of_mark(text)}: VEIMAGEX_DOMAIN is not set")


def test_a_secret_that_is_left_out_for_now_is_no_mistake(tmp_path: Path) -> None:
    text = with_setting("REPORT_TO: ${env:GONE, null}").replace(
        "  environment:", "  secrets: [REPORT_TO]\n  environment:", 1
    )

    assert "REPORT_TO" not in read(tmp_path, text).function("upload").environment


@pytest.mark.parametrize(
    "event", ["{bucket: photos, suffix: .png}", "{bucket: photos, prefix: in/}"]
)
def test_records_that_no_event_is_about_are_no_mistake(tmp_path: Path, event: str) -> None:
    text = RIGHT.partition("      - tos:")[0].replace(
        "tos://shop-state/ledger/", "tos://photos/.repaint/"
    )

    assert 1 == len(read(tmp_path, f"{text}      - tos: {event}\n").functions[0].events)


def test_an_access_key_without_a_role_is_no_mistake(tmp_path: Path) -> None:
    text = with_setting("VOLCENGINE_ACCESS_KEY: ${env:KEY}")

    upload = read(tmp_path, text, environment={"KEY": "k"}).function("upload")

    assert "•••" == upload.shown()["VOLCENGINE_ACCESS_KEY"]


def test_what_has_no_value_is_not_told_again_as_a_missing_setting(tmp_path: Path) -> None:
    text = changed("img.example.com", f"${{env:DOMAIN}} {HERE}")

    [told] = mistakes(tmp_path, text)

    assert told.startswith(f"{line_of_mark(text)}: DOMAIN is not set in the environment")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (with_setting(f"REPAINT_HTTP_TOKENS: {TOKEN} {HERE}"), "REPAINT_HTTP_TOKENS"),
        (with_setting(f"REPAINT_HTTP_TOKENS: a,${{env:ONE}} {HERE}"), "REPAINT_HTTP_TOKENS"),
        (with_setting(f"MY_API_KEY: ${{env:GONE, '{TOKEN}'}} {HERE}"), "MY_API_KEY"),
        (
            with_setting(f"MY_PASSWORD: ${{self:custom.word}} {HERE}")
            + f"custom: {{word: {TOKEN}}}\n",
            "MY_PASSWORD",
        ),
        (
            changed("    events:", f"    environment: ${{self:custom.all}} {HERE}\n    events:")
            + f"custom: {{all: {{MY_SECRET: {TOKEN}}}}}\n",
            "MY_SECRET",
        ),
        (
            with_setting(f"REPORT_TO: https://example.com/{TOKEN} {HERE}").replace(
                "  environment:", "  secrets: [REPORT_TO]\n  environment:", 1
            ),
            "REPORT_TO",
        ),
    ],
)
def test_a_secret_that_stands_in_the_file_is_told_and_not_repeated(
    tmp_path: Path, text: str, name: str
) -> None:
    [told] = mistakes(tmp_path, text, environment={"ONE": "1"})

    assert (
        f"{line_of_mark(text)}: {name} is a secret, and part of it is in this file; "
        f"write ${{env:{name}}}, and export it; if it was shared, create a new one."
    ) == told


@pytest.mark.parametrize(
    ("text", "where"),
    [
        (with_setting("SOME: [hunter2-hunter2]"), "8"),
        (changed("name: volcengine", "name: ${env:TOKEN}"), "3"),
        (changed("bucket: photos", "bucket: ${env:TOKEN}!"), "14"),
        (with_setting("REPAINT_LEDGER_: ${env:TOKEN}"), "8"),
        (with_setting("REPAINT_MAX_QPS: ${env:TOKEN}"), "8"),
        (with_setting("REPAINT_PRESETS: ${env:TOKEN}"), "8"),
    ],
)
def test_no_mistake_shows_what_comes_from_the_environment_or_is_a_setting(
    tmp_path: Path, text: str, where: str
) -> None:
    told = mistakes(tmp_path, text, environment={"TOKEN": TOKEN})

    assert [where] == [sentence.partition(":")[0] for sentence in told]
    assert TOKEN not in str(told)


@pytest.mark.parametrize(
    ("variable", "secret"),
    [
        ("REPAINT_HTTP_TOKENS", True),
        ("REPAINT_WEBHOOK_SECRET", True),
        ("REPAINT_WEBHOOK_URL", True),
        ("VOLCENGINE_ACCESS_KEY", True),
        ("VOLCENGINE_SESSION_TOKEN", True),
        ("db_password", True),
        ("REPAINT_LEDGER", False),
        ("VEIMAGEX_DOMAIN", False),
    ],
)
def test_secrets_are_known_by_their_names(variable: str, secret: bool) -> None:
    assert secret == is_secret(variable)


def test_the_right_file_is_right(tmp_path: Path) -> None:
    assert ["upload", "sweep"] == [f.name for f in read(tmp_path, RIGHT + SWEEP).functions]
