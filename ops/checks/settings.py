"""What in the settings is right by its form, and yet hardly meant so. No request is made."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from ops.checks.checks import Finding, State, ok, warning, wrong
from shared.clients.http import is_loopback_or_address
from shared.processing.turns import WRITE_SECONDS
from shared.settings import DEFAULT_TOS_REGION, Settings
from shared.uploads.presets import names_in

# The model answers or gives up within that time (508/1359436).
SERVER_SECONDS = 30.0
_SHORTEST_TOKEN = 16
_INTERNAL = "ivolces.com"


def settings_findings(settings: Settings) -> list[Finding]:
    """Return what is questionable, one finding for each variable; one that says so where none."""
    subjects = (_ledger, _times, _spending, _presets, _endpoints, _tokens, _receiver)
    found = [finding for subject in subjects for finding in subject(settings)]
    told = ok(
        f"service {settings.service_id}, domain {settings.domain}, template {settings.template}; "
        f"veImageX in {settings.region}, object storage in "
        f"{settings.tos_region or DEFAULT_TOS_REGION}."
    )
    return [Finding("settings", told.state, told.found), *found]


def _finding(name: str, state: State, found: str, mend: str) -> Finding:
    told = (wrong if state is State.WRONG else warning)(found, mend)
    return Finding(name, told.state, told.found, told.mend)


def _ledger(settings: Settings) -> Iterator[Finding]:
    if settings.ledger is None:
        yield _finding(
            "REPAINT_LEDGER",
            State.WARNING,
            "It is not set: each upload's record is kept in the upload's own bucket.",
            "Set it to the same value for every function: the sweep and the HTTP door do not run "
            "without it, and what is parked is not found.",
        )


def _times(settings: Settings) -> Iterator[Finding]:
    shortest = settings.timeout_seconds + WRITE_SECONDS
    if settings.deadline_seconds < shortest:
        yield _finding(
            "REPAINT_DEADLINE_SECONDS",
            State.WRONG,
            f"An invocation has {settings.deadline_seconds:g} seconds, a call may take "
            f"{shortest:g}: no generation would ever be started.",
            "Raise the function's timeout (and this variable, if it is set) to 120 seconds.",
        )
    for name, seconds, why in (
        (
            "VEIMAGEX_TIMEOUT_SECONDS",
            settings.timeout_seconds,
            "calls that go well would be given up, and have to be looked for",
        ),
        (
            "VEIMAGEX_SETTLE_SECONDS",
            settings.settle_seconds,
            "an image may be stored after it was looked for, and be paid for again",
        ),
    ):
        if seconds < SERVER_SECONDS:
            yield _finding(
                name,
                State.WARNING,
                f"It is {seconds:g} seconds, and the model may take {SERVER_SECONDS:g}: {why}.",
                "Take it out of the settings; the default is 35.",
            )


def _spending(settings: Settings) -> Iterator[Finding]:
    # One that wraps the object's own prompt makes none where there is none.
    catch_all = any(p.prefix == "" and p.prompt and not p.wraps_prompt for p in settings.presets)
    if not settings.prefixes and (settings.default_prompt or catch_all):
        name = "REPAINT_DEFAULT_PROMPT" if settings.default_prompt else "REPAINT_PRESETS"
        yield _finding(
            name,
            State.WARNING,
            "There is a prompt for every object and REPAINT_PREFIXES is not set: every picture in "
            "the bucket that the trigger tells of would be repainted, and paid for.",
            "Set REPAINT_PREFIXES to where pictures are uploaded, or REPAINT_DAILY_CAP.",
        )
    if settings.daily_cap == 0:
        yield _finding(
            "REPAINT_DAILY_CAP",
            State.WARNING,
            "It is 0: every upload is parked, nothing is generated.",
            "Raise it, or take it out for no limit.",
        )


def _presets(settings: Settings) -> Iterator[Finding]:
    problems = []
    for number, preset in enumerate(settings.presets):
        earlier = next(
            (p for p in settings.presets[:number] if preset.prefix.startswith(p.prefix)), None
        )
        if earlier is not None:
            problems.append(
                f"{preset.prefix!r} never applies: {earlier.prefix!r} stands before it and covers "
                "it."
            )
        if settings.prefixes and not any(touch(preset.prefix, p) for p in settings.prefixes):
            problems.append(f"{preset.prefix!r} never applies: it is outside REPAINT_PREFIXES.")
        if preset.output and not preset.overwrite and not names_in(preset.output):
            problems.append(
                f"{preset.prefix!r} gives every upload the output's name {preset.output!r}: all "
                "but the first are rejected."
            )
    if problems:
        yield _finding(
            "REPAINT_PRESETS",
            State.WARNING,
            " ".join(problems),
            "The first preset whose prefix matches applies: put the longer prefixes first, and "
            "name every prefix in REPAINT_PREFIXES. Put a placeholder such as {stem} into an "
            "output's name.",
        )


def _endpoints(settings: Settings) -> Iterator[Finding]:
    region = settings.tos_region or DEFAULT_TOS_REGION
    endpoint, public = settings.tos_endpoints(region)
    host = urlsplit(public).hostname or ""
    if host.endswith(_INTERNAL):
        yield _finding(
            "TOS_PUBLIC_ENDPOINT",
            State.WRONG,
            f"{host} is an internal address: veImageX cannot read the sources from there.",
            "Take it out of the settings, or name the public one, which ends in volces.com.",
        )
    host = urlsplit(endpoint).hostname or ""
    if host.endswith("volces.com") and f"tos-{region}." not in f"{host}.":
        yield _finding(
            "TOS_REGION",
            State.WARNING,
            f"Requests are signed for {region} and sent to {host}.",
            "Set TOS_REGION and TOS_ENDPOINT to the same region, or only TOS_REGION.",
        )
    for name, address in (
        ("TOS_ENDPOINT", endpoint),
        ("TOS_PUBLIC_ENDPOINT", public),
        ("VEIMAGEX_ENDPOINT", settings.imagex_endpoint()),
    ):
        if address.startswith("http://") and not is_loopback_or_address(address):
            yield _finding(
                name,
                State.WARNING,
                f"{address} is not encrypted: pictures and prompts can be read on the way.",
                "Write https://.",
            )


def _tokens(settings: Settings) -> Iterator[Finding]:
    short = [t for t in settings.http_tokens if len(t.get_secret_value()) < _SHORTEST_TOKEN]
    if short:
        yield _finding(
            "REPAINT_HTTP_TOKENS",
            State.WARNING,
            f"{len(short)} of {len(settings.http_tokens)} tokens are shorter than "
            f"{_SHORTEST_TOKEN} characters and can be guessed: whoever has one spends your money.",
            'Make longer ones: python -c "import secrets; print(secrets.token_urlsafe(32))".',
        )


def _receiver(settings: Settings) -> Iterator[Finding]:
    if settings.webhook_secret and not settings.webhook_url:
        yield _finding(
            "REPAINT_WEBHOOK_SECRET",
            State.WARNING,
            "There is a secret to sign notices with, and REPAINT_WEBHOOK_URL is not set: nobody is "
            "told of anything.",
            "Set both for every function, or neither.",
        )
    if settings.webhook_url:
        to = urlsplit(settings.webhook_url.get_secret_value())
        if to.scheme == "http":
            # Its path and its query may be secrets, so no more of it is shown.
            yield _finding(
                "REPAINT_WEBHOOK_URL",
                State.WARNING,
                f"http://{to.netloc} is for a test on this machine: a function finds nobody "
                "there, or what it tells can be read on the way.",
                "Write https:// and a public name.",
            )


def touch(one: str, other: str) -> bool:
    """Tell whether some key can begin with both prefixes."""
    return one.startswith(other) or other.startswith(one)
