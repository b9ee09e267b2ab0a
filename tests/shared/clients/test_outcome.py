"""Every documented code means what the documentation says, wherever it stands in an answer."""

import json
from typing import Any

import pytest

from shared.clients.http import Response
from shared.clients.imagex import Failed, Generated, read_outcome
from shared.clients.imagex_errors import Verdict

MODEL: dict[Verdict, list[Any]] = {
    Verdict.REFUSED: [
        *(50411, 50412, 50413, 50512, 50518, 60208, 60102, 50200, 50201),
        *(50204, 50205, 50206, 50207, 50209, 50210, 50211, 50213, 50214, 50215),
    ],
    Verdict.RESEED: [50511, 50519],
    Verdict.RETRY_ONCE: [50520, 50521, 50522],
    Verdict.CONFIGURATION: [50400, 50402],
    Verdict.THROTTLED: [50429, 50430],
    Verdict.UNKNOWN: [50500, 50501, 59999],
}
GATEWAY: dict[Verdict, list[Any]] = {
    Verdict.CONFIGURATION: [
        ("MissingParameter", 100002),
        ("MissingAuthenticationToken", 100003),
        ("MissingRequestInfo", 100004),
        ("MissingSignature", 100005),
        ("ServiceNotFound", 100007),
        ("InvalidActionOrVersion", 100008),
        ("InvalidAccessKey", 100009),
        ("SignatureDoesNotMatch", 100010),
        ("LackPolicy", 100012),
        ("AccessDenied", 100013),
        ("MethodNotAllowed", 100020),
        ("InvalidAuthorization", None),
        ("InvalidCredential", None),
    ],
    Verdict.REFUSED: [("InvalidParameter", None), ("InvalidParameter.Outputs", None)],
    Verdict.CLOCK: [("InvalidTimestamp", 100006)],
    Verdict.TOKEN: [("InvalidSecretToken", None)],
    Verdict.THROTTLED: [
        ("FlowLimitExceeded", 100018),
        ("AccountFlowLimitExceeded", None),
        ("RequestLimitExceeded", None),
    ],
    Verdict.NOT_EXECUTED: [("FailToConnect", 100015), ("ServiceUnavailableTemp", 100019)],
    Verdict.UNKNOWN: [
        ("InternalError", 100014),
        ("InternalServiceError", None),
        ("InternalServiceTimeout", 100016),
        ("UndefinedError", None),
        ("NeverHeardOf", 123456),
    ],
}
IMAGEX: dict[Verdict, list[Any]] = {
    Verdict.UNKNOWN: [600006, 600007, 600010, 600011, 601006],
    Verdict.THROTTLED: [600014],
    Verdict.REFUSED: [600003],
    Verdict.CONFIGURATION: [
        *(600005, 600008, 600013, 601000, 601001, 601002, 601003, 601004, 601005),
        *(601007, 601008, 601009, 601010, 604015, 641002),
    ],
}


def rows(table: dict[Verdict, list[Any]]) -> list[Any]:
    return [pytest.param(v, c, id=f"{c}-{v}") for v, codes in table.items() for c in codes]


def response(status: int, result: dict[str, Any] | None = None, **error: Any) -> Response:
    metadata = {"RequestId": "r", **({"Error": error} if error else {})}
    body = json.dumps({"ResponseMetadata": metadata, "Result": result})
    return Response(status, {}, body.encode())


def verdict(answer: Response) -> Verdict:
    outcome = read_outcome(answer)
    assert isinstance(outcome, Failed)
    return outcome.verdict


@pytest.mark.parametrize(("expected", "code"), rows(MODEL))
@pytest.mark.parametrize("as_text", [False, True])
def test_model_code(expected: Verdict, code: int, *, as_text: bool) -> None:
    """A code of the model counts under HTTP 200."""
    model: Any = {"code": code, "message": "no"}
    result: dict[str, Any] = {
        "ImageUrls": [],
        "StoreUris": [],
        "RespJson": json.dumps(model) if as_text else model,
    }

    assert expected == verdict(response(200, result))


@pytest.mark.parametrize(("expected", "code"), rows(MODEL))
@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize(
    "message",
    ["algorithm failed, code={}", "{}", "[{}] no", "no (code: {})", "失败：{}。", "{}: no"],
)
def test_model_code_in_message(expected: Verdict, code: int, status: int, message: str) -> None:
    """A code of the model counts inside an error's message."""
    error: dict[str, Any] = {
        "Code": "InternalError",
        "CodeN": 100014,
        "Message": message.format(code),
    }

    assert expected == verdict(response(status, **error))


@pytest.mark.parametrize(("expected", "code"), rows(GATEWAY))
@pytest.mark.parametrize("status", [400, 500])
def test_gateway_name(expected: Verdict, code: tuple[str, int | None], status: int) -> None:
    """A gateway's error counts by its name."""
    error: dict[str, Any] = {"Code": f"{code[0]}.Detail", "CodeN": code[1], "Message": "no"}

    assert expected == verdict(response(status, **error))


@pytest.mark.parametrize(
    ("expected", "code"), [row for row in rows(GATEWAY) if row.values[1][1] not in (None, 123456)]
)
def test_gateway_number(expected: Verdict, code: tuple[str, int]) -> None:
    """A gateway's error without a known name counts by its number."""
    assert expected == verdict(response(400, Code="", CodeN=code[1], Message="no"))


@pytest.mark.parametrize(("expected", "code"), rows(IMAGEX))
@pytest.mark.parametrize("field", ["Code", "CodeN"])
def test_imagex_code(expected: Verdict, code: int, field: str) -> None:
    """A code of veImageX counts in either field."""
    error: dict[str, Any] = {"Code": "Whatever", "CodeN": 1, "Message": "no"}
    error[field] = code if field == "CodeN" else str(code)

    assert expected == verdict(response(500, **error))


@pytest.mark.parametrize(
    "result",
    [
        {"RespJson": {}},
        {"RespJson": "{}"},
        {"RespJson": {"code": 10000}},
        {"RespJson": '{"code": 10000, "data": {"ddim_step": 20}}'},
        {},
    ],
)
def test_success(
    result: dict[str, Any],
) -> None:
    """A success has both lists, and the model's code if there is one."""
    full = {"ImageUrls": ["http://a"], "StoreUris": ["tos-cn-i-s/a"], **result}

    assert Generated(["http://a"], ["tos-cn-i-s/a"], "r") == read_outcome(response(200, full))


def test_error_number_0() -> None:
    """An error with the number 0 under HTTP 200 is none."""
    full = {"ImageUrls": ["http://a"], "StoreUris": ["tos-cn-i-s/a"]}

    assert isinstance(read_outcome(response(200, full, Code="", CodeN=0)), Generated)


@pytest.mark.parametrize(
    ("expected", "answer"),
    [
        (Verdict.UNKNOWN, Response(200, {}, b"<html>")),
        (Verdict.UNKNOWN, Response(200, {}, b"[]")),
        (Verdict.UNKNOWN, Response(200, {}, b"")),
        (Verdict.UNKNOWN, Response(500, {}, b"")),
        (Verdict.UNKNOWN, Response(502, {}, b"bad gateway")),
        (Verdict.UNKNOWN, Response(503, {}, b"")),
        (Verdict.UNKNOWN, Response(504, {}, b"\xff\xfe")),
        (Verdict.THROTTLED, Response(429, {}, b"slow down")),
        (Verdict.UNKNOWN, response(200, {"ImageUrls": ["http://a"], "StoreUris": []})),
        (Verdict.UNKNOWN, response(200, None)),
        (
            Verdict.UNKNOWN,
            response(200, {"ImageUrls": ["a"], "StoreUris": ["b"], "RespJson": {"message": "x"}}),
        ),
        (Verdict.UNKNOWN, response(200, {"ImageUrls": ["a"], "StoreUris": ["b"]}, Message="boom")),
        (
            Verdict.UNKNOWN,  # it contradicts itself
            response(200, {"ImageUrls": ["a"], "StoreUris": ["b"], "RespJson": {"code": 50411}}),
        ),
    ],
)
def test_answer_without_code(expected: Verdict, answer: Response) -> None:
    """An answer without a code is unknown, unless it is a 429."""
    assert expected == verdict(answer)


@pytest.mark.parametrize(
    "message",
    [
        "request 2026504110000 of 150429 bytes, a50411b",
        "store of repaint/50429.png timed out",
        "store of repaint/50429 timed out",
        "cannot read http://photos.example.com/uploads/IMG_50411.jpg?X=50411",
        "file 50429.png",
        "no answer after 50429 ms",
    ],
)
def test_number_in_text(message: str) -> None:
    """A number in a name, a URL or an id is no code."""
    error: dict[str, Any] = {"Code": "InternalError", "Message": message}

    assert verdict(response(500, **error)) == Verdict.UNKNOWN
