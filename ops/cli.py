"""The command `repaint`: the options that all commands share, and the list of commands.

Exit codes: 0 done; 1 something needs you; 2 a setting or an argument is wrong; 3 not confirmed,
nothing was done; 130 interrupted, run it again.
"""

import inspect
import sys
from typing import Annotated

import typer

from ops.checks.doctor import doctor
from ops.deployment.commands import deploy, package, policy, print_, remove, rollback
from ops.records.backfill.backfill import backfill
from ops.records.gallery.gallery import gallery
from ops.records.preview import preview
from ops.records.redrive.redrive import redrive
from ops.records.show import show
from ops.records.status import status
from ops.ui.output import Exit, Refused, print_refusal
from shared.errors import RepaintError, SettingsError

app = typer.Typer(
    name="repaint",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.callback()
def repaint(
    context: typer.Context,
    *,
    local: Annotated[
        bool, typer.Option("--local", help="Use the local cloud that 'make local' runs.")
    ] = False,
) -> None:
    """Deploy Repaint and operate it: check, preview, repaint in bulk, inspect, run again.

    Every command reads the functions' settings from the environment, the access key from
    VOLCENGINE_ACCESS_KEY and VOLCENGINE_SECRET_KEY or the SDK's other places. With [b]--json[/] a
    command prints JSON for programs on stdout.

    Exit codes: 0 done; 1 something needs you; 2 a setting or an argument is wrong; 3 not
    confirmed; 130 interrupted.
    """
    context.obj = local  # see `ops.context.environment_of`


for command in (doctor, preview, backfill, status, show, redrive, gallery, package, policy):
    app.command()(command)
app.command("print")(print_)
for command in (deploy, rollback, remove):
    app.command()(command)

# Typer keeps the line breaks of a docstring, which fit the code's width, not the terminal's.
for described in (*app.registered_commands, app.registered_callback):
    if described and described.callback:
        paragraphs = inspect.cleandoc(described.callback.__doc__ or "").split("\n\n")
        described.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def main() -> None:
    """Run the command line; print an expected error as a sentence, with its exit code."""
    try:
        app(prog_name="repaint")
    except Refused as refused:
        print_refusal(str(refused))
        sys.exit(refused.code)
    except SettingsError as error:
        print_refusal(str(error))
        sys.exit(Exit.WRONG)
    except RepaintError as error:
        print_refusal(str(error))
        sys.exit(Exit.NEEDS_YOU)
