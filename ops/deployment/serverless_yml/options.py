"""What every command that reads serverless.yml takes: --stage and --config."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ops.deployment.serverless_yml.reading import load
from ops.deployment.serverless_yml.service import Service

if TYPE_CHECKING:
    from ops.context import Choice

Stage = Annotated[
    str | None,
    typer.Option(help="The stage, such as dev or prod; else that of the file.", show_default=False),
]
Config = Annotated[Path, typer.Option("--config", "-c", help="The serverless.yml to read.")]
SERVERLESS_YML = Path("serverless.yml")


def service_of(
    context: typer.Context, config: Path, stage: str | None, *, with_settings: bool = True
) -> Service:
    """Read the file that a command was given, with the variables of its environment; see `load`.

    Raises Refused, ServerlessError.
    """
    choice: Choice = context.obj
    environment = choice.environment()
    return load(config, environment=environment, stage=stage, with_settings=with_settings)
