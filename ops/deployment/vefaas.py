"""The function platform: the calls that deploying needs, through veFaaS's official client.

That client's default sends a POST again after a lost answer, and every call is a POST. A release
that is begun twice is refused or released twice; so only reads are repeated, and the current state
is read again before anything is done again.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import urllib3
from typing_extensions import override

from ops.deployment.model import Deployed, Mark, Setup, Timer, Version
from ops.deployment.serverless_yml import Logs
from ops.service_errors import code_of, describe, is_denied
from shared.clients.credentials import CredentialSource
from shared.clients.http import Response
from shared.errors import MaybeExecuted, RepaintError
from shared.json_utils import as_object, as_text
from shared.redaction import redact_text

CONNECT_SECONDS = 5.0
READ_SECONDS = 20.0
# The code is in the body of a call, and is stored before the answer.
WRITE_SECONDS = 180.0
READ_REPEATS = 2
_READS = ("get_", "list_")
_PAGE = 100
_TIMER, _BUCKET = "timer", "tos"


class Refusal(RepaintError):
    """The platform refused a call, with its code and its reason."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class State(StrEnum):
    """The state of a release (6662/1327338)."""

    PENDING = "pending"  #: It never began.
    IN_PROGRESS = "inprogress"  #: It has begun.
    DONE = "done"  #: The revision runs.
    FAILED = "failed"  #: The revision did not start; the one before runs.


@dataclass(frozen=True, slots=True)
class Release:
    """A function's newest release.

    `record` is its id, empty if the platform returns none; `log` is the log of an instance that did
    not start.
    """

    state: State
    record: str
    revision: int
    message: str = ""
    log: str = ""

    @property
    def is_under_way(self) -> bool:
        """Return whether it has begun and not ended."""
        return self.state is State.IN_PROGRESS


@dataclass(frozen=True, slots=True)
class Listed:
    """A function in the list of all."""

    id: str
    name: str
    mark: Mark | None


class Platform(Protocol):
    """The functions of one account in one region.

    Every method raises Refusal, NoAnswer or CredentialsError. A call that changes something is sent
    once.
    """

    def functions(self) -> list[Listed]:
        """Return every function of the account."""
        ...

    def deployed(self, function_id: str) -> Deployed:
        """Return a function as it is."""
        ...

    def revision(self, function_id: str, number: int) -> Version:
        """Return a revision of a function."""
        ...

    def create(self, name: str, runtime: str, setup: Setup, mark: Mark, code: bytes) -> str:
        """Create a function; return its id."""
        ...

    def change(self, function_id: str, setup: Setup, mark: Mark, code: bytes | None) -> None:
        """Change the draft, which the next release releases; None leaves its code as it is."""
        ...

    def release(self, function_id: str, revision: int, mark: Mark) -> Release:
        """Begin to release a revision; 0 creates one from the draft."""
        ...

    def release_state(self, function_id: str) -> Release:
        """Return the newest release."""
        ...

    def released(self, function_id: str) -> list[int]:
        """Return the revisions that were released successfully."""
        ...

    def create_timer(self, function_id: str, name: str, cron: str, *, enabled: bool) -> None:
        """Create a timer."""
        ...

    def change_timer(self, function_id: str, timer: Timer) -> None:
        """Change the timer with that id."""
        ...

    def remove_timer(self, function_id: str, timer_id: str) -> None:
        """Remove a timer."""
        ...

    def remove(self, function_id: str) -> None:
        """Remove a function, which must not have triggers."""
        ...


class Client:
    """Calls actions of veFaaS's API by their names; may be used from several threads.

    `endpoint` is an address, or None for the region's own.
    """

    def __init__(self, region: str, endpoint: str | None, credentials: CredentialSource) -> None:
        # The import is slow, and every command would wait for it.
        import volcenginesdkvefaas  # noqa: PLC0415

        self._models = volcenginesdkvefaas
        keys = _Keys(credentials)
        self._reading = volcenginesdkvefaas.VEFAASApi(
            _api_client(region, endpoint, keys, READ_SECONDS, repeats=True)
        )
        self._writing = volcenginesdkvefaas.VEFAASApi(
            _api_client(region, endpoint, keys, WRITE_SECONDS, repeats=False)
        )

    def model(self, name: str, /, **fields: Any) -> Any:
        """Return one of the client's models, such as a part of a request."""
        return getattr(self._models, name)(**fields)

    def call(self, action: str, /, **fields: Any) -> Any:
        """Call `action`, such as `get_function`, and return the client's model of the answer.

        Raises Refusal, MaybeExecuted, CredentialsError.
        """
        from volcenginesdkcore.rest import ApiException  # noqa: PLC0415

        name = "".join(word.capitalize() for word in action.split("_"))
        api = self._reading if action.startswith(_READS) else self._writing
        request = self.model(f"{name}Request", **fields)
        try:
            return getattr(api, action)(request)
        except urllib3.exceptions.HTTPError as error:
            raise _no_answer(name, redact_text(str(error))) from None
        except (AttributeError, UnicodeDecodeError):
            # The client's own error for an answer that is not JSON, such as a proxy's page.
            raise _no_answer(name, "it cannot be read") from None
        except ApiException as error:
            raise _refusal(name, error) from None

    def close(self) -> None:
        """Close every connection."""
        for api in (self._reading, self._writing):
            api.api_client.rest_client.pool_manager.clear()


class Vefaas(Platform):
    """The functions of one account in one region of veFaaS."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @override
    def functions(self) -> list[Listed]:
        return [
            Listed(item.id, item.name, Mark.read(item.description))
            for item in self._all("list_functions")
        ]

    @override
    def deployed(self, function_id: str) -> Deployed:
        found = self._client.call("get_function", id=function_id)
        release = self._client.call("get_release_status", function_id=function_id)
        # Before the first release it is -1 (6662/1327338).
        revision = max(release.stable_revision_number or 0, 0)
        triggers = self._client.call("list_triggers", function_id=function_id).items or []
        mark = Mark.read(found.description)
        return Deployed(
            id=function_id,
            name=found.name,
            runtime=found.runtime,
            source_type=found.source_type or "",
            mark=mark,
            draft=Version(_setup(found), mark.code if mark else None),
            live=self.revision(function_id, revision) if revision else None,
            revision=revision,
            is_releasing=_release(release).is_under_way,
            timers=tuple(
                self._timer(function_id, each.id) for each in triggers if each.type == _TIMER
            ),
            buckets=frozenset(b for each in triggers if (b := _bucket_of(each))),
            has_other_triggers=any(each.type not in (_TIMER, _BUCKET) for each in triggers),
        )

    @override
    def revision(self, function_id: str, number: int) -> Version:
        found = self._client.call("get_revision", function_id=function_id, revision_number=number)
        # The release's description; if it is not returned, the function's own, which the revision
        # keeps as well.
        mark = Mark.read(found.revision_description) or Mark.read(found.description)
        return Version(_setup(found), mark.code if mark else None)

    @override
    def create(self, name: str, runtime: str, setup: Setup, mark: Mark, code: bytes) -> str:
        fields = self._fields("CreateFunction", setup, mark, code)
        created = self._client.call("create_function", name=name, runtime=runtime, **fields)
        return str(created.id)

    @override
    def change(self, function_id: str, setup: Setup, mark: Mark, code: bytes | None) -> None:
        fields = self._fields("UpdateFunction", setup, mark, code)
        self._client.call("update_function", id=function_id, **fields)

    @override
    def release(self, function_id: str, revision: int, mark: Mark) -> Release:
        begun = self._client.call(
            "release",
            function_id=function_id,
            revision_number=revision,
            description=str(mark),
            target_traffic_weight=100,
        )
        return _release(begun)

    @override
    def release_state(self, function_id: str) -> Release:
        return _release(self._client.call("get_release_status", function_id=function_id))

    @override
    def released(self, function_id: str) -> list[int]:
        return [
            item.target_revision_number
            for item in self._all("list_release_records", function_id=function_id)
            if item.status == State.DONE
        ]

    @override
    def create_timer(self, function_id: str, name: str, cron: str, *, enabled: bool) -> None:
        self._client.call(
            "create_timer", function_id=function_id, name=name, crontab=cron, enabled=enabled
        )

    @override
    def change_timer(self, function_id: str, timer: Timer) -> None:
        self._client.call(
            "update_timer",
            function_id=function_id,
            id=timer.id,
            crontab=timer.cron,
            enabled=timer.enabled,
        )

    @override
    def remove_timer(self, function_id: str, timer_id: str) -> None:
        self._client.call("delete_timer", function_id=function_id, id=timer_id)

    @override
    def remove(self, function_id: str) -> None:
        self._client.call("delete_function", id=function_id)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _all(self, action: str, **fields: Any) -> Iterator[Any]:
        """Yield the items of a list, page by page."""
        number = 1
        while True:
            page = self._client.call(action, page_number=number, page_size=_PAGE, **fields)
            yield from page.items or []
            if number * _PAGE >= (page.total or 0):
                return
            number += 1

    def _timer(self, function_id: str, timer_id: str) -> Timer:
        found = self._client.call("get_timer", function_id=function_id, id=timer_id)
        return Timer(timer_id, found.name, found.crontab, bool(found.enabled))

    def _fields(self, action: str, setup: Setup, mark: Mark, code: bytes | None) -> dict[str, Any]:
        """Return all settings of a function: what is left out would stay as it is."""

        def part(name: str, /, **fields: Any) -> Any:
            return self._client.model(f"{name}For{action}Input", **fields)

        logs, exclusive = setup.logs, setup.max_concurrency == 1
        return {
            "description": str(mark),
            "memory_mb": setup.memory_mb,
            "request_timeout": setup.timeout_seconds,
            "exclusive_mode": exclusive,
            "max_concurrency": None if exclusive else setup.max_concurrency,
            "role": setup.role or "",
            "envs": [part("Env", key=k, value=v) for k, v in setup.environment.items()],
            "tls_config": part(
                "TlsConfig",
                enable_log=logs is not None,
                tls_project_id=logs.project if logs else None,
                tls_topic_id=logs.topic if logs else None,
            ),
            **({"source_type": "zip", "source": b64encode(code).decode()} if code else {}),
        }


class _Keys:
    """The access key of this project, as the client asks for it."""

    def __init__(self, source: CredentialSource) -> None:
        self._source = source

    def get_credentials(self) -> Any:
        """Return the key that is valid now. Raises CredentialsError."""
        from volcenginesdkcore.auth.providers.provider import CredentialValue  # noqa: PLC0415

        found = self._source.get()
        return CredentialValue(found.access_key, found.secret_key, found.session_token)


def _api_client(
    region: str, endpoint: str | None, keys: _Keys, read_seconds: float, *, repeats: bool
) -> Any:
    from volcenginesdkcore import ApiClient, Configuration  # noqa: PLC0415

    configuration = Configuration()
    # Its default writes urllib3's messages about failed requests to stderr.
    for logger in configuration.logger.values():
        logger.removeHandler(configuration.logger_stream_handler)
    configuration.region = region
    configuration.host = endpoint
    configuration.credential_provider = keys
    configuration.connect_timeout = CONNECT_SECONDS
    configuration.read_timeout = read_seconds
    configuration.auto_retry = repeats
    configuration.num_max_retries = READ_REPEATS
    return ApiClient(configuration)


def _no_answer(action: str, why: str) -> MaybeExecuted:
    return MaybeExecuted(
        f"No complete answer from veFaaS to {action}: {why}. Run the same command again: it reads "
        "the current state before it changes anything."
    )


def _refusal(action: str, error: Any) -> Refusal:
    # An error under HTTP 200 comes as the text of a dict and without the body.
    body = error.body or json.dumps({"Message": str(error.reason)})
    answer = Response(error.status or 0, {}, body.encode())
    sentence = f"veFaaS refused {action}: {describe(answer)}"
    if is_denied(answer):
        sentence += f" Give this key vefaas:{action}."
    return Refusal(sentence, code=code_of(answer))


def _setup(found: Any) -> Setup:
    tls = found.tls_config
    return Setup(
        memory_mb=found.memory_mb,
        timeout_seconds=found.request_timeout,
        max_concurrency=1 if found.exclusive_mode else found.max_concurrency,
        role=found.role or None,
        logs=Logs(tls.tls_project_id, tls.tls_topic_id) if tls and tls.enable_log else None,
        environment={each.key: each.value for each in found.envs or []},
    )


def _release(found: Any) -> Release:
    status, message = str(found.status), found.status_message or ""
    if status not in {state.value for state in State}:
        # Such as one that somebody aborted: it did not succeed.
        status, message = State.FAILED, f"its status is {status}. {message}"
    return Release(
        state=State(status),
        record=found.release_record_id or "",
        revision=found.new_revision_number or 0,
        message=message,
        log=found.failed_instance_logs or "",
    )


def _bucket_of(trigger: Any) -> str | None:
    """Return the bucket of the rule that a trigger is.

    It is documented that the configuration contains it (6662/1327343), but not under which name: if
    it is not found, a rule is left behind only in a bucket that serverless.yml no longer names.
    """
    if trigger.type != _BUCKET:
        return None
    config = as_object(trigger.detailed_config) or {}
    return next((as_text(v) for name, v in config.items() if "bucket" in name.lower()), None)
