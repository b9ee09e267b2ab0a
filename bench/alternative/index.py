"""The obvious alternative: the official examples, carried on and written well, in one file.

It has the official clients (`tos`, `volcengine`), with a client timeout that is long enough, typed
models and a JSON log. It raises what fails, and the platform delivers the event again. Without a
ledger, it cannot know which uploads were paid for already.
"""

import json
import os
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
import tos
from pydantic import BaseModel, Field
from volcengine.imagex.v2.imagex_service import ImagexService

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
ROLE_FILE = "/var/run/secrets/iam/credential"

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
)
log = structlog.get_logger()


class Settings(BaseModel):
    """The function's settings, from its environment."""

    service_id: str = Field(alias="VEIMAGEX_SERVICE_ID")
    domain: str = Field(alias="VEIMAGEX_DOMAIN")
    template: str = Field(alias="VEIMAGEX_TEMPLATE")
    imagex_endpoint: str = Field(
        default="https://imagex.volcengineapi.com", alias="VEIMAGEX_ENDPOINT"
    )
    tos_endpoint: str = Field(default="https://tos-cn-beijing.volces.com", alias="TOS_ENDPOINT")
    tos_region: str = Field(default="cn-beijing", alias="TOS_REGION")
    credential_file: Path = Field(default=Path(ROLE_FILE), alias="REPAINT_CREDENTIAL_FILE")


class RoleKey(BaseModel):
    """The temporary key of the function's role."""

    access_key_id: str
    secret_access_key: str
    session_token: str


class ReqJson(BaseModel):
    """The model's request."""

    req_key: str = "i2i_xl_sft"
    image_urls: list[str]
    prompt: str
    seed: int = -1
    ddim_step: int = Field(default=20, ge=1, le=50)
    scale: float = Field(default=7.0, ge=1, le=30)


class Body(BaseModel):
    """The body of the call."""

    Domain: str
    Template: str
    Outputs: list[str]
    ImageUrl: str
    ModelAction: str = "Img2ImgXLSft"
    ModelVersion: str = "2022-08-31"
    ReqJson: ReqJson


@cache
def settings() -> Settings:
    """Read the settings once."""
    return Settings.model_validate(dict(os.environ))


@cache
def clients() -> tuple[tos.TosClientV2, ImagexService]:
    """Make the two clients once."""
    wanted = settings()
    key = RoleKey.model_validate_json(wanted.credential_file.read_bytes())
    storage = tos.TosClientV2(
        key.access_key_id,
        key.secret_access_key,
        wanted.tos_endpoint,
        wanted.tos_region,
        security_token=key.session_token,
    )
    imagex = ImagexService()
    endpoint = urlsplit(wanted.imagex_endpoint)
    imagex.set_host(endpoint.netloc)
    imagex.set_scheme(endpoint.scheme)
    imagex.set_ak(key.access_key_id)
    imagex.set_sk(key.secret_access_key)
    imagex.set_session_token(key.session_token)
    imagex.set_socket_timeout(40)  # its default of 10 seconds is shorter than a generation
    return storage, imagex


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Repaint every uploaded image of an event."""
    results = []
    for entry in event["data"]["events"]:
        bucket = entry["tos"]["bucket"]["name"]
        key = entry["tos"]["object"]["key"]
        with structlog.contextvars.bound_contextvars(
            request_id=context.request_id, bucket=bucket, key=key
        ):
            if key.lower().endswith(SUFFIXES):
                results.append(repaint(bucket, key))
            else:
                log.info("upload.skipped", reason="not an image")
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"results": results}, ensure_ascii=False),
    }


def repaint(bucket: str, key: str) -> dict[str, Any]:
    """Have one image repainted; return and log where the result is."""
    storage, imagex = clients()
    head = storage.head_object(bucket, key)
    meta = {name.lower(): value for name, value in head.meta.items()}
    if "prompt" not in meta:
        log.info("upload.skipped", reason="no prompt")
        return {"bucket": bucket, "key": key, "status": "skipped"}
    source = storage.pre_signed_url(
        tos.HttpMethodType.Http_Method_Get, bucket, key, expires=600
    ).signed_url
    options = {"seed": "seed", "steps": "ddim_step", "scale": "scale"}
    body = Body(
        Domain=settings().domain,
        Template=settings().template,
        Outputs=[f"repaint/{uuid4().hex}"],
        ImageUrl=source,
        ReqJson=ReqJson(
            image_urls=[source],
            prompt=meta["prompt"],
            **{field: meta[name] for name, field in options.items() if name in meta},
        ),
    )
    log.info("generation.started", prompt=meta["prompt"])
    try:
        answer = imagex.get_cv_image_generate_result(
            query={"ServiceId": settings().service_id}, body=body.model_dump()
        )
    except Exception:
        log.exception("generation.failed")
        raise
    result = answer["Result"]
    if not result["ImageUrls"]:
        log.error("generation.failed", answer=result.get("RespJson"))
        raise RuntimeError(f"No image was made of {bucket}/{key}: {result.get('RespJson')}")
    log.info("image.generated", image_urls=result["ImageUrls"], store_uris=result["StoreUris"])
    return {
        "bucket": bucket,
        "key": key,
        "status": "generated",
        "image_urls": result["ImageUrls"],
        "store_uris": result["StoreUris"],
    }
