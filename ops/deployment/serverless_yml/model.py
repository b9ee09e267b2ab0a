"""The model of serverless.yml, and with each rule how to fix a value that breaks it.

The file is validated after its variables have their values. The JSON Schema, which editors read, is
generated from this model.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ops.deployment.serverless_yml.schedule import as_crontab
from ops.deployment.serverless_yml.variables import DEFAULT_STAGE
from shared.clients.tos import BUCKET_NAME, REGION_NAME
from shared.settings import DEFAULT_TOS_REGION

FIX = "fix"
"""The type of an error whose message is how to fix the value."""
RUNTIME = "python3.12/v1"
CREATED = "tos:ObjectCreated:*"
DEFAULT_MEMORY_MB = 512
DEFAULT_TIMEOUT_SECONDS = 120
DEFAULT_CONCURRENCY = 10


def _fix(text: str) -> WrapValidator:
    """Replace an error's message by `text`; a ValueError's own message has precedence."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            own = error.errors()[0].get("ctx", {}).get("error")
            raise PydanticCustomError(FIX, "{fix}", {"fix": str(own or text)}) from None

    return WrapValidator(check)


def _spelled(value: Any) -> Any:
    """Return numbers, true and false as they are written in the file."""
    return str(value).lower() if isinstance(value, (bool, int)) else value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _http_group(value: Any) -> Any:
    """Return `true` as an empty group."""
    if value is not True and not isinstance(value, dict):
        raise PydanticCustomError(FIX, "write true, or path: and method: below it")
    return {} if value is True else value


def _schedule_group(value: Any) -> Any:
    """Return a text as a group with that rate."""
    if not isinstance(value, (str, dict)):
        raise PydanticCustomError(FIX, "write a schedule such as '*/5 * * * *'")
    return {"rate": value} if isinstance(value, str) else value


Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$"),
    _fix("write letters, digits, - and _, beginning with a letter"),
]
_TEXT = _fix("write a text; put what looks like a number in quotes")
AnyText = Annotated[str, _TEXT]
Text = Annotated[str, Field(min_length=1), _TEXT]
Prefix = Annotated[
    str,
    Field(pattern=r"^([^*?/][^*?]*)?$"),
    _fix("write the beginning of keys, without * or ? and without a leading /, such as uploads/"),
]
Suffix = Annotated[
    str, Field(pattern=r"^[^*?]*$"), _fix("write the end of keys, without * or ?, such as .png")
]
VariableName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"),
    _fix("write at most 63 letters, digits and _, not beginning with a digit"),
]
VariableValue = Annotated[
    str,
    BeforeValidator(_spelled, json_schema_input_type=str | int | float | bool),
    _fix("write one text; put JSON in single quotes"),
]
Environment = dict[VariableName, VariableValue]
Handler = Annotated[
    str,
    Field(pattern=r"^[\w-]+(/[\w-]+)*/index\.handler$"),
    _fix("write <folder>/index.handler: the platform accepts no other name for either"),
]
Trn = Annotated[
    str,
    Field(pattern=r"^trn:iam::[^:\s]+:role/\S+$"),
    _fix("write trn:iam::<account id>:role/<name of the role>"),
]
Runtime = Annotated[
    Literal["python3.12/v1"],
    _fix(f"write {RUNTIME}: the platform's other Pythons, 3.8 and 3.9, are too old for this code"),
]
Memory = Annotated[
    int,
    Field(ge=512, le=4096, multiple_of=512),
    _fix("write MiB from 512 to 4096 in steps of 512"),
]
Timeout = Annotated[int, Field(ge=1, le=900), _fix("write seconds from 1 to 900")]
# 1 is the platform's exclusive mode; else it accepts 10 to 1000 (6662/1327341).
Concurrency = Annotated[
    Literal[1] | Annotated[int, Field(ge=10, le=1000)],
    _fix("write 1, or a whole number from 10 to 1000"),
]
Region = Annotated[
    str, Field(pattern=REGION_NAME.pattern), _fix("write a region such as cn-beijing")
]
Bucket = Annotated[
    str,
    Field(pattern=BUCKET_NAME.pattern),
    _fix("write 3 to 63 lower-case letters, digits and -, neither beginning nor ending with -"),
]
ObjectEvent = Annotated[
    str,
    Field(pattern=r"^tos:Object(Created|Removed):(\*|[A-Za-z]+)$"),
    _fix(f"write {CREATED}, or one kind such as tos:ObjectCreated:Put"),
]
ObjectEvents = Annotated[
    list[ObjectEvent],
    BeforeValidator(_listed, json_schema_input_type=ObjectEvent | list[ObjectEvent]),
]
Suffixes = Annotated[
    list[Suffix], BeforeValidator(_listed, json_schema_input_type=Suffix | list[Suffix])
]
Rate = Annotated[
    str,
    AfterValidator(as_crontab),
    Field(
        json_schema_extra={
            "pattern": r"^(rate\(\d+ (minute|hour|day)s?\)|(cron\()?[\d*,/-]+(\s+[\d*,/-]+){4}\)?)$"
        }
    ),
    _fix("write a schedule such as '*/5 * * * *'"),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TosPart(_Part):
    """Call the function for changes to a bucket's objects."""

    bucket: Bucket = Field(
        description="The bucket. It must exist, in the provider's region.", examples=["photos"]
    )
    events: Annotated[ObjectEvents, Field(min_length=1)] = Field(
        default=[CREATED],
        description="The changes: tos:ObjectCreated:* is every kind of upload; one kind alone is "
        "tos:ObjectCreated:Put, Post, Copy, Fetch, Origin or CompleteUpload.",
        examples=[[CREATED]],
    )
    prefix: Prefix = Field(
        default="",
        description="Only objects whose key begins with this. Not the prefix of the ledger or of "
        "outputs.",
        examples=["uploads/"],
    )
    suffix: Annotated[Suffixes, Field(min_length=1)] = Field(
        default=[""],
        description="Only objects whose key ends with this; a list for several. Each makes one of "
        "the at most 10 rules of a bucket. Usually not needed: the functions ignore other files.",
        examples=[".png", [".jpg", ".png"]],
    )


class HttpPart(_Part):
    """Call the function for requests through an API gateway."""

    path: AnyText = Field(
        default="/", description="The path that the gateway forwards.", examples=["/"]
    )
    method: Annotated[Literal["ANY", "GET", "POST"], _fix("write ANY, GET or POST")] = Field(
        default="ANY", description="The method that the gateway forwards; ANY is every method."
    )


class SchedulePart(_Part):
    """Call the function at fixed times."""

    rate: Rate = Field(
        description="rate(5 minutes), or a crontab line of five fields: minute, hour, day, month, "
        "weekday.",
        examples=["*/1 * * * *"],
    )
    enabled: Annotated[bool, _fix("write true or false")] = Field(
        default=True, description="false keeps the timer and disables it."
    )


class EventPart(_Part):
    """A trigger of a function: one of tos, http and schedule."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    tos: TosPart | None = Field(default=None, description=TosPart.__doc__)
    http: (
        Annotated[
            HttpPart, BeforeValidator(_http_group, json_schema_input_type=Literal[True] | HttpPart)
        ]
        | None
    ) = Field(
        default=None,
        description=f"{HttpPart.__doc__} `true` forwards everything. The gateway itself is created "
        "in its console.",
        examples=[True],
    )
    schedule: (
        Annotated[
            SchedulePart,
            BeforeValidator(_schedule_group, json_schema_input_type=Rate | SchedulePart),
        ]
        | None
    ) = Field(default=None, description=SchedulePart.__doc__, examples=["*/1 * * * *"])

    @model_validator(mode="after")
    def _one(self) -> "EventPart":
        if sum(part is not None for part in (self.tos, self.http, self.schedule)) != 1:
            raise PydanticCustomError(FIX, "write one of tos, http and schedule in each event")
        return self


class IamPart(_Part):
    """The functions' permissions for object storage and veImageX."""

    role: Trn | None = Field(
        default=None,
        description="The TRN of the functions' role; `repaint policy` prints its policy.",
        examples=["trn:iam::2100000000:role/repaint"],
    )


class LogsPart(_Part):
    """The destination of the functions' log: a topic of the log service (TLS)."""

    project: Text = Field(description="The id of the log project.", examples=["<project id>"])
    topic: Text = Field(description="The id of the log topic.", examples=["<topic id>"])


class _Common(_Part):
    """The provider's settings for all functions, which a function may override."""

    runtime: Runtime | None = Field(
        default=None, description="The platform's Python.", examples=[RUNTIME]
    )
    memory_size: Memory | None = Field(
        default=None,
        alias="memorySize",
        description="Memory of one instance in MiB, 512 to 4096 in steps of 512. Images are never "
        f"loaded: {DEFAULT_MEMORY_MB} suffice.",
        examples=[DEFAULT_MEMORY_MB],
    )
    timeout: Timeout | None = Field(
        default=None,
        description="Seconds that one invocation may take, 1 to 900. A generation takes up to 35, "
        "and does not start if less time is left.",
        examples=[DEFAULT_TIMEOUT_SECONDS],
    )
    max_concurrency: Concurrency | None = Field(
        default=None,
        alias="maxConcurrency",
        description="Requests that one instance handles at the same time: 1, or 10 to 1000.",
        examples=[DEFAULT_CONCURRENCY],
    )
    environment: Environment = Field(
        default={},
        description="Environment variables: the settings of the README. Secrets come from "
        "${env:NAME}, never from this file. `${env:NAME, null}` leaves a variable out.",
        examples=[{"VEIMAGEX_SERVICE_ID": "${env:VEIMAGEX_SERVICE_ID}"}],
    )


class FunctionPart(_Common):
    """One function. The provider's settings apply, unless it has its own."""

    handler: Handler = Field(
        description="<folder>/index.handler: the function `handler` in the folder's index.py.",
        examples=["functions/upload/index.handler"],
    )
    events: list[EventPart] = Field(
        default=[], description="Its triggers.", examples=[[{"schedule": "*/1 * * * *"}]]
    )


class ProviderPart(_Common):
    """The platform, and the settings for every function."""

    name: Annotated[Literal["volcengine"], _fix("write volcengine, the only one supported")] = (
        Field(description="The cloud: volcengine.", examples=["volcengine"])
    )
    region: Region = Field(
        default=DEFAULT_TOS_REGION,
        description="The region of the functions; the buckets must be in it as well.",
        examples=[DEFAULT_TOS_REGION],
    )
    stage: Name = Field(
        default=DEFAULT_STAGE,
        description="Part of the functions' names, so that there can be several deployments. "
        "--stage overrides it.",
        examples=[DEFAULT_STAGE],
    )
    iam: IamPart | None = Field(default=None, description=IamPart.__doc__)
    logs: LogsPart | None = Field(default=None, description=LogsPart.__doc__)
    secrets: list[VariableName] = Field(
        default=[],
        description="More environment variables whose values are never shown. Those with SECRET, "
        "TOKEN, PASSWORD or KEY in their names never are.",
        examples=[["REPAINT_WEBHOOK_URL"]],
    )


class PackagePart(_Part):
    """The files in the functions' zips beside the code."""

    patterns: list[Text] = Field(
        default=[],
        description="Files to add to the functions' own folder and shared/, as globs relative to "
        "this file's folder; a glob after ! excludes files.",
        examples=[["presets.json"]],
    )


class FilePart(_Part):
    """serverless.yml: the functions on veFaaS and their triggers."""

    service: Name = Field(
        description="The service's name: the functions are called <service>-<stage>-<function>.",
        examples=["repaint"],
    )
    provider: ProviderPart = Field(description=ProviderPart.__doc__)
    functions: Annotated[dict[Name, FunctionPart], Field(min_length=1)] = Field(
        description="The functions by their names.",
        examples=[{"upload": {"handler": "functions/upload/index.handler"}}],
    )
    package: PackagePart = Field(default=PackagePart(), description=PackagePart.__doc__)
    custom: dict[str, Any] = Field(
        default={},
        description="Values of your own, for ${self:custom.name}.",
        examples=[{"uploadBucket": "photos"}],
    )
