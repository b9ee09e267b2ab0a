"""The function platform itself, through its official client."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from ops.deployment.platform import Listed, Release, State
from ops.deployment.sdk import Client
from ops.deployment.serverless_yml.service import Logs
from ops.deployment.state import Deployed, Mark, Setup, Timer, Version
from shared.json_utils import as_object, as_text

_PAGE = 100
_TIMER, _BUCKET = "timer", "tos"


class Vefaas:
    """The functions of one account in one region; see `Platform`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def functions(self) -> list[Listed]:
        """Return every function of the account."""
        return [
            Listed(item.id, item.name, Mark.read(item.description))
            for item in self._all("list_functions")
        ]

    def deployed(self, function_id: str) -> Deployed:
        """Return a function as it is."""
        told = self._client.call("get_function", id=function_id)
        release = self._client.call("get_release_status", function_id=function_id)
        # Before the first release it is -1 (6662/1327338).
        revision = max(release.stable_revision_number or 0, 0)
        triggers = self._client.call("list_triggers", function_id=function_id).items or []
        mark = Mark.read(told.description)
        return Deployed(
            id=function_id,
            name=told.name,
            runtime=told.runtime,
            source_type=told.source_type or "",
            mark=mark,
            draft=Version(_setup(told), mark.code if mark else None),
            live=self.revision(function_id, revision) if revision else None,
            revision=revision,
            is_releasing=_release(release).is_under_way,
            timers=tuple(
                self._timer(function_id, each.id) for each in triggers if each.type == _TIMER
            ),
            buckets=frozenset(b for each in triggers if (b := _bucket_of(each))),
            has_other_triggers=any(each.type not in (_TIMER, _BUCKET) for each in triggers),
        )

    def revision(self, function_id: str, number: int) -> Version:
        """Return a revision of a function."""
        told = self._client.call("get_revision", function_id=function_id, revision_number=number)
        # As it was given to the release; the function's own, should that one not be told, is part
        # of what the revision keeps of the function.
        mark = Mark.read(told.revision_description) or Mark.read(told.description)
        return Version(_setup(told), mark.code if mark else None)

    def create(self, name: str, runtime: str, setup: Setup, mark: Mark, code: bytes) -> str:
        """Make a function; return its id."""
        fields = self._fields("CreateFunction", setup, mark, code)
        made = self._client.call("create_function", name=name, runtime=runtime, **fields)
        return str(made.id)

    def change(self, function_id: str, setup: Setup, mark: Mark, code: bytes | None) -> None:
        """Change what the next release takes; where `code` is None, that stays."""
        fields = self._fields("UpdateFunction", setup, mark, code)
        self._client.call("update_function", id=function_id, **fields)

    def release(self, function_id: str, revision: int, mark: Mark) -> Release:
        """Begin to release a revision; 0 makes one of what the function is now."""
        begun = self._client.call(
            "release",
            function_id=function_id,
            revision_number=revision,
            description=str(mark),
            target_traffic_weight=100,
        )
        return _release(begun)

    def release_state(self, function_id: str) -> Release:
        """Return how the newest release goes."""
        return _release(self._client.call("get_release_status", function_id=function_id))

    def released(self, function_id: str) -> list[int]:
        """Return the revisions whose releases went well."""
        return [
            item.target_revision_number
            for item in self._all("list_release_records", function_id=function_id)
            if item.status == State.DONE
        ]

    def create_timer(self, function_id: str, name: str, cron: str, *, enabled: bool) -> None:
        """Make a timer."""
        self._client.call(
            "create_timer", function_id=function_id, name=name, crontab=cron, enabled=enabled
        )

    def change_timer(self, function_id: str, timer: Timer) -> None:
        """Let the timer of that id be so."""
        self._client.call(
            "update_timer",
            function_id=function_id,
            id=timer.id,
            crontab=timer.cron,
            enabled=timer.enabled,
        )

    def remove_timer(self, function_id: str, timer_id: str) -> None:
        """Remove a timer."""
        self._client.call("delete_timer", function_id=function_id, id=timer_id)

    def remove(self, function_id: str) -> None:
        """Remove a function that nothing calls any more."""
        self._client.call("delete_function", id=function_id)

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _all(self, action: str, **fields: Any) -> Iterator[Any]:
        """Go through what a listing tells, page by page."""
        number = 1
        while True:
            page = self._client.call(action, page_number=number, page_size=_PAGE, **fields)
            yield from page.items or []
            if number * _PAGE >= (page.total or 0):
                return
            number += 1

    def _timer(self, function_id: str, timer_id: str) -> Timer:
        told = self._client.call("get_timer", function_id=function_id, id=timer_id)
        return Timer(timer_id, told.name, told.crontab, bool(told.enabled))

    def _fields(self, action: str, setup: Setup, mark: Mark, code: bytes | None) -> dict[str, Any]:
        """Return everything that a function is told: what were left out would stay as it is."""

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


def _setup(told: Any) -> Setup:
    tls = told.tls_config
    return Setup(
        memory_mb=told.memory_mb,
        timeout_seconds=told.request_timeout,
        max_concurrency=1 if told.exclusive_mode else told.max_concurrency,
        role=told.role or None,
        logs=Logs(tls.tls_project_id, tls.tls_topic_id) if tls and tls.enable_log else None,
        environment={each.key: each.value for each in told.envs or []},
    )


def _release(told: Any) -> Release:
    status, message = str(told.status), told.status_message or ""
    if status not in {state.value for state in State}:
        # Such as one that somebody aborted: not that it went well.
        status, message = State.FAILED, f"its status is {status}. {message}"
    return Release(
        state=State(status),
        record=told.release_record_id or "",
        revision=told.new_revision_number or 0,
        message=message,
        log=told.failed_instance_logs or "",
    )


def _bucket_of(trigger: Any) -> str | None:
    """Return the bucket whose rule a trigger is.

    That it is told is documented (6662/1327343), and not how: one that cannot be found leaves a
    rule behind only in a bucket that serverless.yml names no more.
    """
    if trigger.type != _BUCKET:
        return None
    told = as_object(trigger.detailed_config) or {}
    return next((as_text(v) for name, v in told.items() if "bucket" in name.lower()), None)
