"""The official client of veFaaS's API, tamed: what changes something is sent once.

Its default retryer sends a POST again after a lost answer, and every call is a POST. A release
that is begun twice is refused or released twice; so only what reads is repeated, and whoever
deploys looks at what is there before anything is done again.
"""

import json
from typing import Any

import urllib3

from ops.deployment.platform import Refusal
from ops.service_errors import code_of, describe, is_denied
from shared.clients.credentials import CredentialSource
from shared.clients.http import Response
from shared.errors import MaybeExecuted
from shared.redaction import redact_text

MARGIN_SECONDS = 5.0
READ_SECONDS = 20.0
# The code comes in the body of a call, and is stored before that is answered.
WRITE_SECONDS = 180.0
READ_REPEATS = 2
_READS = ("get_", "list_")


class Client:
    """Calls actions by their names; safe to use from several threads.

    `endpoint` is an address, or None for the region's own.
    """

    def __init__(self, region: str, endpoint: str | None, credentials: CredentialSource) -> None:
        # It takes a while to import, and every command would wait for it.
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
        """Make one of the client's models, such as a part of a request."""
        return getattr(self._models, name)(**fields)

    def call(self, action: str, /, **fields: Any) -> Any:
        """Call `action`, such as `get_function`, and return the client's model of the answer.

        Raises Refusal, MaybeExecuted, CredentialsError.
        """
        name = "".join(word.capitalize() for word in action.split("_"))
        api = self._reading if action.startswith(_READS) else self._writing
        request = self.model(f"{name}Request", **fields)
        try:
            return getattr(api, action)(request)
        except urllib3.exceptions.HTTPError as error:
            raise _no_answer(name, redact_text(str(error))) from None
        except (AttributeError, UnicodeDecodeError):
            # What the client comes to with an answer that is no JSON: a proxy's page.
            raise _no_answer(name, "it cannot be read") from None
        except self._refused as error:
            raise _refusal(name, error) from None

    @property
    def _refused(self) -> type[Exception]:
        from volcenginesdkcore.rest import ApiException  # noqa: PLC0415

        refused: type[Exception] = ApiException
        return refused

    def close(self) -> None:
        """Close every connection."""
        for api in (self._reading, self._writing):
            api.api_client.rest_client.pool_manager.clear()


class _Keys:
    """The access key that this project finds, as the client asks for it."""

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
    # Set up anew, it writes what urllib3 has to say of failed requests to stderr.
    for logger in configuration.logger.values():
        logger.removeHandler(configuration.logger_stream_handler)
    configuration.region = region
    configuration.host = endpoint
    configuration.credential_provider = keys
    configuration.connect_timeout = MARGIN_SECONDS
    configuration.read_timeout = read_seconds
    configuration.auto_retry = repeats
    configuration.num_max_retries = READ_REPEATS
    return ApiClient(configuration)


def _no_answer(action: str, why: str) -> MaybeExecuted:
    return MaybeExecuted(
        f"No whole answer from veFaaS to {action}: {why}. Run the same command again: it looks at "
        "what is there before it changes anything."
    )


def _refusal(action: str, error: Any) -> Refusal:
    # An error under HTTP 200 comes as the text of a dict and without the body.
    body = error.body or json.dumps({"Message": str(error.reason)})
    answer = Response(error.status or 0, {}, body.encode())
    sentence = f"veFaaS refused {action}: {describe(answer)}"
    if is_denied(answer):
        sentence += f" Give this key vefaas:{action}."
    return Refusal(sentence, code=code_of(answer))
