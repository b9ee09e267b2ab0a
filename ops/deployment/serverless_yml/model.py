"""The shape of serverless.yml. Its JSON Schema, which editors read, is made from this.

Variables have their values by the time that the file is held against it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from ops.deployment.serverless_yml.rules import (
    CREATED,
    RUNTIME,
    SAID,
    AnyText,
    Bucket,
    Concurrency,
    Environment,
    Handler,
    Memory,
    Name,
    ObjectEvents,
    Prefix,
    Rate,
    Runtime,
    Suffixes,
    Text,
    Timeout,
    Trn,
    VariableName,
    http_group,
    say,
    schedule_group,
)
from ops.deployment.serverless_yml.variables import DEFAULT_STAGE
from shared.clients.tos import REGION_NAME
from shared.settings import DEFAULT_TOS_REGION

DEFAULT_MEMORY_MB = 512
DEFAULT_TIMEOUT_SECONDS = 120
DEFAULT_CONCURRENCY = 10


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TosPart(_Part):
    """Call the function for what happens to a bucket's objects."""

    bucket: Bucket = Field(
        description="The bucket. It has to be there, in the provider's region.", examples=["photos"]
    )
    events: Annotated[ObjectEvents, Field(min_length=1)] = Field(
        default=[CREATED],
        description="What has to happen: tos:ObjectCreated:* is every way to upload; one alone is "
        "tos:ObjectCreated:Put, Post, Copy, Fetch, Origin or CompleteUpload.",
        examples=[[CREATED]],
    )
    prefix: Prefix = Field(
        default="",
        description="Only objects whose key begins so. Not what the ledger or outputs begin with.",
        examples=["uploads/"],
    )
    suffix: Annotated[Suffixes, Field(min_length=1)] = Field(
        default=[""],
        description="Only objects whose key ends so; a list for several. Each makes one of the at "
        "most 10 rules of a bucket. Usually not needed: the functions leave other files alone.",
        examples=[".png", [".jpg", ".png"]],
    )


class HttpPart(_Part):
    """Call the function for requests that come through an API gateway."""

    path: AnyText = Field(
        default="/", description="The path that the gateway sends on.", examples=["/"]
    )
    method: Annotated[Literal["ANY", "GET", "POST"], say("write ANY, GET or POST")] = Field(
        default="ANY", description="The method that it sends on; ANY is all."
    )


class SchedulePart(_Part):
    """Call the function at set times."""

    rate: Rate = Field(
        description="rate(5 minutes), or a crontab line of five fields: minute, hour, day, month, "
        "weekday.",
        examples=["*/1 * * * *"],
    )
    enabled: Annotated[bool, say("write true or false")] = Field(
        default=True, description="false keeps the timer and lets it rest."
    )


class EventPart(_Part):
    """What calls a function: one of tos, http and schedule."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    tos: TosPart | None = Field(default=None, description=TosPart.__doc__)
    http: (
        Annotated[
            HttpPart,
            BeforeValidator(
                http_group,
                json_schema_input_type=Literal[True] | HttpPart,
            ),
        ]
        | None
    ) = Field(
        default=None,
        description=f"{HttpPart.__doc__} `true` sends on everything. The gateway itself is made "
        "in its console.",
        examples=[True],
    )
    schedule: (
        Annotated[
            SchedulePart,
            BeforeValidator(
                schedule_group,
                json_schema_input_type=Rate | SchedulePart,
            ),
        ]
        | None
    ) = Field(default=None, description=SchedulePart.__doc__, examples=["*/1 * * * *"])

    @model_validator(mode="after")
    def _one(self) -> "EventPart":
        if sum(part is not None for part in (self.tos, self.http, self.schedule)) != 1:
            raise PydanticCustomError(SAID, "write one of tos, http and schedule in each event")
        return self


class IamPart(_Part):
    """As whom the functions call object storage and veImageX."""

    role: Trn | None = Field(
        default=None,
        description="The TRN of the functions' role; `repaint policy` prints what it needs.",
        examples=["trn:iam::2100000000:role/repaint"],
    )


class LogsPart(_Part):
    """Where the functions' log goes: a topic of the log service (TLS)."""

    project: Text = Field(description="The id of the log project.", examples=["<project id>"])
    topic: Text = Field(description="The id of the log topic.", examples=["<topic id>"])


class _Common(_Part):
    """What the provider says for all functions, and a function may say for itself."""

    runtime: Runtime | None = Field(
        default=None, description="The platform's Python.", examples=[RUNTIME]
    )
    memory_size: Memory | None = Field(
        default=None,
        alias="memorySize",
        description="Memory of one instance in MiB, 512 to 4096 in steps of 512. Pictures are "
        f"never loaded, {DEFAULT_MEMORY_MB} suffice.",
        examples=[DEFAULT_MEMORY_MB],
    )
    timeout: Timeout | None = Field(
        default=None,
        description="Seconds that one call may take, 1 to 900. A generation takes up to 35, and "
        "is not begun where less is left.",
        examples=[DEFAULT_TIMEOUT_SECONDS],
    )
    max_concurrency: Concurrency | None = Field(
        default=None,
        alias="maxConcurrency",
        description="How many requests one instance takes at a time: 1, or 10 to 1000.",
        examples=[DEFAULT_CONCURRENCY],
    )
    environment: Environment = Field(
        default={},
        description="Environment variables: the settings of the README. Secrets come from "
        "${env:NAME}, never from this file. `${env:NAME, null}` leaves a variable out.",
        examples=[{"VEIMAGEX_SERVICE_ID": "${env:VEIMAGEX_SERVICE_ID}"}],
    )


class FunctionPart(_Common):
    """One function. What it does not say is the provider's."""

    handler: Handler = Field(
        description="<folder>/index.handler: the function `handler` in the folder's index.py.",
        examples=["functions/upload/index.handler"],
    )
    events: list[EventPart] = Field(
        default=[], description="What calls it.", examples=[[{"schedule": "*/1 * * * *"}]]
    )


class ProviderPart(_Common):
    """The platform, and what holds for every function."""

    name: Annotated[Literal["volcengine"], say("write volcengine: nothing else is deployed to")] = (
        Field(description="The cloud: volcengine.", examples=["volcengine"])
    )
    region: Annotated[
        str, Field(pattern=REGION_NAME.pattern), say("write a region such as cn-beijing")
    ] = Field(
        default=DEFAULT_TOS_REGION,
        description="Where the functions run; the buckets have to be there as well.",
        examples=[DEFAULT_TOS_REGION],
    )
    stage: Name = Field(
        default=DEFAULT_STAGE,
        description="Part of the functions' names, so that several deployments can stand beside "
        "each other. --stage goes before it.",
        examples=[DEFAULT_STAGE],
    )
    iam: IamPart | None = Field(default=None, description=IamPart.__doc__)
    logs: LogsPart | None = Field(default=None, description=LogsPart.__doc__)
    secrets: list[VariableName] = Field(
        default=[],
        description="More environment variables whose values are never shown. Those that have "
        "SECRET, TOKEN, PASSWORD or KEY in their names never are.",
        examples=[["REPAINT_WEBHOOK_URL"]],
    )


class PackagePart(_Part):
    """What is packed with the functions."""

    patterns: list[Text] = Field(
        default=[],
        description="Files beside the functions' own folder and shared/, as globs from this file's "
        "folder; with ! in front they are left out.",
        examples=[["presets.json"]],
    )


class FilePart(_Part):
    """serverless.yml: what is deployed to veFaaS, and what calls it."""

    service: Name = Field(
        description="The name of the whole: the functions are called <service>-<stage>-<function>.",
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
