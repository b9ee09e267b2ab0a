"""The local cloud: run the demo, keep a cloud running, upload a picture, call a handler."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from local import demo
from local import invoke as local_invoke
from local.cloud import UPLOAD_PREFIX, UPLOADS_BUCKET, Cloud, Ports
from local.running import SERVED
from shared.errors import SettingsError
from shared.settings import load_settings

# Passed on to the functions from the environment of `serve`.
_WEBHOOK = ("REPAINT_WEBHOOK_URL", "REPAINT_WEBHOOK_SECRET")
_DEMO = Path(".repaint") / "run"

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__
)


@app.command()
def run(
    picture: Annotated[
        Path, typer.Option(help="The photograph to repaint.", exists=True, dir_okay=False)
    ] = demo.PICTURE,
    prompt: Annotated[str, typer.Option(help="How to repaint it.")] = demo.PROMPT,
) -> None:
    """Upload one photograph to a fresh local cloud and show the log and the result.

    Example: python -m local run --prompt 油画
    """
    raise typer.Exit(demo.run(_DEMO, picture, prompt))


@app.command()
def serve(
    tos_port: Annotated[int, typer.Option(help="The port of object storage.")] = 8801,
    imagex_port: Annotated[int, typer.Option(help="The port of veImageX.")] = 8802,
    gateway_port: Annotated[int, typer.Option(help="The port of the API gateway.")] = 8800,
    console_port: Annotated[int, typer.Option(help="The port of the web console.")] = 8803,
    vefaas_port: Annotated[int, typer.Option(help="The port of veFaaS's API.")] = 8804,
    *,
    bare: Annotated[bool, typer.Option("--bare", help="Run deployed functions only.")] = False,
) -> None:
    """Keep the local cloud running until Ctrl-C, with its state in .repaint/cloud.

    It sends webhook events to REPAINT_WEBHOOK_URL, if that is set. Example: python -m local serve
    --tos-port 9001
    """
    try:
        ports = Ports(tos_port, imagex_port, gateway_port, console_port, vefaas_port)
        webhook = {name: os.environ[name] for name in _WEBHOOK if name in os.environ}
        cloud = Cloud(SERVED, ports=ports, on_log=_print_line, environment=webhook, bare=bare)
        settings = load_settings(cloud.settings)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(
            f"The local cloud cannot start: {error}. Another one may be running; choose other "
            "ports with --tos-port, --imagex-port, --gateway-port, --console-port and "
            "--vefaas-port.",
            err=True,
        )
        raise typer.Exit(1) from None
    except RuntimeError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    with cloud:
        if not cloud.billing.charges():
            local_invoke.put_samples(cloud)
        typer.echo(f"open {cloud.console.address}/ in a browser: drop a picture on it, break it\n")
        note = f"uploads below {UPLOAD_PREFIX} are repainted"
        if bare:
            note = "the functions that repaint uploads are yours to deploy"
        typer.echo(f"object storage  {cloud.tos.address}  (bucket {UPLOADS_BUCKET}, {note})")
        typer.echo(f"veImageX        {cloud.imagex.address}")
        typer.echo(f"veFaaS          {cloud.vefaas.address}  (for 'repaint --local deploy')")
        typer.echo(f"HTTP            {cloud.gateway.address}  (token in {SERVED / 'http-token'})")
        typer.echo(f"access key      in {SERVED / 'credentials.json'}")
        if settings.webhook_url:
            url = urlsplit(settings.webhook_url.get_secret_value())
            typer.echo(f"webhook         to {url.scheme}://{url.netloc}")
        file = SERVED / "settings.json"
        file.unlink(missing_ok=True)
        file.touch(0o600)
        file.write_text(json.dumps(cloud.settings, indent=2), "utf-8")
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        typer.echo("Ctrl-C stops it.")
        stop.wait()
        file.unlink()
        typer.echo("stopping")


@app.command()
def upload(
    picture: Annotated[Path, typer.Argument(help="The photograph.", exists=True, dir_okay=False)],
    prompt: Annotated[str, typer.Option(help="How to repaint it.")],
) -> None:
    """Upload a photograph to the running local cloud, whose log shows the result.

    Example: python -m local upload examples/images/coffee.png --prompt 油画
    """
    key = local_invoke.upload(picture, prompt)
    if key is None:
        typer.echo("No local cloud is running here: start one with 'make local'.", err=True)
        raise typer.Exit(1)
    typer.echo(f"uploaded {key}")


@app.command()
def invoke(
    event: Annotated[Path | None, typer.Argument(help="An event as JSON.")] = None,
    bucket: Annotated[str | None, typer.Option(help="Instead of a file: the bucket …")] = None,
    key: Annotated[str | None, typer.Option(help="… and the key of an object.")] = None,
    function: Annotated[str | None, typer.Option(help="upload, http or sweep.")] = None,
) -> None:
    """Call a handler as the platform does, on an event file or on a bucket and key.

    It uses the real cloud if VOLCENGINE_ACCESS_KEY is set, else the running local cloud, else one
    for this event alone. The local ones hold the sample photographs. Example: python -m local
    invoke examples/events/upload.json
    """
    if event is not None and bucket is None and key is None:
        try:
            document = json.loads(event.read_text("utf-8"))
        except (OSError, ValueError) as error:
            typer.echo(f"{event} cannot be read as JSON: {error}", err=True)
            raise typer.Exit(2) from None
    elif event is None and bucket and key:
        document = local_invoke.object_event(bucket, key)
    else:
        typer.echo("Name either an event file, or --bucket and --key.", err=True)
        raise typer.Exit(2)
    code = local_invoke.invoke(document, function or local_invoke.function_for(document))
    raise typer.Exit(code)


def _print_line(_function: str, line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    app()
