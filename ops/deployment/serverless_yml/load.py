"""Load serverless.yml as a Service, or report every problem in it with its line."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from ops.deployment.serverless_yml.checks import service_problems
from ops.deployment.serverless_yml.document import (
    Document,
    Place,
    Problem,
    ServerlessError,
    dotted,
    read_document,
)
from ops.deployment.serverless_yml.model import (
    DEFAULT_CONCURRENCY,
    DEFAULT_MEMORY_MB,
    DEFAULT_TIMEOUT_SECONDS,
    RUNTIME,
    EventPart,
    FilePart,
    FunctionPart,
    Name,
)
from ops.deployment.serverless_yml.service import (
    Event,
    Function,
    HttpEvent,
    Logs,
    ScheduleEvent,
    Service,
    TosEvent,
    deployed_name,
    is_secret,
)
from ops.deployment.serverless_yml.variables import Variables
from ops.ui.output import Refused

_STAGE: TypeAdapter[str] = TypeAdapter(Name)
_GROUP = "write a group: lines such as 'name: value', indented further"
_FIXES = {
    "model_type": _GROUP,
    "dict_type": _GROUP,
    "list_type": "write a list: lines that begin with '- '",
    "too_short": "write at least one",
}
# Keys of the Serverless Framework that people know, and the equivalent here.
_FRAMEWORK_KEYS = {
    "cors": "remove it: it is configured in the gateway's console",
    "event": "write events: and a list",
    "exclude": "write patterns: with ! before each",
    "existing": "remove it: the bucket must exist in any case",
    "frameworkVersion": "remove it: this is not the Serverless Framework",
    "httpApi": "write http: true",
    "include": "write patterns:",
    "individually": "remove it: every function has its own zip",
    "input": "remove it: the functions read nothing from a timer",
    "layers": "remove it: requirements.txt lists the packages",
    "name": "remove it: the name is <service>-<stage>-<function>",
    "plugins": "remove it: there are none",
    "provisionedConcurrency": "write maxConcurrency:",
    "reservedConcurrency": "write maxConcurrency:",
    "resources": "remove it: buckets and roles are created in the console",
    "role": "write it below iam: in provider:",
    "rules": "write prefix: and suffix: beside the bucket",
    "s3": "write tos: with bucket:, events: and prefix:",
}


def load(
    path: Path,
    *,
    environment: Mapping[str, str],
    stage: str | None,
    with_settings: bool = True,
) -> Service:
    """Load the file for a stage, with the values of variables from `environment`.

    If `with_settings` is false, the functions' environment is neither resolved nor checked: it is
    not needed, with its secrets, to pack or remove functions.

    Raises ServerlessError with every problem and its line; Refused if the file cannot be read at
    all, or the stage is invalid.
    """
    if not path.is_file():
        raise Refused(f"There is no {path}: go to its folder, or name it with --config.")
    if stage is not None:
        _check_stage(stage)
    try:
        document, problems = read_document(path)
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from None
    if problems and not document.values:
        raise ServerlessError(path, problems)
    variables = Variables(document, environment, stage, with_settings)
    problems += variables.problems
    try:
        file = FilePart.model_validate(variables.values)
    except ValidationError as error:
        problems += _model_problems(error, document, variables.failed)
        raise ServerlessError(path, problems) from None
    service = _service(path, file, variables.stage())
    problems += service_problems(service, variables)
    if problems:
        raise ServerlessError(path, problems)
    return service


def _check_stage(stage: str) -> None:
    try:
        _STAGE.validate_python(stage)
    except ValidationError as error:
        raise Refused(f"--stage {stage!r} is invalid: {error.errors()[0]['msg']}.") from None


def _service(path: Path, file: FilePart, stage: str) -> Service:
    return Service(
        path=path,
        name=file.service,
        stage=stage,
        region=file.provider.region,
        functions=tuple(
            _function(file, stage, name, part) for name, part in file.functions.items()
        ),
        package_patterns=tuple(file.package.patterns),
    )


def _function(file: FilePart, stage: str, name: str, own: FunctionPart) -> Function:
    provider = file.provider
    logs = provider.logs
    environment = {**provider.environment, **own.environment}
    return Function(
        name=name,
        deployed_name=deployed_name(file.service, stage, name),
        handler=own.handler,
        folder=Path(own.handler).parent,
        runtime=own.runtime or provider.runtime or RUNTIME,
        memory_mb=own.memory_size or provider.memory_size or DEFAULT_MEMORY_MB,
        timeout_seconds=own.timeout or provider.timeout or DEFAULT_TIMEOUT_SECONDS,
        max_concurrency=own.max_concurrency or provider.max_concurrency or DEFAULT_CONCURRENCY,
        environment=environment,
        secrets=frozenset(v for v in environment if is_secret(v) or v in provider.secrets),
        role=provider.iam.role if provider.iam else None,
        logs=Logs(logs.project, logs.topic) if logs else None,
        events=tuple(event for part in own.events for event in _events(part)),
    )


def _events(part: EventPart) -> Iterator[Event]:
    if part.tos is not None:
        for suffix in part.tos.suffix:
            yield TosEvent(part.tos.bucket, tuple(part.tos.events), part.tos.prefix, suffix)
    if part.http is not None:
        yield HttpEvent(part.http.path, part.http.method)
    if part.schedule is not None:
        yield ScheduleEvent(part.schedule.rate, part.schedule.enabled)


def _model_problems(
    error: ValidationError, document: Document, failed: set[Place]
) -> Iterator[Problem]:
    """Yield what pydantic found as sentences, without what is reported already."""
    for found in error.errors(include_url=False):
        place = found["loc"]
        if not any(place[: len(other)] == other for other in failed):
            yield Problem(document.line(place), *_sentence(found, document))


def _sentence(found: ErrorDetails, document: Document) -> tuple[str, str]:
    kind, place = found["type"], found["loc"]
    key = str(place[-1]) if place else ""
    if key == "[key]":
        return f"{place[-2]} is not a valid name in {dotted(place[:-2])}", found["msg"]
    if kind == "missing":
        return f"{dotted(place)} is missing", _example(place)
    if kind == "extra_forbidden":
        known = [field.alias or name for name, field in _model(place).model_fields.items()]
        near = get_close_matches(key, known, n=1)
        either = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        return f"{dotted(place)} is unknown", _FRAMEWORK_KEYS.get(key, either)
    place, raw = _in_file(document, place)
    return f"{dotted(place)} {_is(place, raw)}", _FIXES.get(kind, found["msg"])


def _in_file(document: Document, place: Place) -> tuple[Place, Any]:
    """Return the place and value in the file: it may be the short form of a group or list."""
    raw: Any = document.values
    for depth, step in enumerate(place):
        if place[: depth + 1] not in document.lines:
            return place[:depth], raw
        raw = raw[step]
    return place, raw


def _is(place: Place, raw: Any) -> str:
    """Describe the value in the file, not a variable's value: that may be a secret."""
    if isinstance(raw, (dict, list)) or "environment" in place:
        return "is invalid"
    if isinstance(raw, str):
        return f"is {raw}, whose value is invalid" if "${" in raw else f"is {raw!r}"
    return f"is {str(raw).lower()}"


def _example(place: Place) -> str:
    fields = _model(place).model_fields
    example = (fields[str(place[-1])].examples or [{}])[0]
    below = isinstance(example, (dict, list))
    return f"write {place[-1]}: {'and its content below it' if below else example}"


def _model(place: Place) -> type[BaseModel]:
    """Return the part of the file that the last step of a place belongs to."""
    model: type[BaseModel] = FilePart
    is_key = False
    for step in place[:-1]:
        if is_key or isinstance(step, int):
            is_key = False
            continue
        field = next(f for name, f in model.model_fields.items() if step in (f.alias, name))
        model = next(_models_in(field.annotation), model)
        is_key = get_origin(field.annotation) is dict
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
