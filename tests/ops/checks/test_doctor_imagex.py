"""The doctor's checks of the service, its domain and its templates."""

from collections.abc import Mapping

import pytest

from ops.checks.checks import State
from ops.checks.imagex import Service
from shared.clients.http import Request, Response
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT, SERVICE
from tests.ops.checks.doctor_wire import Script, answered, wire


def gateway(code: str, number: int = 0, status: int = 400) -> Response:
    error = {"Code": code, "CodeN": number, "Message": "no"}
    return answered(status, {"ResponseMetadata": {"Error": error}})


def service(answers: Mapping[str, Response], settings: Mapping[str, str] | None = None) -> Service:
    def answer(request: Request) -> Response:
        action = request.url.partition("Action=")[2].partition("&")[0]
        return answers.get(action, answered(500))

    return Service(wire(Script(answer)), load_settings({**ENVIRONMENT, **(settings or {})}))


@pytest.mark.parametrize(
    ("answer", "state", "sentence"),
    [
        (gateway("LackPolicy", 100012, 403), State.WARNING, "could not be asked for"),
        (gateway("ERR_SERVICE_NOTFOUND", 601002), State.WRONG, "There is no service serviceid"),
        (gateway("601002"), State.WRONG, "There is no service serviceid"),
        (gateway("InvalidSecretToken", 0, 401), State.WRONG, "InvalidSecretToken"),
        (answered(200, ["no", "object"]), State.WARNING, "could not be asked for"),
        (answered(502), State.WRONG, "HTTP 502"),
    ],
)
def test_a_service_that_cannot_be_asked_for_is_told(
    answer: Response, state: State, sentence: str
) -> None:
    told = service({"GetImageService": answer}).exists()

    assert state is told.state
    assert sentence in told.found
    assert told.mend


def test_where_the_service_may_not_be_asked_for_its_domain_is_to_be_looked_at_by_hand() -> None:
    told = service({}).domain()

    assert State.WARNING is told.state
    assert ENVIRONMENT["VEIMAGEX_DOMAIN"] in told.mend


def test_the_keys_that_a_service_tells_of_itself_are_not_repeated() -> None:
    described = {"ServiceStatus": "正常", "PrimaryKey": "topsecret", "SecondaryKey": "topsecret"}
    answer = answered(200, {"ResponseMetadata": {}, "Result": described})

    assert "topsecret" not in str(service({"GetImageService": answer}).exists())


def templates(*names: str) -> Response:
    listed = [{"TemplateName": name} for name in names]
    return answered(200, {"ResponseMetadata": {}, "Result": {"Templates": listed}})


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (templates("tplv-serviceid-test"), State.OK),
        (templates("tplv-serviceid-test.image"), State.OK),
        (templates("tplv-serviceid-testing"), State.WRONG),
        (templates(), State.WRONG),
        (gateway("LackPolicy", 100012, 403), State.WARNING),
        (answered(200, {"Result": {}}), State.WARNING),
        (gateway("InvalidParameter.TemplateNamePattern"), State.WRONG),
        (templates(*["tplv-serviceid-tests"] * 100), State.WARNING),
    ],
)
def test_the_template_is_looked_for_by_its_name(answer: Response, state: State) -> None:
    assert state is service({"GetAllImageTemplates": answer}).templates().state


@pytest.mark.parametrize(
    ("answer", "state", "sentence"),
    [
        (
            answered(200, {"ResponseMetadata": {}, "Result": {"Items": [], "HasMore": False}}),
            State.OK,
            "tells what is stored",
        ),
        (gateway("LackPolicy", 100012, 403), State.WRONG, "cannot be looked for"),
        (answered(500), State.WRONG, "cannot be looked for"),
    ],
)
def test_whether_outputs_can_be_looked_for_is_told(
    answer: Response, state: State, sentence: str
) -> None:
    told = service({"GetImageStorageFiles": answer}).probe()

    assert state is told.state
    assert sentence in told.found
    assert SERVICE not in told.mend
