"""The border where what botocore raises becomes an error of our tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stupiddb_kernel.errors import (
    AuthenticationFailed,
    PermissionDenied,
    SourceError,
    SourceUnreachable,
    Throttled,
    UnsupportedOperation,
)

_BAD_CREDENTIALS = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidToken",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnauthorizedSSOTokenError",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset(
    {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "KMS.AccessDeniedException", "403"}
)
THROTTLES = frozenset(
    {
        "BandwidthLimitExceeded",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
NOT_FOUND = frozenset({"404", "NoSuchKey", "NotFound"})
PRECONDITION = frozenset({"412", "PreconditionFailed", "ConditionalRequestConflict"})


class ObjectGone(SourceError):
    """An object that was listed is no longer there."""


class ObjectChanged(SourceError):
    """An object was overwritten while it was being read, so what was read does not belong together."""


class ObjectExists(SourceError):
    """An object stands where a new one was to be written and overwriting was not asked for."""


class CorruptObject(SourceError):
    """An object is not the Parquet file it should be."""


def code_of(error: BaseException) -> str:
    """The service's error code of a botocore ClientError; empty for anything else."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return ""
    return str(response.get("Error", {}).get("Code", ""))


def message_of(error: BaseException) -> str:
    """The service's own words of a botocore ClientError, else the exception's."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return str(response.get("Error", {}).get("Message") or code_of(error))
    return str(error)


@contextmanager
def translated(source: str, action: str) -> Iterator[None]:
    """Raise what botocore raises inside as an error of our tree; ``action`` completes "could not …"."""
    import botocore.exceptions as boto

    try:
        yield
    except boto.BotoCoreError as error:
        raise _local(error, source, action) from error
    except boto.ClientError as error:
        raise _remote(error, source, action) from error


def _local(error: Exception, source: str, action: str) -> SourceError:
    """What botocore could not even send, or got no answer to."""
    import botocore.exceptions as boto

    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError)):
        return AuthenticationFailed(
            f"could not {action}: {error}",
            source=source,
            hint="give credentials by the AWS chain: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "a profile in ~/.aws, `aws sso login`, or an instance or task role",
        )
    if isinstance(
        error,
        (
            boto.CredentialRetrievalError,
            boto.MetadataRetrievalError,
            boto.SSOError,
            boto.TokenRetrievalError,
            boto.LoginError if hasattr(boto, "LoginError") else boto.SSOError,
        ),
    ):
        return AuthenticationFailed(
            f"could not {action}: {error}",
            source=source,
            hint="the credentials have expired or can't be fetched: run `aws sso login` or renew the role",
        )
    if isinstance(error, (boto.ProfileNotFound, boto.NoRegionError, boto.ParamValidationError)):
        return UnsupportedOperation(f"could not {action}: {error}", source=source)
    return SourceUnreachable(
        f"could not {action}: {error}",
        source=source,
        hint="check the network, the region and endpoint_url",
    )


def _remote(error: Exception, source: str, action: str) -> SourceError:
    """What the service answered with."""
    code, said = code_of(error), message_of(error)
    text = (
        f"could not {action}: {code}: {said}" if code and code not in said else f"could not {action}: {said}"
    )
    if code in _BAD_CREDENTIALS:
        return AuthenticationFailed(
            text, source=source, hint="renew the credentials: `aws sso login`, or the keys in the environment"
        )
    if code in _DENIED:
        return PermissionDenied(
            text, source=source, hint="ask for the permission, or use a profile or role that has it"
        )
    if code in THROTTLES:
        return Throttled(text, source=source, hint="wait a little and try again")
    if code in NOT_FOUND:
        return ObjectGone(text, source=source)
    if code in PRECONDITION:
        return ObjectChanged(text, source=source)
    if code == "NoSuchBucket":
        return SourceError(
            text, source=source, hint="check the bucket's name in stupiddb.toml and its region"
        )
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "301"):
        return SourceError(text, source=source, hint="the bucket is in another region: set `region`")
    if status >= 500:
        return SourceUnreachable(text, source=source, hint="the service failed: try again")
    return SourceError(text, source=source)
