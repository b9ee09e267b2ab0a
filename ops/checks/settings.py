"""Check the settings for values that are valid but hardly intended. No request is made."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from ops.checks.check import Finding, ok, warning, wrong
from shared.clients.http import is_loopback_or_address
from shared.processing.claims import WRITE_SECONDS
from shared.settings import DEFAULT_TOS_REGION, Settings
from shared.uploads.presets import names_in

# The model answers or gives up within this time (508/1359436).
SERVER_SECONDS = 30.0
_SHORTEST_TOKEN = 16
_INTERNAL = "ivolces.com"


def settings_findings(settings: Settings) -> list[Finding]:
    """Return a summary, then a finding for each doubtful variable."""
    checks = (_times, _spending, _presets, _endpoints, _tokens, _webhook)
    found = (
        f"service {settings.service_id}, domain {settings.domain}, template {settings.template}; "
        f"veImageX in {settings.region}, object storage in "
        f"{settings.tos_region or DEFAULT_TOS_REGION}."
    )
    return [
        ok(found, name="settings"),
        *(finding for check in checks for finding in check(settings)),
    ]


def _times(settings: Settings) -> Iterator[Finding]:
    shortest = settings.timeout_seconds + WRITE_SECONDS
    if settings.deadline_seconds < shortest:
        yield wrong(
            f"An invocation has {settings.deadline_seconds:g} seconds, a call may take "
            f"{shortest:g}: no generation would ever be started.",
            "Raise the function's timeout (and this variable, if it is set) to 120 seconds.",
            name="REPAINT_DEADLINE_SECONDS",
        )
    for name, seconds, why in (
        (
            "VEIMAGEX_TIMEOUT_SECONDS",
            settings.timeout_seconds,
            "calls that would succeed are given up, and have to be probed for",
        ),
        (
            "VEIMAGEX_SETTLE_SECONDS",
            settings.settle_seconds,
            "an image may be stored after the probe for it, and be paid for again",
        ),
    ):
        if seconds < SERVER_SECONDS:
            yield warning(
                f"It is {seconds:g} seconds, and the model may take {SERVER_SECONDS:g}: {why}.",
                "Take it out of the settings; the default is 35.",
                name=name,
            )


def _spending(settings: Settings) -> Iterator[Finding]:
    # A preset that wraps the object's own prompt needs one.
    catch_all = any(p.prefix == "" and p.prompt and not p.wraps_prompt for p in settings.presets)
    if not settings.prefixes and (settings.default_prompt or catch_all):
        yield warning(
            "There is a prompt for every object and REPAINT_PREFIXES is not set: every picture "
            "that the trigger reports would be repainted, and paid for.",
            "Set REPAINT_PREFIXES to where pictures are uploaded, or REPAINT_DAILY_CAP.",
            name="REPAINT_DEFAULT_PROMPT" if settings.default_prompt else "REPAINT_PRESETS",
        )
    if settings.daily_cap == 0:
        yield warning(
            "It is 0: every upload is parked, nothing is generated.",
            "Raise it, or take it out for no limit.",
            name="REPAINT_DAILY_CAP",
        )


def _presets(settings: Settings) -> Iterator[Finding]:
    problems = []
    for number, preset in enumerate(settings.presets):
        prefix, earlier = preset.prefix, settings.presets[:number]
        covering = next((p.prefix for p in earlier if prefix.startswith(p.prefix)), None)
        if covering is not None:
            problems.append(
                f"{prefix!r} never applies: {covering!r} stands before it and covers it."
            )
        if settings.prefixes and not any(touch(prefix, p) for p in settings.prefixes):
            problems.append(f"{prefix!r} never applies: it is outside REPAINT_PREFIXES.")
        if preset.output and not preset.overwrite and not names_in(preset.output):
            problems.append(
                f"{prefix!r} gives every upload the output name {preset.output!r}: all but the "
                "first are rejected."
            )
    if problems:
        yield warning(
            " ".join(problems),
            "The first preset whose prefix matches applies: put the longer prefixes first, and "
            "name every prefix in REPAINT_PREFIXES. Put a placeholder such as {stem} into an "
            "output's name.",
            name="REPAINT_PRESETS",
        )


def _endpoints(settings: Settings) -> Iterator[Finding]:
    region = settings.tos_region or DEFAULT_TOS_REGION
    endpoint, public = settings.tos_endpoints(region)
    host = urlsplit(public).hostname or ""
    if host.endswith(_INTERNAL):
        yield wrong(
            f"{host} is an internal address: veImageX cannot read the sources from there.",
            "Take it out of the settings, or name the public one, which ends in volces.com.",
            name="TOS_PUBLIC_ENDPOINT",
        )
    host = urlsplit(endpoint).hostname or ""
    if host.endswith("volces.com") and f"tos-{region}." not in f"{host}.":
        yield warning(
            f"Requests are signed for {region} and sent to {host}.",
            "Set TOS_REGION and TOS_ENDPOINT to the same region, or only TOS_REGION.",
            name="TOS_REGION",
        )
    for name, address in (
        ("TOS_ENDPOINT", endpoint),
        ("TOS_PUBLIC_ENDPOINT", public),
        ("VEIMAGEX_ENDPOINT", settings.imagex_endpoint()),
    ):
        if address.startswith("http://") and not is_loopback_or_address(address):
            found = f"{address} is not encrypted: pictures and prompts can be read on the way."
            yield warning(found, "Write https://.", name=name)


def _tokens(settings: Settings) -> Iterator[Finding]:
    short = [t for t in settings.http_tokens if len(t.get_secret_value()) < _SHORTEST_TOKEN]
    if short:
        yield warning(
            f"{len(short)} of {len(settings.http_tokens)} tokens are shorter than "
            f"{_SHORTEST_TOKEN} characters and can be guessed: who has one spends your money.",
            'Make longer ones: python -c "import secrets; print(secrets.token_urlsafe(32))".',
            name="REPAINT_HTTP_TOKENS",
        )


def _webhook(settings: Settings) -> Iterator[Finding]:
    if settings.webhook_secret and not settings.webhook_url:
        yield warning(
            "There is a secret to sign webhooks with, but REPAINT_WEBHOOK_URL is not set: "
            "none are sent.",
            "Set both for every function, or neither.",
            name="REPAINT_WEBHOOK_SECRET",
        )
    if settings.webhook_url:
        url = urlsplit(settings.webhook_url.get_secret_value())
        if url.scheme == "http":
            # Its path and its query may be secrets, so they are not shown.
            yield warning(
                f"http://{url.netloc} is for a test on this machine: a function reaches "
                "nothing there, or what it sends can be read on the way.",
                "Write https:// and a public name.",
                name="REPAINT_WEBHOOK_URL",
            )


def touch(one: str, other: str) -> bool:
    """Return whether a key can begin with both prefixes."""
    return one.startswith(other) or other.startswith(one)
