"""What a refused request is answered with.

```
Exception
└── TosError    the status, code and sentence of one refusal
```
"""

from http import HTTPStatus


class TosError(Exception):
    """A request that is refused; the message says what to do about it.

    `status` is the HTTP status, `code` the service's own name of the error, and `ec` its finer
    code, empty where the documents name none.
    """

    def __init__(self, status: int, code: str, message: str, *, ec: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.ec = ec


def invalid(message: str) -> TosError:
    """Return the refusal of a parameter, header or body that cannot be meant so."""
    return TosError(HTTPStatus.BAD_REQUEST, "InvalidArgument", message)


def not_implemented(what: str) -> TosError:
    """Return the refusal of what real object storage does and this one does not."""
    return TosError(
        HTTPStatus.NOT_IMPLEMENTED,
        "NotImplemented",
        f"The local object storage has no {what}; test that part against the real service.",
    )


def no_such_bucket(bucket: str) -> TosError:
    """Return the refusal of a request to a bucket that is not there."""
    return TosError(
        HTTPStatus.NOT_FOUND,
        "NoSuchBucket",
        f"There is no bucket {bucket!r}; create it first, or correct the name.",
    )


def no_such_key(key: str) -> TosError:
    """Return the refusal of a request to an object that is not there."""
    return TosError(
        HTTPStatus.NOT_FOUND,
        "NoSuchKey",
        f"There is no object {key!r} (or not that version of it); list the bucket to see its keys.",
    )


def no_such_upload(upload: str) -> TosError:
    """Return the refusal of a request to a multipart upload that is not in progress."""
    return TosError(
        HTTPStatus.NOT_FOUND,
        "NoSuchUpload",
        f"There is no multipart upload {upload!r} of this key; it may have been completed or "
        "aborted. Begin a new one.",
    )


def precondition_failed(key: str) -> TosError:
    """Return the refusal of a conditional request whose condition does not hold."""
    return TosError(
        HTTPStatus.PRECONDITION_FAILED,
        "PreconditionFailed",
        f"The object {key!r} does not have the ETag that the request names, or is not there; "
        "read it again and decide anew.",
    )


def method_not_allowed(method: str, what: str) -> TosError:
    """Return the refusal of a method that means nothing here."""
    return TosError(
        HTTPStatus.METHOD_NOT_ALLOWED,
        "MethodNotAllowed",
        f"{method} means nothing for {what}; see which requests the service knows.",
    )
