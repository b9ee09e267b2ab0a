"""Settings from the environment, checked once; every problem is reported at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
)

from shared.clients.credentials import ROLE_FILE
from shared.clients.http import is_loopback_or_address
from shared.clients.imagex_model import Prompt, Template, Text, output_name_problem
from shared.clients.tos import BUCKET_NAME, REGION_NAME
from shared.errors import SettingsError
from shared.signing import webhook_key
from shared.uploads.eligibility import SUPPORTED_SUFFIXES, Filter
from shared.uploads.instructions import Defaults
from shared.uploads.presets import Preset, read_presets, unknown_field

DEFAULT_TOS_REGION = "cn-beijing"
IMAGEX_ENDPOINTS = {
    "cn-north-1": "https://imagex.volcengineapi.com",
    "ap-southeast-1": "https://imagex.ap-southeast-1.volcengineapi.com",
}

_MAKE_ONE = (
    'make one: python -c "import base64, secrets; '
    "print('whsec_' + base64.b64encode(secrets.token_bytes(32)).decode())\""
)


def _check_endpoint(value: str) -> str:
    parts = urlsplit(value if "://" in value else f"https://{value}")
    _ = parts.port  # raises ValueError if it is invalid
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("a URL such as https://tos-cn-beijing.volces.com is needed")
    if parts.username or parts.password or parts.query or parts.path not in ("", "/"):
        raise ValueError("it must be a scheme and a host, without path, user or query")
    return f"{parts.scheme}://{parts.netloc}"


def _check_webhook_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    try:
        parts = urlsplit(url)
        is_url = parts.port != 0 and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        # The error's text would repeat a part of the URL, which may be a password.
        is_url = False
    if not (is_url and url.isascii() and url.isprintable()) or " " in url:
        raise ValueError("a URL such as https://example.com/repaint is needed")
    if parts.username or parts.password or parts.fragment:
        raise ValueError("it must have no user, password or fragment")
    if parts.scheme == "http" and not is_loopback_or_address(url):
        raise ValueError("begin it with https://; http:// is for localhost or an IP address only")
    return value


def _check_webhook_secret(value: SecretStr) -> SecretStr:
    try:
        webhook_key(value.get_secret_value())
    except ValueError as error:
        raise ValueError(f"{error}; {_MAKE_ONE}") from None
    return value


def _check_ledger(value: str) -> str:
    scheme, _, rest = value.partition("://")
    bucket, _, prefix = rest.partition("/")
    if (
        scheme == "tos"
        and BUCKET_NAME.fullmatch(bucket)
        and prefix.endswith("/")
        and not prefix.startswith("/")
    ):
        return value
    if scheme == "sqlite" and rest.startswith("/"):
        return value
    raise ValueError("write tos://bucket/prefix/ or sqlite:///absolute/path")


def _check_output_prefix(value: str) -> str:
    problem = output_name_problem(f"{value}{'0' * 32}-3")
    if problem:
        raise ValueError(f"an output's name that begins with it {problem}")
    return value


def _split(value: object) -> object:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Endpoint = Annotated[str, AfterValidator(_check_endpoint)]
Words = Annotated[tuple[str, ...], BeforeValidator(_split)]
Region = Annotated[str, StringConstraints(pattern=REGION_NAME.pattern)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """All settings. Each alias is the environment variable's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service_id: Text = Field(alias="VEIMAGEX_SERVICE_ID", description="the veImageX service's id")
    domain: Text = Field(alias="VEIMAGEX_DOMAIN", description="a domain bound to that service")
    template: Template = Field(
        alias="VEIMAGEX_TEMPLATE",
        description="the processing template, without '~', such as tplv-<service>-<name>.image",
    )
    region: Region = Field(default="cn-north-1", alias="VEIMAGEX_REGION")
    endpoint: Endpoint | None = Field(default=None, alias="VEIMAGEX_ENDPOINT")
    timeout_seconds: Seconds = Field(default=35.0, alias="VEIMAGEX_TIMEOUT_SECONDS")
    settle_seconds: Seconds = Field(default=35.0, alias="VEIMAGEX_SETTLE_SECONDS")
    tos_region: Region | None = Field(default=None, alias="TOS_REGION")
    tos_endpoint: Endpoint | None = Field(default=None, alias="TOS_ENDPOINT")
    tos_public_endpoint: Endpoint | None = Field(default=None, alias="TOS_PUBLIC_ENDPOINT")
    ledger: Annotated[str, AfterValidator(_check_ledger)] = Field(
        alias="REPAINT_LEDGER",
        description="the place of the records, the same for every function, such as "
        "tos://my-state-bucket/ledger/",
    )
    prefixes: Words = Field(default=(), alias="REPAINT_PREFIXES")
    suffixes: Annotated[Words, Field(min_length=1)] = Field(
        default=SUPPORTED_SUFFIXES, alias="REPAINT_SUFFIXES"
    )
    presets: Annotated[tuple[Preset, ...], BeforeValidator(read_presets)] = Field(
        default=(), alias="REPAINT_PRESETS"
    )
    default_prompt: Prompt | None = Field(default=None, alias="REPAINT_DEFAULT_PROMPT")
    output_prefix: Annotated[str, AfterValidator(_check_output_prefix)] = Field(
        default="repaint/", alias="REPAINT_OUTPUT_PREFIX"
    )
    max_qps: Annotated[float, Field(gt=0)] | None = Field(default=None, alias="REPAINT_MAX_QPS")
    daily_cap: Annotated[int, Field(ge=0)] | None = Field(default=None, alias="REPAINT_DAILY_CAP")
    deadline_seconds: Seconds = Field(default=120.0, alias="REPAINT_DEADLINE_SECONDS")
    http_tokens: Annotated[tuple[SecretStr, ...], BeforeValidator(_split)] = Field(
        default=(), alias="REPAINT_HTTP_TOKENS"
    )
    http_allow_http: bool = Field(default=False, alias="REPAINT_HTTP_ALLOW_HTTP")
    http_image_hosts: Words = Field(default=(), alias="REPAINT_HTTP_IMAGE_HOSTS")
    # The URL may have a token: it is as secret as the secret.
    webhook_url: Annotated[SecretStr, AfterValidator(_check_webhook_url)] | None = Field(
        default=None, alias="REPAINT_WEBHOOK_URL"
    )
    webhook_secret: Annotated[SecretStr, AfterValidator(_check_webhook_secret)] | None = Field(
        default=None, alias="REPAINT_WEBHOOK_SECRET"
    )
    credential_file: Path = Field(default=ROLE_FILE, alias="REPAINT_CREDENTIAL_FILE")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", alias="REPAINT_LOG_LEVEL"
    )

    def imagex_endpoint(self) -> str:
        """Return veImageX's endpoint: the configured one, else the region's."""
        return self.endpoint or IMAGEX_ENDPOINTS[self.region]

    def tos_endpoints(self, region: str) -> tuple[str, str]:
        """Return object storage's endpoint for our calls, and the one for veImageX's downloads.

        veImageX cannot reach a region's internal endpoint (`ivolces.com`); the public one differs
        in that letter.
        """
        endpoint = self.tos_endpoint or f"https://tos-{region}.volces.com"
        public = self.tos_public_endpoint or endpoint.replace("ivolces.com", "volces.com")
        return endpoint, public

    @property
    def upload_filter(self) -> Filter:
        """Which objects are uploads, by their keys."""
        scheme, _, place = self.ledger.partition("://")
        return Filter(self.prefixes, self.suffixes, place if scheme == "tos" else None)

    @property
    def defaults(self) -> Defaults:
        """The values that apply if an upload's metadata does not give them."""
        return Defaults(self.presets, self.default_prompt, self.template, self.output_prefix)


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings from `environment`; a variable that is empty counts as not set.

    Raises SettingsError with a sentence for every variable that is missing or invalid.
    """
    names = {field.alias for field in Settings.model_fields.values()}
    given: dict[str, str] = {k: v for k, v in environment.items() if k in names and v.strip()}
    limit = environment.get("_FAAS_FUNC_TIMEOUT", "")
    if "REPAINT_DEADLINE_SECONDS" not in given and limit.isdecimal():
        given["REPAINT_DEADLINE_SECONDS"] = limit
    problems = []
    region = given.get("VEIMAGEX_REGION", "cn-north-1")
    if region not in IMAGEX_ENDPOINTS and "VEIMAGEX_ENDPOINT" not in given:
        problems.append(
            f"VEIMAGEX_REGION is {region!r}: known are {', '.join(IMAGEX_ENDPOINTS)}; "
            "for another one set VEIMAGEX_ENDPOINT as well."
        )
    if "REPAINT_WEBHOOK_URL" in given and "REPAINT_WEBHOOK_SECRET" not in given:
        problems.append(
            "REPAINT_WEBHOOK_SECRET is not set: it signs the events that are sent to "
            f"REPAINT_WEBHOOK_URL; {_MAKE_ONE}."
        )
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        problems = _sentences(error) + problems
    if problems:
        raise SettingsError(problems)
    return settings


def _sentences(error: ValidationError) -> list[str]:
    """Return pydantic's errors as sentences, without the values: one may be a secret."""
    sentences = []
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name, *inside = (str(part) for part in problem["loc"])
        if problem["type"] == "missing" and not inside:
            description = next(
                f.description for f in Settings.model_fields.values() if f.alias == name
            )
            sentences.append(f"{name} is not set: it is {description}.")
            continue
        place = f" at {'.'.join(inside)}" if inside else ""
        if problem["type"] == "extra_forbidden":
            sentences.append(f"{name}{place} is wrong: {unknown_field(inside)}.")
            continue
        text = problem["msg"].removeprefix("Value error, ").rstrip(".")
        if problem["type"] == "model_type":
            text = "an object, between { and }, is needed"
        sentences.append(f"{name}{place} is wrong: {text[:1].lower()}{text[1:]}.")
    return sentences
