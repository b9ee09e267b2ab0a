"""The role's policy: what the functions use, on what serverless.yml names, and nothing else."""

from pathlib import Path
from typing import Any

from ops.deployment.policy import role_policy, trust_policy
from tests.ops.command import document, repaint
from tests.ops.deployment.serverless_file import EXPORTED, RIGHT, changed, read

UPLOADS = ["tos:GetObject", "tos:HeadObject", "tos:GetObjectVersion"]
RECORDS = ["tos:GetObject", "tos:PutObject", "tos:DeleteObject"]


def policy_of(folder: Path, text: str = RIGHT) -> list[dict[str, Any]]:
    statements: list[dict[str, Any]] = role_policy(read(folder, text))["Statement"]
    return statements


def resources(statements: list[dict[str, Any]], actions: list[str]) -> list[str]:
    return [
        r
        for statement in statements
        if actions == statement["Action"]
        for r in statement["Resource"]
    ]


def test_it_allows_what_the_functions_use_on_what_the_file_names(tmp_path: Path) -> None:
    assert [
        {"Effect": "Allow", "Action": UPLOADS, "Resource": ["trn:tos:::photos/uploads/*"]},
        {"Effect": "Allow", "Action": ["tos:HeadBucket"], "Resource": ["trn:tos:::photos"]},
        {"Effect": "Allow", "Action": RECORDS, "Resource": ["trn:tos:::shop-state/ledger/*"]},
        {
            "Effect": "Allow",
            "Action": ["tos:ListBucket"],
            "Resource": ["trn:tos:::shop-state"],
            "Condition": {"StringLike": {"tos:prefix": ["ledger/*"]}},
        },
        {
            "Effect": "Allow",
            "Action": [
                "ImageX:GetCVImageGenerateResult",
                "ImageX:GetImageStorageFiles",
                "ImageX:GetResourceURL",
            ],
            "Resource": ["trn:ImageX:*:*:ServiceId/svc"],
        },
    ] == policy_of(tmp_path)


def test_uploads_are_read_below_the_prefixes_of_the_events_alone(tmp_path: Path) -> None:
    text = changed(
        "      - tos:", "      - tos: {bucket: others, suffix: [.jpg, .png]}\n      - tos:"
    )

    statements = policy_of(tmp_path, text)

    assert ["trn:tos:::others/*", "trn:tos:::photos/uploads/*"] == resources(statements, UPLOADS)
    assert ["trn:tos:::others", "trn:tos:::photos"] == resources(statements, ["tos:HeadBucket"])


def test_each_function_can_have_a_service_of_its_own(tmp_path: Path) -> None:
    text = changed("    events:", "    environment: {VEIMAGEX_SERVICE_ID: other}\n    events:")
    text += "  sweep: {handler: functions/sweep/index.handler}\n"

    [imagex] = [s["Resource"] for s in policy_of(tmp_path, text) if "ImageX" in s["Action"][0]]

    assert ["trn:ImageX:*:*:ServiceId/other", "trn:ImageX:*:*:ServiceId/svc"] == imagex


def test_without_uploads_none_can_be_read(tmp_path: Path) -> None:
    text = RIGHT[: RIGHT.index("    events:")]

    statements = policy_of(tmp_path, text)

    assert ([], []) == (resources(statements, UPLOADS), resources(statements, ["tos:HeadBucket"]))
    assert ["trn:tos:::shop-state/ledger/*"] == resources(statements, RECORDS)


def test_only_the_function_platform_takes_on_the_role() -> None:
    assert {
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sts:AssumeRole"],
                "Principal": {"Service": ["vefaas"]},
            }
        ]
    } == trust_policy()


def test_the_command_prints_both_before_there_is_a_role() -> None:
    shown = repaint("policy", settings=EXPORTED)
    as_json = repaint("policy", "--json", settings=EXPORTED)

    assert [(0, ""), (0, "")] == [(done.returncode, done.stderr) for done in (shown, as_json)]
    printed = document(as_json)
    assert trust_policy() == printed["trust"]
    assert "trn:tos:::repaint-state/ledger/*" in str(printed["policy"])
    assert '"trn:ImageX:*:*:ServiceId/svc"' in shown.stdout
    assert '"vefaas"' in shown.stdout


def test_the_command_goes_by_the_file_that_is_named(tmp_path: Path) -> None:
    read(tmp_path, changed("bucket: photos", "bucket: ${opt:stage}-photos"), stage="test")

    done = repaint("policy", "-c", "serverless.yml", "--stage", "prod", "--json", folder=tmp_path)

    assert "trn:tos:::prod-photos/uploads/*" in str(document(done)["policy"])
