"""The values in serverless.yml, one rule each; beside it what to write where it is broken."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from ops.deployment.serverless_yml.schedule import as_crontab
from shared.clients.tos import BUCKET_NAME

SAID = "said"
"""The type of an error whose text is what to write instead."""
RUNTIME = "python3.12/v1"
CREATED = "tos:ObjectCreated:*"


def say(instead: str) -> WrapValidator:
    """Say `instead` where a value is none of the type; a ValueError's own text before that."""

    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError as error:
            own = error.errors()[0].get("ctx", {}).get("error")
            raise PydanticCustomError(SAID, "{said}", {"said": str(own or instead)}) from None

    return WrapValidator(check)


def _spelled(value: Any) -> Any:
    """Write numbers, true and false as they are written in the file."""
    return str(value).lower() if isinstance(value, (bool, int)) else value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def http_group(value: Any) -> Any:
    """Read `true` as a group in which nothing is said."""
    if value is not True and not isinstance(value, dict):
        raise PydanticCustomError(SAID, "write true, or path: and method: below it")
    return {} if value is True else value


def schedule_group(value: Any) -> Any:
    """Read a text as a group in which only the rate is said."""
    if not isinstance(value, (str, dict)):
        raise PydanticCustomError(SAID, "write a schedule such as '*/5 * * * *'")
    return {"rate": value} if isinstance(value, str) else value


Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$"),
    say("write letters, digits, - and _, a letter first"),
]
Text = Annotated[str, Field(min_length=1), say("write a text; what looks like a number in quotes")]
AnyText = Annotated[str, say("write a text; what looks like a number in quotes")]
Prefix = Annotated[
    str,
    Field(pattern=r"^([^*?/][^*?]*)?$"),
    say("write how keys begin, without * or ?, and without a / in front: uploads/"),
]
Suffix = Annotated[str, Field(pattern=r"^[^*?]*$"), say("write how keys end, without * or ?: .png")]
VariableName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"),
    say("write at most 63 letters, digits and _, no digit first"),
]
VariableValue = Annotated[
    str,
    BeforeValidator(_spelled, json_schema_input_type=str | int | float | bool),
    say("write one text; JSON in single quotes"),
]
Environment = dict[VariableName, VariableValue]
Handler = Annotated[
    str,
    Field(pattern=r"^[\w-]+(/[\w-]+)*/index\.handler$"),
    say("write <folder>/index.handler: the platform knows no other name for either"),
]
Trn = Annotated[
    str,
    Field(pattern=r"^trn:iam::[^:\s]+:role/\S+$"),
    say("write trn:iam::<account id>:role/<name of the role>"),
]
Runtime = Annotated[
    Literal["python3.12/v1"],
    say(f"write {RUNTIME}: the platform's other Pythons, 3.8 and 3.9, are too old for this code"),
]
Memory = Annotated[
    int,
    Field(ge=512, le=4096, multiple_of=512),
    say("write MiB from 512 to 4096 in steps of 512"),
]
Timeout = Annotated[int, Field(ge=1, le=900), say("write seconds from 1 to 900")]
# 1 is the platform's exclusive mode; beside that it takes 10 to 1000 (6662/1327341).
Concurrency = Annotated[
    Literal[1] | Annotated[int, Field(ge=10, le=1000)],
    say("write 1, or a whole number from 10 to 1000"),
]
Bucket = Annotated[
    str,
    Field(pattern=BUCKET_NAME.pattern),
    say("write 3 to 63 lower-case letters, digits and -, neither first nor last a -"),
]
ObjectEvent = Annotated[
    str,
    Field(pattern=r"^tos:Object(Created|Removed):(\*|[A-Za-z]+)$"),
    say(f"write {CREATED}, or one way such as tos:ObjectCreated:Put"),
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
    say("write a schedule such as '*/5 * * * *'"),
]
