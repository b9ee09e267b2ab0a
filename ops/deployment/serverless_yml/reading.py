"""Read serverless.yml into a Service, or tell everything that is wrong with it."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from ops.deployment.serverless_yml.complaints import complaints
from ops.deployment.serverless_yml.document import read_document
from ops.deployment.serverless_yml.environment import environment_problems
from ops.deployment.serverless_yml.layout import layout_problems
from ops.deployment.serverless_yml.model import (
    DEFAULT_CONCURRENCY,
    DEFAULT_MEMORY_MB,
    DEFAULT_TIMEOUT_SECONDS,
    EventPart,
    FilePart,
    FunctionPart,
)
from ops.deployment.serverless_yml.problems import ServerlessError
from ops.deployment.serverless_yml.rules import RUNTIME, Name
from ops.deployment.serverless_yml.secrets import is_secret
from ops.deployment.serverless_yml.service import (
    Event,
    Function,
    HttpEvent,
    Logs,
    ScheduleEvent,
    Service,
    TosEvent,
    deployed_name,
)
from ops.deployment.serverless_yml.variables import Variables
from ops.ui.output import Refused

_STAGE: TypeAdapter[str] = TypeAdapter(Name)


def load(
    path: Path,
    *,
    environment: Mapping[str, str],
    stage: str | None,
    with_settings: bool = True,
) -> Service:
    """Read the file for a stage, with the variables' values from `environment`.

    Where `with_settings` is false, the functions' own variables are neither read nor checked: who
    packs or removes functions need not have their secrets.

    Raises ServerlessError with everything that is wrong, each with its line; Refused where the
    file cannot be read at all, or the stage cannot be one.
    """
    if not path.is_file():
        raise Refused(f"There is no {path}: go to the folder that holds it, or say --config.")
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
        problems += complaints(error, document, variables.failed)
        raise ServerlessError(path, problems) from None
    service = _service(path, file, variables.stage())
    problems += layout_problems(service, document)
    if with_settings:
        problems += environment_problems(service, variables)
    if problems:
        raise ServerlessError(path, problems)
    return service


def _check_stage(stage: str) -> None:
    try:
        _STAGE.validate_python(stage)
    except ValidationError as error:
        raise Refused(f"--stage {stage!r} cannot be: {error.errors()[0]['msg']}.") from None


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
