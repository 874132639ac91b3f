"""Checks requests against Athena's published interface, which botocore carries."""

from __future__ import annotations

import base64
import binascii
import functools
import re
from typing import Any

from stupiddb_kernel.local.athena.errors import InvalidRequest, UnknownAction


@functools.cache
def service() -> Any:
    """Athena's interface."""
    from botocore.loaders import create_loader
    from botocore.model import ServiceModel

    return ServiceModel(create_loader().load_service_model("athena", "service-2"), "athena")


def check(action: str, request: Any) -> dict[str, Any]:
    """The request, if it has the form the action asks for.

    Raises:
        UnknownAction: Athena has no such action.
        InvalidRequest: something is missing, of a wrong type, too short, too long or not allowed.
    """
    from botocore.model import OperationNotFoundError
    from botocore.validate import ParamValidator

    try:
        shape = service().operation_model(action).input_shape
    except OperationNotFoundError as error:
        raise UnknownAction(f"Unknown operation: {action}") from error
    if not isinstance(request, dict):
        raise InvalidRequest("The request's body must be a JSON object")
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        raise InvalidRequest(f"1 validation error detected: {report.generate_report()}")
    _limits(request, shape, "")
    return request


def _limits(value: Any, shape: Any, path: str) -> None:
    kind = shape.type_name
    if kind == "structure":
        for name, member in shape.members.items():
            if name in value:
                _limits(value[name], member, f"{path}.{name}" if path else name)
        return
    if kind == "list":
        _size(len(value), shape, path, "items")
        for index, item in enumerate(value):
            _limits(item, shape.member, f"{path}.{index + 1}")
    elif kind == "string":
        size = len(value.encode()) if path == "QueryString" else len(value)
        _size(size, shape, path, "characters")
        allowed = shape.metadata.get("enum")
        pattern = shape.metadata.get("pattern")
        if allowed and value not in allowed:
            raise _violation(path, value, f"Member must satisfy enum value set: [{', '.join(allowed)}]")
        if pattern and "\\u" not in pattern and not re.fullmatch(pattern, value):
            raise _violation(path, value, f"Member must satisfy regular expression pattern: {pattern}")
    elif kind in ("integer", "long"):
        _size(value, shape, path, "")


def _size(size: int, shape: Any, path: str, what: str) -> None:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    unit = f" {what}" if what else ""
    if low is not None and size < low:
        raise _violation(path, size, f"Member must be greater than or equal to {low}{unit}")
    if high is not None and size > high:
        raise _violation(path, size, f"Member must be less than or equal to {high}{unit}")


def _violation(path: str, value: Any, message: str) -> InvalidRequest:
    return InvalidRequest(
        f"1 validation error detected: Value '{str(value)[:100]}' at '{path}' failed to satisfy "
        f"constraint: {message}"
    )


def page(items: list[Any], request: dict[str, Any], most: int) -> tuple[list[Any], dict[str, str]]:
    """One page of a list, and the token for the next as ``{"NextToken": …}`` or nothing.

    Raises:
        InvalidRequest: the token is none of ours.
    """
    start = read_token(request.get("NextToken"))
    end = start + min(most, request.get("MaxResults") or most)
    return items[start:end], ({"NextToken": make_token(end)} if end < len(items) else {})


def make_token(position: int, owner: str = "") -> str:
    """An opaque token for a position in one list."""
    return base64.urlsafe_b64encode(f"{owner}:{position}".encode()).decode()


def read_token(token: str | None, owner: str = "") -> int:
    """The position of a token, 0 for none.

    Raises:
        InvalidRequest: the token is none of ours, or of another list.
    """
    if not token:
        return 0
    try:
        found, _, position = base64.urlsafe_b64decode(token.encode()).decode().rpartition(":")
        if found == owner:
            return max(0, int(position))
    except (binascii.Error, ValueError):
        pass
    raise InvalidRequest("Invalid NextToken", "INVALID_INPUT")
