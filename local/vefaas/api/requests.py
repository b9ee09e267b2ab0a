"""The requests of the control plane's actions, checked as the platform documents them.

Required is what the official client's models require; ranges are those of document 6662/1262132.
A parameter that is not known is refused: the real platform may ignore it, and so hide a mistake.
"""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_pascal

from local.vefaas.api.refusals import invalid, missing

INERT = frozenset(
    {
        "AsyncTaskConfig",
        "Cell",
        "Command",
        "CpuMilli",
        "CpuStrategy",
        "EfsMountConfig",
        "EnableApmplus",
        "EnableZTIToken",
        "InitializerSec",
        "InstanceType",
        "NasStorage",
        "Port",
        "ProjectName",
        "SourceAccessConfig",
        "Tags",
        "TosMountConfig",
        "VpcConfig",
    }
)
"""What a function is made with that changes nothing here; it is kept and told as it was given."""

Number = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]


class Request(BaseModel):
    """The body of one request."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_pascal)


class Env(Request):
    """One environment variable."""

    key: str = Field(min_length=1, max_length=63)
    value: str


class TlsConfig(Request):
    """Where the function's lines are collected."""

    enable_log: bool = False
    tls_project_id: str | None = None
    tls_topic_id: str | None = None


class Configured(Request):
    """What a function can be told when it is made and later."""

    model_config = ConfigDict(extra="allow")

    description: str | None = Field(default=None, max_length=1000)
    exclusive_mode: bool | None = None
    request_timeout: int | None = Field(default=None, ge=1, le=900)
    max_concurrency: int | None = Field(default=None, ge=10, le=1000)
    memory_mb: int | None = Field(default=None, alias="MemoryMB", ge=512, le=4096, multiple_of=512)
    envs: list[Env] | None = None
    role: str | None = None
    tls_config: TlsConfig | None = None
    source: str | None = None
    source_type: str | None = None

    @model_validator(mode="after")
    def _is_known(self) -> "Configured":
        if odd := sorted(set(self.model_extra or {}) - INERT):
            raise ValueError(f"{odd[0]} is no parameter of this action")
        return self

    def config(self) -> dict[str, Any]:
        """Return what was given, apart from the code, in the platform's words."""
        given = self.model_dump(by_alias=True, exclude_none=True)
        return {key: value for key, value in given.items() if key not in _NOT_CONFIG}


_NOT_CONFIG = frozenset({"Id", "Name", "Runtime", "Source"})


class CreateFunction(Configured):
    """Make a function; the three that come first can never be changed."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{4,64}$")
    runtime: str = Field(pattern=r"^python3\.\d{1,2}/v1$")


class UpdateFunction(Configured):
    """Change a function's latest code and settings, which the next release takes."""

    id: Text


class ById(Request):
    """Any action that needs no more than a function's id."""

    id: Text


class OfFunction(Request):
    """Any action that needs no more than the id of the function that it is about."""

    function_id: Text


class Filter(Request):
    """Only those whose property `name` has one of the values."""

    name: str
    values: list[str]


class ListFunctions(Request):
    """Ask for a page of the functions."""

    page_number: int = Field(default=1, ge=1)
    page_size: int = Field(default=10, ge=1, le=100)
    filters: list[Filter] = []


class ListOfFunction(ListFunctions):
    """Ask for a page of what a function has."""

    function_id: Text


class OrderBy(Request):
    """Which way a list is sorted."""

    key: str = "CreateTime"
    ascend: bool = False


class ListReleaseRecords(ListOfFunction):
    """Ask for a page of a function's releases."""

    order_by: OrderBy = OrderBy()


class GetCodeUploadAddress(OfFunction):
    """Ask where to put a zip of so many bytes."""

    content_length: int = Field(ge=1)


class Release(OfFunction):
    """Release a revision; 0 makes one of what the function is now."""

    revision_number: Number
    description: str = Field(default="", max_length=1000)
    max_instance: Number | None = None
    min_instance: Number | None = None
    rolling_step: int | None = Field(default=None, ge=1, le=100)
    target_traffic_weight: int | None = Field(default=None, ge=0, le=100)


class GetRevision(OfFunction):
    """Ask for one revision; 0 is what the function is now."""

    revision_number: Number


class UpdateFunctionResource(OfFunction):
    """Say how many instances a function has at least and at most."""

    max_instance: Number | None = None
    min_instance: Number | None = None
    idle_instance: Number | None = None
    reserved_frozen_instance: Number | None = None


class TimerSettings(OfFunction):
    """What a timer can be told when it is made and later."""

    crontab: Text | None = None
    description: str | None = None
    enable_concurrency: bool | None = None
    enabled: bool | None = None
    payload: str | None = None
    retries: Number | None = None


class CreateTimer(TimerSettings):
    """Make a timer."""

    crontab: Text
    name: Text


class UpdateTimer(TimerSettings):
    """Change a timer."""

    id: Text


class OfTimer(OfFunction):
    """Any action that needs no more than a timer's id."""

    id: Text


class GetFunctionInstanceLogs(OfFunction):
    """Ask for the newest lines of an instance."""

    name: Text
    limit: int | None = Field(default=None, ge=1)


R = TypeVar("R", bound=Request)


def read(model: type[R], document: Any) -> R:
    """Read a request's body. Raises Refusal that names the first parameter that is wrong."""
    if not isinstance(document, dict):
        raise invalid("body", "it must be a JSON object")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    parameter = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        raise missing(parameter)
    if first["type"] == "extra_forbidden":
        raise invalid(parameter, "it is no parameter of this action")
    raise invalid(parameter or "body", first["msg"].removeprefix("Value error, "))
