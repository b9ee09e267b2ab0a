"""The command `repaint`: its name, its options for all, and where each command is.

Exit codes: 0 done and nothing to say; 1 something was found that needs you; 2 what was asked, or a
setting, is wrong; 3 not confirmed, nothing was done; 130 interrupted, and can be run again.
"""

import inspect
import sys
from typing import Annotated

import typer

from ops.checks.command import doctor
from ops.checks.live.command import smoke
from ops.context import Choice
from ops.deployment.commands import deploy, package, policy, print_, remove, rollback
from ops.records.backfill import backfill
from ops.records.gallery import gallery
from ops.records.preview import preview
from ops.records.redrive import redrive
from ops.records.show import show
from ops.records.status import status
from ops.ui.output import Refused, tell_refused
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
        bool, typer.Option("--local", help="The local cloud that 'make local' keeps running.")
    ] = False,
) -> None:
    """Deploy Repaint, and run it on many pictures: look, check, repaint what is there, run again.

    Every command reads the functions' settings from the environment, the access key from
    VOLCENGINE_ACCESS_KEY and VOLCENGINE_SECRET_KEY or the SDK's other places. With [b]--json[/] a
    command prints JSON for programs on stdout.

    Exit codes: 0 done; 1 something needs you; 2 a setting or what was asked is wrong; 3 not
    confirmed; 130 interrupted.
    """
    context.obj = Choice(local=local)


app.command()(doctor)
app.command()(preview)
app.command()(backfill)
app.command()(status)
app.command()(show)
app.command()(redrive)
app.command()(gallery)
app.command()(package)
app.command()(policy)
app.command("print")(print_)
app.command()(deploy)
app.command()(rollback)
app.command()(remove)
app.command()(smoke)

# Typer keeps the line breaks of a docstring, which are those of the code's width and not those of
# the terminal's.
for told in (*app.registered_commands, app.registered_callback):
    if told and told.callback:
        paragraphs = inspect.cleandoc(told.callback.__doc__ or "").split("\n\n")
        told.help = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def main() -> None:
    """Run the command line; what goes wrong on purpose is a sentence and an exit code."""
    try:
        app(prog_name="repaint")
    except Refused as refused:
        tell_refused(str(refused))
        sys.exit(refused.code)
    except SettingsError as error:
        tell_refused(str(error))
        sys.exit(2)
    except RepaintError as error:
        tell_refused(str(error))
        sys.exit(1)
