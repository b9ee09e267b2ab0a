"""The official SDK, unchanged, works with the local veImageX."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from volcengine.imagex.v2.imagex_service import ImagexService

from tests.local.imagex.client import (
    DOMAIN,
    SERVICE,
    World,
    body,
)


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


def test_generate(imagex: World, official: ImagexService) -> None:
    """The official SDK generates and finds the output."""
    made = official.get_cv_image_generate_result(
        query={"ServiceId": SERVICE}, body=body(ImageUrl=imagex.source)
    )
    found = official.get_image_storage_files(
        query={"ServiceId": SERVICE, "Prefix": "out/", "Limit": 10}
    )

    [item] = found["Result"]["Items"]
    assert made["Result"]["StoreUris"] == [item["StoreUri"]]
    assert ["OK", "OK"] == imagex.outcomes()


def test_read(official: ImagexService) -> None:
    """The official SDK reads the service and its templates."""
    service = official.get_image_service(query={"ServiceId": SERVICE})["Result"]
    templates = official.get_all_image_templates(
        query={"ServiceId": SERVICE, "TemplateNamePattern": "tplv-abc123-test", "Limit": 100}
    )["Result"]["Templates"]

    assert [DOMAIN] == [shown["DomainName"] for shown in service["DomainInfos"]]
    assert ["tplv-abc123-test"] == [template["TemplateName"] for template in templates]


def test_session_token(imagex: World, official: ImagexService) -> None:
    """The official SDK works with a session token."""
    keys = imagex.keys.issue(temporary=True)
    official.set_ak(keys.access_key)
    official.set_sk(keys.secret_key)
    official.set_session_token(keys.session_token)

    services = official.get_all_image_services(query={})
    assert SERVICE == services["Result"]["Services"][0]["ServiceId"]


def test_error(imagex: World, official: ImagexService) -> None:
    """The official SDK raises the name of the invalid field."""
    with pytest.raises(Exception, match=r"InvalidParameter\.Outputs") as raised:
        official.get_cv_image_generate_result(
            query={"ServiceId": SERVICE}, body=body(Outputs=["two words"])
        )

    assert b"with a space" in raised.value.args[0]
    assert [] == imagex.billing.charges()
