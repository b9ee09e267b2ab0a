"""Set up structlog: one JSON object a line on stdout, readable on a terminal, no secrets."""

import logging
import sys
from collections.abc import MutableMapping
from functools import cache
from typing import Any, TextIO

import structlog
from structlog.typing import FilteringBoundLogger, Processor

from shared.redaction import redact

Log = FilteringBoundLogger

# The HTTP client of the SDK's credential chain logs whole URLs if an answer is odd, and a URL can
# have a signature. Its problems are raised as exceptions as well.
logging.getLogger("urllib3").addHandler(logging.NullHandler())
logging.getLogger("urllib3").propagate = False

_LEADING = ("timestamp", "level", "event")


def build_log(stream: TextIO, level: str = "info") -> Log:
    """Return a logger that writes to `stream`: JSON, or readable text to a terminal."""
    render: Processor = (
        structlog.dev.ConsoleRenderer()
        if stream.isatty()
        else structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    )
    logger: Log = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _hide_secrets,
            _order_fields,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        cache_logger_on_first_use=True,
    )
    return logger


def log_configuration_refused(log: Log, reason: str, code: str = "") -> None:
    """Log that a service refused the deployment's configuration, and how to fix it."""
    log.error(
        "configuration.refused",
        code=code,
        reason=reason,
        fix="Check the function's role and its permissions, the veImageX service, its domain and "
        "template, that the model is activated, and the bucket's name and region.",
    )


@cache
def stdout_log(level: str) -> Log:
    """Return the logger of this process: the platform collects its stdout line by line."""
    return build_log(sys.stdout, level)


def _hide_secrets(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {name: redact(value, name) for name, value in event.items()}


def _order_fields(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Put the fields first that a reader needs first."""
    leading = {name: event[name] for name in _LEADING}
    return leading | {name: value for name, value in event.items() if name not in leading}
