"""The checks of the service, its domain and its templates."""

from collections.abc import Mapping

import pytest

from ops.checks.check import Check, CheckState
from ops.checks.imagex import ImagexService
from shared.clients.http import Request, Response
from shared.settings import load_settings
from tests.fakes import ENVIRONMENT, SERVICE
from tests.ops.checks.scripted import Script, answered, client


def gateway(code: str, number: int = 0, status: int = 400) -> Response:
    error = {"Code": code, "CodeN": number, "Message": "no"}
    return answered(status, {"ResponseMetadata": {"Error": error}})


def service(answers: Mapping[str, Response]) -> ImagexService:
    def answer(request: Request) -> Response:
        action = request.url.partition("Action=")[2].partition("&")[0]
        return answers.get(action, answered(500))

    return ImagexService(client(Script(answer)), load_settings(ENVIRONMENT))


@pytest.mark.parametrize(
    ("answer", "state", "sentence"),
    [
        (gateway("LackPolicy", 100012, 403), CheckState.WARNING, "cannot be read"),
        (
            gateway("ERR_SERVICE_NOTFOUND", 601002),
            CheckState.WRONG,
            "There is no service serviceid",
        ),
        (gateway("601002"), CheckState.WRONG, "There is no service serviceid"),
        (gateway("InvalidSecretToken", 0, 401), CheckState.WRONG, "InvalidSecretToken"),
        (answered(200, ["no", "object"]), CheckState.WARNING, "cannot be read"),
        (answered(502), CheckState.WRONG, "HTTP 502"),
    ],
)
def test_unreadable_service(answer: Response, state: CheckState, sentence: str) -> None:
    """The reason is reported why a service cannot be read."""
    finding = Check("service", service({"GetImageService": answer}).service).run()

    assert state is finding.state
    assert sentence in finding.found
    assert finding.fix


def test_domain_of_unreadable_service() -> None:
    """If the service cannot be read, its domain is to be checked by hand."""
    finding = service({}).domain()

    assert CheckState.WARNING is finding.state
    assert ENVIRONMENT["VEIMAGEX_DOMAIN"] in finding.fix


def test_keys_of_service() -> None:
    """The keys in a service's description are not shown."""
    described = {"ServiceStatus": "正常", "PrimaryKey": "topsecret", "SecondaryKey": "topsecret"}
    answer = answered(200, {"ResponseMetadata": {}, "Result": described})

    assert "topsecret" not in str(service({"GetImageService": answer}).service())


def templates(*names: str) -> Response:
    listed = [{"TemplateName": name} for name in names]
    return answered(200, {"ResponseMetadata": {}, "Result": {"Templates": listed}})


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (templates("tplv-serviceid-test"), CheckState.OK),
        (templates("tplv-serviceid-test.image"), CheckState.OK),
        (templates("tplv-serviceid-testing"), CheckState.WRONG),
        (templates(), CheckState.WRONG),
        (gateway("LackPolicy", 100012, 403), CheckState.WARNING),
        (answered(200, {"Result": {}}), CheckState.WARNING),
        (gateway("InvalidParameter.TemplateNamePattern"), CheckState.WRONG),
        (templates(*["tplv-serviceid-tests"] * 100), CheckState.WARNING),
    ],
)
def test_template(answer: Response, state: CheckState) -> None:
    """The template is found by its name."""
    templates = service({"GetAllImageTemplates": answer}).templates

    assert state is Check("template", templates).run().state


@pytest.mark.parametrize(
    ("answer", "state", "sentence"),
    [
        (
            answered(200, {"ResponseMetadata": {}, "Result": {"Items": [], "HasMore": False}}),
            CheckState.OK,
            "finds stored outputs",
        ),
        (gateway("LackPolicy", 100012, 403), CheckState.WRONG, "cannot be probed for"),
        (answered(500), CheckState.WRONG, "cannot be probed for"),
    ],
)
def test_output_probe(answer: Response, state: CheckState, sentence: str) -> None:
    """The check probes for an output as the functions do."""
    finding = service({"GetImageStorageFiles": answer}).probe()

    assert state is finding.state
    assert sentence in finding.found
    assert SERVICE not in finding.fix
