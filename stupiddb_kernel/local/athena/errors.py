"""The two ways a request goes wrong, in Athena's own words.

::

    ApiError                   the action itself is refused: an HTTP 400 the client raises
    ├── InvalidRequest
    ├── TooManyRequests
    ├── ResourceNotFound
    ├── MetadataFailed
    └── InternalFailure
    QueryError                 an accepted query fails; becomes Status.StateChangeReason
    └── SyntaxRefused          found while parsing, so StartQueryExecution already refuses it
    QueryStopped               StopQueryExecution, or the server goes down
    ScanCutoffReached          the workgroup's BytesScannedCutoffPerQuery

A :class:`QueryError` has a ``name`` from Trino's error codes (``COLUMN_NOT_FOUND``) and, where it is
about a place in the text, the 1-based line and column of that place.
"""

from __future__ import annotations


class ApiError(Exception):
    """An action that is refused, as the client sees it on the wire."""

    type = "InternalServerException"
    status = 400

    def __init__(self, message: str, **fields: str) -> None:
        super().__init__(message)
        self.message = message
        self.fields = fields


class InvalidRequest(ApiError):
    """Something about the request is wrong; ``AthenaErrorCode`` says what kind."""

    type = "InvalidRequestException"

    def __init__(self, message: str, code: str = "INVALID_INPUT") -> None:
        super().__init__(message, AthenaErrorCode=code)


class TooManyRequests(ApiError):
    """The caller's rate or number of queries is over its quota; trying again later helps."""

    type = "TooManyRequestsException"


class ResourceNotFound(ApiError):
    """A prepared statement or tagged resource that does not exist."""

    type = "ResourceNotFoundException"


class MetadataFailed(ApiError):
    """The Glue catalog behind the action refused; the message carries Glue's own code.

    The wording is an interface: PyAthena reads the error code out of the parenthesis.
    """

    type = "MetadataException"

    def __init__(self, message: str, code: str) -> None:
        super().__init__(
            f"{message} (Service: AmazonDataCatalog; Status Code: 400; Error Code: {code}; "
            "Request ID: 00000000-0000-0000-0000-000000000000; Proxy: null)"
        )


class UnknownAction(ApiError):
    """An action that Athena does not have, or that this stand-in does not do."""

    type = "UnknownOperationException"


class NotAuthenticated(ApiError):
    """The request carries no signature at all."""

    type = "MissingAuthenticationTokenException"
    status = 403


class InternalFailure(ApiError):
    """A fault in the stand-in itself; details are in its log, not on the wire."""

    type = "InternalServerException"
    status = 500


Place = tuple[int, int]
"""1-based line and column in the statement's text."""

USER_ERROR, SYSTEM_ERROR = 2, 1


class QueryError(Exception):
    """A query that fails, and why, in Athena's words."""

    def __init__(self, name: str, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.place = place

    @property
    def category(self) -> int:
        """Athena's ErrorCategory: 1 for faults of the service, 2 for faults of the user."""
        return SYSTEM_ERROR if self.name == "GENERIC_INTERNAL_ERROR" else USER_ERROR

    @property
    def type(self) -> int:
        """Athena's ErrorType: 1006 is a statement that can't be resolved, 1301 bad data, 200 the engine."""
        if self.category == SYSTEM_ERROR:
            return 200
        return 1301 if self.name.startswith("HIVE_") else 1006

    @property
    def located(self) -> str:
        """The message with its place in front, as Trino writes it."""
        return f"line {self.place[0]}:{self.place[1]}: {self.message}" if self.place else self.message

    @property
    def reason(self) -> str:
        """The whole StateChangeReason."""
        return f"{self.name}: {self.located}"


class SyntaxRefused(QueryError):
    """The text is no statement at all, so StartQueryExecution answers with it at once."""

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__("SYNTAX_ERROR", message, place)


class QueryStopped(Exception):
    """The query was stopped while it ran."""


class ScanCutoffReached(Exception):
    """The query scanned more bytes than its workgroup allows; the message is Athena's."""

    def __init__(self) -> None:
        super().__init__("Bytes scanned limit was exceeded")
