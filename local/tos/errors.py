"""The errors that object storage responds with."""

from http import HTTPStatus


class TosApiError(Exception):
    """A refused request; the message describes how to fix it.

    `status` is the HTTP status, `code` the service's name of the error, and `ec` its finer code,
    empty if the documents name none.
    """

    def __init__(self, status: int, code: str, message: str, *, ec: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.ec = ec


def invalid(message: str) -> TosApiError:
    """Return the refusal of an invalid parameter, header or body."""
    return TosApiError(HTTPStatus.BAD_REQUEST, "InvalidArgument", message)


def not_implemented(feature: str) -> TosApiError:
    """Return the refusal of a feature that only the real object storage has."""
    return TosApiError(
        HTTPStatus.NOT_IMPLEMENTED,
        "NotImplemented",
        f"The local object storage has no {feature}; test that part against the real service.",
    )


def no_such_bucket(bucket: str) -> TosApiError:
    """Return the refusal of a request to a bucket that does not exist."""
    return TosApiError(
        HTTPStatus.NOT_FOUND,
        "NoSuchBucket",
        f"There is no bucket {bucket!r}; create it first, or correct the name.",
    )


def no_such_key(key: str) -> TosApiError:
    """Return the refusal of a request to an object that does not exist."""
    return TosApiError(
        HTTPStatus.NOT_FOUND,
        "NoSuchKey",
        f"There is no object {key!r} (or not that version of it); list the bucket to see its keys.",
    )


def no_such_upload(upload: str) -> TosApiError:
    """Return the refusal of a request to a multipart upload that is not in progress."""
    return TosApiError(
        HTTPStatus.NOT_FOUND,
        "NoSuchUpload",
        f"There is no multipart upload {upload!r} of this key; it may have been completed or "
        "aborted. Begin a new one.",
    )


def precondition_failed(key: str) -> TosApiError:
    """Return the refusal of a conditional request whose condition does not hold."""
    return TosApiError(
        HTTPStatus.PRECONDITION_FAILED,
        "PreconditionFailed",
        f"The object {key!r} does not have the ETag that the request names, or is not there; "
        "read it again before the next attempt.",
    )


def method_not_allowed(method: str, resource: str) -> TosApiError:
    """Return the refusal of a method that the resource does not have."""
    return TosApiError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        f"{method} is not a method of {resource}; check the requests that the service has.",
    )
