"""What is wrong in serverless.yml is told at its line, with what to write instead."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ops.deployment.serverless_yml.document import read_document
from ops.ui.output import Refused
from tests.ops.deployment.serverless_file import HERE, RIGHT, changed, line_of_mark, mistakes, read
from tests.ops.deployment.serverless_shapes import SHAPES


@pytest.mark.parametrize(("text", "told"), SHAPES.values(), ids=SHAPES.keys())
def test_a_wrong_shape_is_told(tmp_path: Path, text: str, told: str) -> None:
    assert [f"{line_of_mark(text)}: {told}"] == mistakes(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            f"service: shop\n\tprovider: x {HERE}", "a tab cannot indent; use spaces.", id="a tab"
        ),
        pytest.param(
            f"service: shop: x {HERE}",
            "a second ': ' in a line, or a line that is indented too far; "
            "put the text in quotes, or indent the line like its neighbours.",
            id="a colon",
        ),
        pytest.param(
            f"service: */5 * * * * {HERE}",
            "a value that begins with * is read as an alias; put it in quotes, as '*/5 …'.",
            id="a star",
        ),
        pytest.param(
            f"service: [${{env:A}}] {HERE}",
            "a ${…} between brackets; put it in quotes.",
            id="a variable in brackets",
        ),
        pytest.param(
            f"service: @shop {HERE}",
            "a value that begins with a special character; put it in quotes.",
            id="a special character",
        ),
        pytest.param(
            f"service: shop\n--- {HERE}\nservice: shop",
            "a second document; remove the line ---.",
            id="two documents",
        ),
        pytest.param(
            f"service: [shop {HERE}",
            "this cannot be read; check the quotes, the brackets and the indentation here and on "
            "the line before.",
            id="a bracket that is not closed",
        ),
        pytest.param(
            f"- service {HERE}",
            "this is not a serverless.yml; begin with service: and the service's name.",
            id="a list",
        ),
        pytest.param(
            f"{HERE}",
            "this is not a serverless.yml; begin with service: and the service's name.",
            id="nothing",
        ),
        pytest.param(
            f"service: \x07 {HERE}",
            "the file contains control characters; save it as plain text.",
            id="a bell",
        ),
    ],
)
def test_what_is_no_yaml_is_told(tmp_path: Path, text: str, told: str) -> None:
    assert [f"{line_of_mark(text)}: {told}"] == mistakes(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            changed("  name: volcengine", f"  name: volcengine\n  name: volcengine {HERE}"),
            "name is also on line 3; remove one of the two.",
            id="a key twice",
        ),
        pytest.param(
            changed("service: shop", f"service: !Ref shop {HERE}"),
            "the tag !Ref is unknown; remove it.",
            id="a tag",
        ),
        pytest.param(
            RIGHT + f"custom: &all {HERE}\n  again: *all\n",
            "this alias is inside the value that it names; write the value out.",
            id="an alias of itself",
        ),
        pytest.param(
            RIGHT + f"custom:\n  ? [a, b] {HERE}\n  : 1\n",
            "a key is not a single word; write name: value.",
            id="a key that is a list",
        ),
        pytest.param(
            changed("bucket: photos", f"bucket: {HERE}"),
            "functions.upload.events[0].tos.bucket has no value; write one, or remove the line.",
            id="a key without a value",
        ),
        pytest.param(
            changed("  name:", f"  memorySize: ${{env:MEMORY, '7'}} {HERE}\n  name:"),
            "provider.memorySize is ${env:MEMORY, '7'}, whose value is invalid; "
            "write MiB from 512 to 4096 in steps of 512.",
            id="a variable whose value does not fit",
        ),
        pytest.param(
            changed("functions/upload", "functions/uplaod").replace(
                "index.handler", f"index.handler {HERE}"
            ),
            "there is no functions/uplaod/index.py beside this file; "
            "did you mean functions/upload/index.handler?",
            id="a folder that is not there",
        ),
        pytest.param(
            changed("  upload:", f"  upload: {HERE}").replace("shop\n", "s" * 60 + "\n"),
            f"the name {'s' * 60}-dev-upload has 71 letters; "
            "choose shorter names for service, stage or function: 64 are allowed.",
            id="a name that is too long",
        ),
        pytest.param(
            RIGHT
            + f"  other:\n    handler: functions/http/index.handler\n    events: {HERE}\n"
            + "      - tos:\n          bucket: photos\n          prefix: uploads/new/\n"
            + "          events: 'tos:ObjectCreated:Put'\n",
            "photos/uploads/new/* of other overlaps with photos/uploads/* of upload (line 12), "
            "which the platform refuses; choose prefixes of which neither begins with the other.",
            id="rules that overlap",
        ),
        pytest.param(
            changed("prefix: uploads/", f"suffix: [{', '.join(f'.{n}' for n in range(11, 22))}]")
            .replace("    events:", f"    events: {HERE}"),
            "photos would have 11 rules, and can have 10; "
            "remove suffixes: the functions ignore other files.",
            id="more rules than a bucket has",
        ),
        pytest.param(
            changed("    events:", f"    events: {HERE}\n      - schedule: rate(1 hour)")
            .replace("      - tos:", "      - schedule: 0 */1 * * *\n      - tos:"),
            "upload has the schedule 0 */1 * * * 2 times; keep one of them.",
            id="a schedule twice",
        ),
    ],
)  # fmt: skip
def test_what_only_a_look_beyond_the_shape_can_see_is_told(
    tmp_path: Path, text: str, told: str
) -> None:
    assert [f"{line_of_mark(text)}: {told}"] == mistakes(tmp_path, text)


@pytest.mark.parametrize(
    "other",
    [
        "{bucket: others, prefix: uploads/}",
        "{bucket: photos, prefix: drafts/}",
        "{bucket: photos, prefix: uploads/, events: 'tos:ObjectRemoved:*'}",
    ],
)
def test_rules_that_do_not_touch_are_no_mistake(tmp_path: Path, other: str) -> None:
    text = changed("      - tos:", f"      - tos: {other}\n      - tos:") + "  bad: {}\n"

    # The one mistake that is made shows that there are no others.
    assert [
        "17: functions.bad.handler is missing; write handler: functions/upload/index.handler."
    ] == (mistakes(tmp_path, text))


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "serverless.yml"
    path.write_bytes("service: café".encode("latin-1"))

    _, [problem] = read_document(path)
    assert "the file is not UTF-8; save it as UTF-8." in problem.sentence(path)


def test_everything_is_told_at_once_in_the_order_of_the_lines(tmp_path: Path) -> None:
    text = (
        changed("service: shop", "service: shop!")
        .replace("volcengine", "aws")
        .replace("svc\n", "${env:GONE}\n", 1)
    )
    text = text.replace("bucket: photos", "bukcet: photos")

    told = mistakes(tmp_path, text)

    assert ["1", "3", "5", "13", "14"] == [sentence.partition(":")[0] for sentence in told]


@given(
    start=st.integers(0, len(RIGHT)),
    length=st.integers(0, 12),
    written=st.text(st.sampled_from("ab0 \n\t:-#'\"${}[]&*!|>%@,?/~é\x00"), max_size=12),
)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_written_is_read_or_refused(
    tmp_path: Path, start: int, length: int, written: str
) -> None:
    with suppress(Refused):
        read(tmp_path, RIGHT[:start] + written + RIGHT[start + length :])
