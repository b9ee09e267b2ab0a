"""The local cloud's commands: `python -m local run | serve | invoke`."""

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
from local import invoke as invoking
from local.cloud import UPLOAD_PREFIX, UPLOADS_BUCKET, Cloud, Ports
from local.running import SERVED
from shared.errors import SettingsError
from shared.settings import load_settings

# What of the caller's environment is the functions' as well: who is told of what they made.
RECEIVER = ("REPAINT_WEBHOOK_URL", "REPAINT_WEBHOOK_SECRET")
DEMO = Path(".repaint") / "run"

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__
)


@app.command()
def run(
    picture: Annotated[
        Path, typer.Option(help="The photograph to repaint.", exists=True, dir_okay=False)
    ] = demo.PICTURE,
    prompt: Annotated[str, typer.Option(help="What to make of it.")] = demo.PROMPT,
) -> None:
    """Upload one photograph to a fresh local cloud and show what becomes of it.

    Example: python -m local run --prompt 油画
    """
    raise typer.Exit(demo.run(DEMO, picture, prompt))


@app.command()
def serve(
    tos_port: Annotated[int, typer.Option(help="Where object storage listens.")] = 8801,
    imagex_port: Annotated[int, typer.Option(help="Where veImageX listens.")] = 8802,
    gateway_port: Annotated[int, typer.Option(help="Where the API gateway listens.")] = 8800,
    console_port: Annotated[int, typer.Option(help="Where the web console listens.")] = 8803,
    vefaas_port: Annotated[int, typer.Option(help="Where veFaaS's API listens.")] = 8804,
    *,
    bare: Annotated[
        bool, typer.Option("--bare", help="Run no functions but those that are deployed.")
    ] = False,
) -> None:
    """Keep the local cloud running until Ctrl-C, with its state in .repaint/cloud.

    It tells the receiver of REPAINT_WEBHOOK_URL, if that is set. Example: python -m local serve
    --tos-port 9001
    """
    try:
        ports = Ports(tos_port, imagex_port, gateway_port, console_port, vefaas_port)
        receiver = {name: os.environ[name] for name in RECEIVER if name in os.environ}
        cloud = Cloud(SERVED, ports=ports, on_log=_show, environment=receiver, bare=bare)
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
        if not cloud.book.charges():
            invoking.put_samples(cloud)
        typer.echo(f"open {cloud.console.address}/ in a browser: drop a picture on it, break it\n")
        happens = f"uploads below {UPLOAD_PREFIX} are repainted"
        if bare:
            happens = "what repaints its uploads is yours to deploy"
        typer.echo(f"object storage  {cloud.tos.address}  (bucket {UPLOADS_BUCKET}, {happens})")
        typer.echo(f"veImageX        {cloud.imagex.address}")
        typer.echo(f"veFaaS          {cloud.vefaas.address}  (for 'repaint --local deploy')")
        typer.echo(f"HTTP            {cloud.gateway.address}  (token in {SERVED / 'http-token'})")
        typer.echo(f"access key      in {SERVED / 'credentials.json'}")
        if settings.webhook_url:
            to = urlsplit(settings.webhook_url.get_secret_value())
            typer.echo(f"notices         to {to.scheme}://{to.netloc}")
        told = SERVED / "settings.json"
        told.unlink(missing_ok=True)
        told.touch(0o600)
        told.write_text(json.dumps(cloud.settings, indent=2), "utf-8")
        stop = threading.Event()
        for sign in (signal.SIGINT, signal.SIGTERM):
            signal.signal(sign, lambda *_: stop.set())
        typer.echo("Ctrl-C stops it.")
        stop.wait()
        told.unlink()
        typer.echo("stopping")


@app.command()
def upload(
    picture: Annotated[Path, typer.Argument(help="The photograph.", exists=True, dir_okay=False)],
    prompt: Annotated[str, typer.Option(help="What to make of it.")],
) -> None:
    """Upload a photograph to the local cloud that is running; its log tells what becomes of it.

    Example: python -m local upload examples/images/coffee.png --prompt 油画
    """
    key = invoking.upload(picture, prompt)
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
    """Run a handler as the platform would, on an event file or on a bucket and key.

    With VOLCENGINE_ACCESS_KEY in the environment against the real cloud; otherwise against the
    local one that is running or, where none is, one for this event alone. The local ones hold
    the sample photographs. Example: python -m local invoke examples/events/upload.json
    """
    if event is not None and bucket is None and key is None:
        try:
            document = json.loads(event.read_text("utf-8"))
        except (OSError, ValueError) as error:
            typer.echo(f"{event} cannot be read as JSON: {error}", err=True)
            raise typer.Exit(2) from None
    elif event is None and bucket and key:
        document = invoking.object_event(bucket, key)
    else:
        typer.echo("Name either an event file, or --bucket and --key.", err=True)
        raise typer.Exit(2)
    raise typer.Exit(invoking.invoke(document, function or invoking.door_of(document)))


def _show(_function: str, line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    app()
