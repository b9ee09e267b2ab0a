"""`repaint package`: the zips, and what is in them."""

import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from ops.deployment.package.build import OUTPUT, Built, build
from ops.deployment.package.target import target_of
from ops.deployment.serverless_yml.options import SERVERLESS_YML, Config, Stage, service_of
from ops.ui.output import aside, people, print_json


def package(
    context: typer.Context,
    *,
    function: Annotated[
        list[str] | None,
        typer.Option(help="Only this function, as serverless.yml calls it; more than once."),
    ] = None,
    stage: Stage = None,
    config: Config = SERVERLESS_YML,
    output: Annotated[Path, typer.Option(help="Where the zips go.", file_okay=False)] = OUTPUT,
    python: Annotated[
        str | None,
        typer.Option(
            help="The Python that compiles, of the runtime's version; otherwise one on the PATH or "
            "of pyenv.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs.")] = False,
) -> None:
    """Pack each function with what it needs into one zip; nothing is deployed.

    The packages of requirements.txt are got by pip as wheels for linux/amd64, on any system, and
    kept in .repaint/wheels. The same files, packages and Python make the same bytes, except that
    another version of zlib may pack them differently.

    Example: [b]repaint package --function upload[/]
    """
    service = service_of(context, config, stage, with_settings=False)
    chosen = [service.function(name) for name in function or []] or list(service.functions)
    built = []
    for each in chosen:
        if not as_json:
            aside().print(f"packing {each.name}", style="dim")
        built.append(build(service, each, output=output, python=python))
        if not as_json:
            _show(built[-1])
    if as_json:
        print_json(
            {
                "functions": [{**asdict(each), "path": str(each.path)} for each in built],
                "zlib": zlib.ZLIB_RUNTIME_VERSION,
            }
        )


def _show(built: Built) -> None:
    say = people()
    say.print(f"[bold]{escape(built.function)}[/]  {escape(str(built.path))}")
    sizes = f"{built.size / 1e6:.1f} MB, {built.unpacked_size / 1e6:.1f} MB unpacked"
    say.print(f"  {sizes}, {len(built.wheels)} packages")
    say.print(f"  sha256 {built.sha256}")
    if built.compiled_by:
        say.print(f"  compiled by Python {built.compiled_by}")
    else:
        wanted = target_of(built.runtime)
        say.print(
            f"  [yellow]not compiled[/]: no {wanted} is at hand, so a cold start takes up to half "
            f"a second longer. Install {wanted}, or say --python."
        )
