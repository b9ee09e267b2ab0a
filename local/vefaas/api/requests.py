"""The requests of the control plane's actions, checked as the platform documents them.

Parameters are required as in the official client's models; ranges are those of document
6662/1262132. An unknown parameter is refused: the real platform may ignore it, and so hide a
mistake.
"""

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.alias_generators import to_pascal

from local.vefaas.api.errors import invalid, missing

_INERT = frozenset(
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
"""Parameters without an effect here; they are kept and returned as they were given."""

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
    """The project and topic that collect the function's log."""

    enable_log: bool = False
    tls_project_id: str | None = None
    tls_topic_id: str | None = None


class FunctionSettings(Request):
    """The settings of a function that can be changed."""

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
    def _is_known(self) -> "FunctionSettings":
        if unknown := sorted(set(self.model_extra or {}) - _INERT):
            raise ValueError(f"{unknown[0]} is no parameter of this action")
        return self

    def config(self) -> dict[str, Any]:
        """Return the given settings, apart from the code, under the platform's names."""
        given = self.model_dump(by_alias=True, exclude_none=True)
        return {key: value for key, value in given.items() if key not in _NOT_CONFIG}


_NOT_CONFIG = frozenset({"Id", "Name", "Runtime", "Source"})


class CreateFunction(FunctionSettings):
    """Create a function; its name and runtime can never be changed."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{4,64}$")
    runtime: str = Field(pattern=r"^python3\.\d{1,2}/v1$")


class UpdateFunction(FunctionSettings):
    """Change the code and settings of the next release."""

    id: Text


class ById(Request):
    """An action on a function, which it names by `Id`."""

    id: Text


class OfFunction(Request):
    """An action on a function, which it names by `FunctionId`."""

    function_id: Text


class Filter(Request):
    """Select the items whose property `name` has one of the values."""

    name: str
    values: list[str]


class Page(Request):
    """Select a page of a list."""

    page_number: int = Field(default=1, ge=1)
    page_size: int = Field(default=10, ge=1, le=100)
    filters: list[Filter] = []


class ListOfFunction(Page):
    """List what belongs to a function."""

    function_id: Text


class OrderBy(Request):
    """The order of a list."""

    key: str = "CreateTime"
    ascend: bool = False


class ListReleaseRecords(ListOfFunction):
    """List a function's releases."""

    order_by: OrderBy = OrderBy()


class GetCodeUploadAddress(OfFunction):
    """Get the address for a zip of so many bytes."""

    content_length: int = Field(ge=1)


class Release(OfFunction):
    """Release a revision; 0 makes one of the function as it is now."""

    revision_number: Number
    description: str = Field(default="", max_length=1000)
    max_instance: Number | None = None
    min_instance: Number | None = None
    rolling_step: int | None = Field(default=None, ge=1, le=100)
    target_traffic_weight: int | None = Field(default=None, ge=0, le=100)


class GetRevision(OfFunction):
    """Get one revision; 0 is the function as it is now."""

    revision_number: Number


class UpdateFunctionResource(OfFunction):
    """Set how many instances a function has at least and at most."""

    max_instance: Number | None = None
    min_instance: Number | None = None
    idle_instance: Number | None = None
    reserved_frozen_instance: Number | None = None


class TimerSettings(OfFunction):
    """The settings of a timer that can be changed."""

    crontab: Text | None = None
    description: str | None = None
    enable_concurrency: bool | None = None
    enabled: bool | None = None
    payload: str | None = None
    retries: Number | None = None


class CreateTimer(TimerSettings):
    """Create a timer."""

    crontab: Text
    name: Text


class UpdateTimer(TimerSettings):
    """Change a timer."""

    id: Text


class OfTimer(OfFunction):
    """An action on a timer."""

    id: Text


class GetFunctionInstanceLogs(OfFunction):
    """Get the newest lines of an instance."""

    name: Text
    limit: int | None = Field(default=None, ge=1)


R = TypeVar("R", bound=Request)


def read(model: type[R], document: Any) -> R:
    """Read a request's body. Raises ApiError with the first parameter that is not valid."""
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
