"""The actions that read."""

from pathlib import Path

import pytest

from tests.local.imagex.client import (
    DOMAIN,
    SERVICE,
    TEMPLATE,
    World,
    world,
)


def test_listing(imagex: World) -> None:
    """Files are listed by prefix and in pages."""
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
def test_invalid_listing(imagex: World, query: dict[str, str], code: str) -> None:
    """A listing with an invalid parameter is refused."""
    assert code == imagex.ask("GetImageStorageFiles", **query).error["Code"]


def test_upload_file(imagex: World) -> None:
    """A file is described; a missing one is an error."""
    imagex.paint()
    uri = f"tos-cn-i-{SERVICE}/out/one"

    found = imagex.ask("GetImageUploadFile", "2023-05-01", StoreUri=uri).result
    assert (uri, "image/png") == (found["StoreUri"], found["StorageContentType"])
    missing = imagex.ask("GetImageUploadFile", "2023-05-01", StoreUri=f"{uri}2")
    assert (404, "FileNotFound") == (missing.status, missing.error["Code"])


@pytest.mark.parametrize("template", [TEMPLATE, TEMPLATE.removesuffix(".image")])
def test_resource_url(imagex: World, template: str) -> None:
    """The URL of a resource serves it."""
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


def test_service(imagex: World) -> None:
    """The service describes itself, its domain and its template."""
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
def test_templates(imagex: World, query: dict[str, str], found: int, total: int) -> None:
    """Templates are listed by a part of their name and in pages."""
    result = imagex.ask("GetAllImageTemplates", **query).result

    assert (found, total) == (len(result["Templates"]), result["Total"])


@pytest.mark.parametrize(
    "query", [{"TemplateNamePattern": "tplv-a.image"}, {"Offset": "-1"}, {"Limit": "many"}]
)
def test_invalid_templates(imagex: World, query: dict[str, str]) -> None:
    """A listing of templates with an invalid parameter is refused."""
    [name] = query

    assert f"InvalidParameter.{name}" == imagex.ask("GetAllImageTemplates", **query).error["Code"]


def test_service_status(tmp_path: Path) -> None:
    """A service reports its own status and its domain's."""
    with world(tmp_path, service_status="禁用", domain_status="配置中") as imagex:
        service = imagex.ask("GetImageService").result

    assert "禁用" == service["ServiceStatus"]
    assert "配置中" == service["DomainInfos"][0]["Status"]
