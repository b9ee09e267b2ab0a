"""The errors of the control plane: the codes and statuses of document 6662/1261480."""

from local.openapi import ApiError


def missing(parameter: str) -> ApiError:
    """Return the error for a request without a required parameter."""
    return ApiError(
        "MissingParameter", f"The request is missing {parameter} parameter.", status=400
    )


def invalid(parameter: str, reason: str) -> ApiError:
    """Return the error for a parameter's value."""
    return ApiError(
        "InvalidParameter",
        f"The specified parameter {parameter} is not valid: {reason}.",
        status=400,
    )


def unsupported(reason: str) -> ApiError:
    """Return the error for an operation that is not possible with that function, or not now."""
    return ApiError("InvalidOperation", f"This operation is not supported: {reason}.", status=403)


def not_found(resource: str) -> ApiError:
    """Return the error for a resource that does not exist."""
    return ApiError(
        "ResourceNotFound", f"The specified resource {resource} cannot be found.", status=404
    )


def duplicated(resource: str) -> ApiError:
    """Return the error for creating a resource that exists."""
    return ApiError("DuplicatedResource", f"Resource {resource} already exists.", status=409)


def conflict(reason: str) -> ApiError:
    """Return the error for an operation that another one under way forbids."""
    return ApiError("StatusConflictError", f"{reason}.", status=409)
