"""The local veImageX answers as the real one is documented to, and its book is exact."""

import io
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from volcengine.imagex.v2.imagex_service import ImagexService

from local.imagex import BillingRecords, FaultSettings
from shared.signing import Credentials
from tests.local.imagex.imagex_world import (
    DOMAIN,
    NOW,
    SERVICE,
    TEMPLATE,
    World,
    body,
    picture,
    world,
)


@pytest.fixture
def imagex(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as served:
        yield served


def test_a_generation_is_charged_stored_and_shown(imagex: World) -> None:
    answer = imagex.paint("album/猫")

    assert 200 == answer.status
    uri = f"tos-cn-i-{SERVICE}/album/猫"
    assert [uri] == answer.result["StoreUris"]
    assert 10000 == answer.result["RespJson"]["code"]
    metadata = answer.json["ResponseMetadata"]
    assert ("GetCVImageGenerateResult", "2023-05-01", "ImageX", "cn-north-1") == (
        metadata["Action"],
        metadata["Version"],
        metadata["Service"],
        metadata["Region"],
    )
    [charge] = imagex.billing.charges()
    assert (1, "album/猫", uri, NOW, "漫画风格", 7, True) == (
        charge.number,
        charge.output,
        charge.store_uri,
        charge.at,
        charge.prompt,
        charge.seed,
        charge.stored,
    )
    assert metadata["RequestId"] == charge.request_id
    shown = imagex.get(answer.result["ImageUrls"][0])
    assert (200, "image/png") == (shown.status, shown.headers["content-type"])
    assert (24, 16) == Image.open(io.BytesIO(shown.content)).size
    unchanged = imagex.get(
        answer.result["ImageUrls"][0], **{"If-None-Match": shown.headers["etag"]}
    )
    assert 304 == unchanged.status


def test_the_book_never_holds_the_query_of_a_presigned_address(imagex: World) -> None:
    imagex.paint()

    [charge] = imagex.billing.charges()
    assert "secret" not in charge.source
    assert charge.source.endswith("/cat.png")


def test_the_book_survives_a_restart(tmp_path: Path) -> None:
    with world(tmp_path) as first:
        first.paint()
    with world(tmp_path) as second:
        assert ["out/one"] == [charge.output for charge in second.billing.charges()]
        assert ["OK"] == second.outcomes()
        uri = f"tos-cn-i-{SERVICE}/out/one"
        assert 200 == second.get(f"{second.server.address}/{uri}~{TEMPLATE}").status


def test_a_seed_that_is_left_free_is_drawn_and_kept_in_the_book(imagex: World) -> None:
    imagex.paint("one", ReqJson={"seed": -1})
    imagex.paint("two", ReqJson={"seed": None})

    seeds = [charge.seed for charge in imagex.billing.charges()]
    assert -1 not in seeds
    assert 2 == len(set(seeds))


def test_a_name_that_is_taken_is_refused_after_it_was_charged(imagex: World) -> None:
    imagex.paint()
    answer = imagex.paint()

    assert (400, "InvalidParameter.Outputs") == (answer.status, answer.error["Code"])
    assert [True, False] == [charge.stored for charge in imagex.billing.charges()]


def test_a_name_that_is_taken_is_refused_before_it_is_charged_if_set_so(imagex: World) -> None:
    imagex.faults.replace(FaultSettings(latency_seconds=0, charge_name_clash=False))
    imagex.paint()
    imagex.paint()

    assert 1 == len(imagex.billing.charges())


def test_overwriting_replaces_the_file_and_the_time_of_its_last_change(imagex: World) -> None:
    imagex.paint(ReqJson={"seed": 1})
    [before] = imagex.ask("GetImageStorageFiles").result["Items"]
    imagex.clock.at += 60
    answer = imagex.paint(ReqJson={"seed": 2}, Overwrite=True)

    assert 200 == answer.status
    [after] = imagex.ask("GetImageStorageFiles").result["Items"]
    assert "2025-06-15T23:06:40+08:00" == before["LastModified"]
    assert "2025-06-15T23:07:40+08:00" == after["LastModified"]
    assert [True, True] == [charge.stored for charge in imagex.billing.charges()]


def test_overwriting_has_no_effect_while_the_services_switch_is_off(tmp_path: Path) -> None:
    with world(tmp_path, overwrite_switch=False) as imagex:
        imagex.paint()
        answer = imagex.paint(Overwrite=True)

        assert "InvalidParameter.Outputs" == answer.error["Code"]
        assert imagex.ask("GetImageService").result["UploadOverwrite"] is False


def test_calls_at_once_for_one_name_store_one_file_and_charge_each(imagex: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: imagex.paint("same"), range(8)))

    assert 1 == sum(answer.status == 200 for answer in answers)
    assert 8 == len(imagex.billing.charges())
    assert 1 == sum(charge.stored for charge in imagex.billing.charges())


def test_a_stored_file_is_a_source_too_and_wins_over_the_models_own(imagex: World) -> None:
    imagex.paint("first")
    answer = imagex.paint(
        "second",
        ImageUrl=f"tos-cn-i-{SERVICE}/first",
        ReqJson={"image_urls": ["http://127.0.0.1:9/nobody-listens"]},
    )

    assert 10000 == answer.result["RespJson"]["code"]


def test_the_listing_goes_by_prefix_and_in_pages(imagex: World) -> None:
    for name in ("b/2", "a", "b/1", "b/3", "c"):
        imagex.paint(name)

    first = imagex.ask("GetImageStorageFiles", Prefix="b/", Limit="2").result
    assert (["b/1", "b/2"], True) == ([i["Key"] for i in first["Items"]], first["HasMore"])
    second = imagex.ask(
        "GetImageStorageFiles", Prefix="b/", Limit="2", Marker=first["Marker"]
    ).result
    assert (["b/3"], False) == ([i["Key"] for i in second["Items"]], second["HasMore"])
    absent = imagex.ask("GetImageStorageFiles", Prefix="nothing").result
    assert {"CommonPrefix": [], "HasMore": False, "Items": [], "Marker": ""} == absent


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"Limit": "0"}, "InvalidParameter.Limit"),
        ({"Limit": "1001"}, "InvalidParameter.Limit"),
        ({"Limit": "many"}, "InvalidParameter.Limit"),
        ({"Marker": "%%%"}, "InvalidParameter.Marker"),
        ({"Delimiter": "/"}, "InvalidParameter.Delimiter"),
        ({"ServiceId": "other"}, "ERR_SERVICE_NOTFOUND"),
        ({"ServiceId": ""}, "ERR_EMPTY_SERVICEID"),
    ],
)
def test_a_listing_with_a_wrong_parameter_is_refused(
    imagex: World, query: dict[str, str], code: str
) -> None:
    assert code == imagex.ask("GetImageStorageFiles", **query).error["Code"]


def test_a_file_is_described_and_a_missing_one_is_an_error(imagex: World) -> None:
    imagex.paint()
    uri = f"tos-cn-i-{SERVICE}/out/one"

    found = imagex.ask("GetImageUploadFile", "2023-05-01", StoreUri=uri).result
    assert (uri, "image/png") == (found["StoreUri"], found["StorageContentType"])
    missing = imagex.ask("GetImageUploadFile", "2023-05-01", StoreUri=f"{uri}2")
    assert (404, "FileNotFound") == (missing.status, missing.error["Code"])


@pytest.mark.parametrize("template", [TEMPLATE, TEMPLATE.removesuffix(".image")])
def test_the_address_of_a_resource_shows_it(imagex: World, template: str) -> None:
    imagex.paint("a b".replace(" ", "漫"))
    found = imagex.ask(
        "GetResourceURL",
        "2023-05-01",
        Domain=DOMAIN,
        URI=f"tos-cn-i-{SERVICE}/a漫b",
        Tpl=template,
        Proto="http",
    ).result

    assert found["URL"].endswith(f"~{TEMPLATE}")
    assert 200 == imagex.get(found["URL"]).status


@pytest.mark.parametrize(
    "path",
    [
        f"tos-cn-i-{SERVICE}/out/two~{TEMPLATE}",
        f"tos-cn-i-{SERVICE}/out/one~tplv-other.image",
        f"tos-cn-i-{SERVICE}/out/one",
        f"tos-cn-i-other/out/one~{TEMPLATE}",
        "favicon.ico",
    ],
)
def test_what_is_not_stored_is_not_shown(imagex: World, path: str) -> None:
    imagex.paint()

    assert 404 == imagex.get(f"{imagex.server.address}/{path}").status


def test_the_service_describes_itself(imagex: World) -> None:
    [service] = imagex.ask("GetAllImageServices").result["Services"]

    assert service == imagex.ask("GetImageService").result
    assert (SERVICE, DOMAIN) == (service["ServiceId"], service["DomainInfos"][0]["DomainName"])
    assert "正常" == service["ServiceStatus"] == service["DomainInfos"][0]["Status"]
    [template] = imagex.ask("GetAllImageTemplates").result["Templates"]
    assert TEMPLATE == f"{template['TemplateName']}.image"


@pytest.mark.parametrize(
    ("query", "found", "total"),
    [
        ({"TemplateNamePattern": "abc123-te"}, 1, 1),
        ({"TemplateNamePattern": "other"}, 0, 0),
        ({"Offset": "1"}, 0, 1),
        ({"Limit": "100"}, 1, 1),
    ],
)
def test_templates_are_listed_by_a_part_of_their_name_and_in_pages(
    imagex: World, query: dict[str, str], found: int, total: int
) -> None:
    result = imagex.ask("GetAllImageTemplates", **query).result

    assert (found, total) == (len(result["Templates"]), result["Total"])


@pytest.mark.parametrize(
    "query", [{"TemplateNamePattern": "tplv-a.image"}, {"Offset": "-1"}, {"Limit": "many"}]
)
def test_templates_are_not_listed_by_what_is_no_parameter(
    imagex: World, query: dict[str, str]
) -> None:
    [name] = query

    assert f"InvalidParameter.{name}" == imagex.ask("GetAllImageTemplates", **query).error["Code"]


def test_a_service_tells_its_own_and_its_domains_status(tmp_path: Path) -> None:
    with world(tmp_path, service_status="禁用", domain_status="配置中") as imagex:
        service = imagex.ask("GetImageService").result

    assert "禁用" == service["ServiceStatus"]
    assert "配置中" == service["DomainInfos"][0]["Status"]


OTHER_SECRET = {"secret_key": "another"}


@pytest.mark.parametrize(
    ("options", "status", "code"),
    [
        ({"changed": {"Authorization": None}}, 401, "MissingAuthenticationToken"),
        ({"changed": {"Authorization": "HMAC-SHA256 Credential=a"}}, 401, "MissingSignature"),
        ({"changed": {"Authorization": "Basic Signature=1"}}, 401, "InvalidAuthorization"),
        ({"changed": {"X-Date": None}}, 400, "MissingRequestInfo"),
        ({"changed": {"X-Date": "yesterday"}}, 400, "InvalidTimestamp"),
        ({"skew": 15 * 60 + 1}, 400, "InvalidTimestamp"),
        ({"skew": -15 * 60 - 1}, 400, "InvalidTimestamp"),
        ({"region": "ap-southeast-1"}, 401, "InvalidCredential"),
        ({"credentials": Credentials("AKLTNOBODY", "x")}, 401, "InvalidAccessKey"),
        ({"secret_key": "another"}, 401, "SignatureDoesNotMatch"),
        ({"session_token": "another"}, 401, "InvalidSecretToken"),
        ({"changed": {"X-Security-Token": "extra"}}, 401, "InvalidSecretToken"),
        ({"changed": {"Content-Type": "text/plain"}}, 401, "SignatureDoesNotMatch"),
        ({"changed": {"X-Content-Sha256": "0" * 64}}, 401, "SignatureDoesNotMatch"),
        ({"changed": {"X-Content-Sha256": None}}, 401, "SignatureDoesNotMatch"),
    ],
)
def test_a_request_that_is_not_signed_as_it_should_be_is_refused(
    imagex: World, options: dict[str, Any], status: int, code: str
) -> None:
    ours = imagex.credentials
    if "secret_key" in options:
        wrong = Credentials(ours.access_key, options.pop("secret_key"))
        options = {**options, "credentials": wrong}
    elif "session_token" in options:
        wrong = Credentials(ours.access_key, ours.secret_key, options["session_token"])
        options = {"credentials": wrong}
    answer = imagex.generate(**options)

    assert (status, code) == (answer.status, answer.error["Code"])
    assert [code] == imagex.outcomes()
    assert [] == imagex.billing.charges()


def test_temporary_keys_are_valid_with_their_session_token(imagex: World) -> None:
    assert 200 == imagex.generate(credentials=imagex.keys.issue(temporary=True)).status


def test_a_key_that_was_revoked_is_none(imagex: World) -> None:
    imagex.keys.revoke(imagex.credentials.access_key)

    assert "InvalidAccessKey" == imagex.paint().error["Code"]


def test_every_answer_has_one_date_and_it_is_the_applications(imagex: World) -> None:
    for answer in (imagex.paint(), imagex.get(imagex.server.address)):
        assert "Sun, 15 Jun 2025 15:06:40 GMT" == answer.headers["date"]


@pytest.mark.parametrize(
    ("method", "action", "version", "code"),
    [
        ("GET", "GetCVImageGenerateResult", "2023-05-01", "MethodNotAllowed"),
        ("POST", "GetImageStorageFiles", "2018-08-01", "MethodNotAllowed"),
        ("POST", "GetCVImageGenerateResult", "2018-08-01", "InvalidActionOrVersion"),
        ("GET", "GetWeather", "2018-08-01", "InvalidActionOrVersion"),
        ("GET", "", "", "InvalidActionOrVersion"),
    ],
)
def test_an_action_is_called_as_it_is_documented_or_not_at_all(
    imagex: World, method: str, action: str, version: str, code: str
) -> None:
    answer = imagex.send(method, {"Action": action, "Version": version})

    assert code == answer.error["Code"]


@pytest.fixture
def official(
    imagex: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[ImagexService]:
    # It reads keys from the environment and from the home folder.
    for name in ("VOLC_ACCESSKEY", "VOLC_SECRETKEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    client = ImagexService()
    # Its settings are one table for the whole process.
    info = client.service_info
    host, scheme = info.host, info.scheme
    client.set_host(imagex.host)
    client.set_scheme("http")
    client.set_ak(imagex.credentials.access_key)
    client.set_sk(imagex.credentials.secret_key)
    client.set_session_token("")
    client.set_socket_timeout(40)
    # It signs by the system's clock.
    imagex.clock.at = __import__("time").time()
    yield client
    client.session.close()
    client.set_host(host)
    client.set_scheme(scheme)


def test_the_official_client_generates_and_finds_the_output(
    imagex: World, official: ImagexService
) -> None:
    made = official.get_cv_image_generate_result(
        query={"ServiceId": SERVICE}, body=body(ImageUrl=imagex.source)
    )
    found = official.get_image_storage_files(
        query={"ServiceId": SERVICE, "Prefix": "out/", "Limit": 10}
    )

    [item] = found["Result"]["Items"]
    assert made["Result"]["StoreUris"] == [item["StoreUri"]]
    assert ["OK", "OK"] == imagex.outcomes()


def test_the_official_client_reads_the_service_and_its_templates(official: ImagexService) -> None:
    service = official.get_image_service(query={"ServiceId": SERVICE})["Result"]
    templates = official.get_all_image_templates(
        query={"ServiceId": SERVICE, "TemplateNamePattern": "tplv-abc123-test", "Limit": 100}
    )["Result"]["Templates"]

    assert [DOMAIN] == [shown["DomainName"] for shown in service["DomainInfos"]]
    assert ["tplv-abc123-test"] == [template["TemplateName"] for template in templates]


def test_the_official_client_works_with_a_session_token(
    imagex: World, official: ImagexService
) -> None:
    keys = imagex.keys.issue(temporary=True)
    official.set_ak(keys.access_key)
    official.set_sk(keys.secret_key)
    official.set_session_token(keys.session_token)

    services = official.get_all_image_services(query={})
    assert SERVICE == services["Result"]["Services"][0]["ServiceId"]


def test_the_official_client_is_told_what_is_wrong(imagex: World, official: ImagexService) -> None:
    with pytest.raises(Exception, match=r"InvalidParameter\.Outputs") as raised:
        official.get_cv_image_generate_result(
            query={"ServiceId": SERVICE}, body=body(Outputs=["two words"])
        )

    assert b"with a space" in raised.value.args[0]
    assert [] == imagex.billing.charges()


def test_the_service_says_nothing_on_the_log(
    imagex: World, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="uvicorn.error"):
        imagex.paint()
        imagex.paint()

    assert [] == caplog.messages


@pytest.mark.parametrize("size", [1, 3])
def test_the_book_can_be_read_while_it_is_written(tmp_path: Path, size: int) -> None:
    with (
        world(tmp_path, paint=lambda *_: picture()) as imagex,
        closing(BillingRecords(tmp_path)) as other,
    ):
        for number in range(size):
            imagex.paint(f"n{number}")

        assert imagex.billing.charges() == other.charges()
