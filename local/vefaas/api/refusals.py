"""How the control plane says no: the codes and statuses of document 6662/1261480."""

from http import HTTPStatus

from local.openapi import Refusal


def missing(parameter: str) -> Refusal:
    """Return the refusal of a request without a parameter that it must have."""
    return Refusal(
        "MissingParameter",
        f"The request is missing {parameter} parameter.",
        status=HTTPStatus.BAD_REQUEST,
    )


def invalid(parameter: str, why: str) -> Refusal:
    """Return the refusal of a parameter's value; `why` says what it should be."""
    return Refusal(
        "InvalidParameter",
        f"The specified parameter {parameter} is not valid: {why}.",
        status=HTTPStatus.BAD_REQUEST,
    )


def unsupported(why: str) -> Refusal:
    """Return the refusal of what cannot be done with that function, or not now."""
    return Refusal(
        "InvalidOperation",
        f"This operation is not supported: {why}.",
        status=HTTPStatus.FORBIDDEN,
    )


def not_found(what: str) -> Refusal:
    """Return the refusal of a request about what is not there."""
    return Refusal(
        "ResourceNotFound",
        f"The specified resource {what} cannot be found.",
        status=HTTPStatus.NOT_FOUND,
    )


def duplicated(what: str) -> Refusal:
    """Return the refusal to make what is there already."""
    return Refusal(
        "DuplicatedResource", f"Resource {what} already exists.", status=HTTPStatus.CONFLICT
    )


def conflict(why: str) -> Refusal:
    """Return the refusal of what another operation under way forbids."""
    return Refusal("StatusConflictError", f"{why}.", status=HTTPStatus.CONFLICT)
