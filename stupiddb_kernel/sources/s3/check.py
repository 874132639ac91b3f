"""What ``stupiddb doctor`` tries on S3."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import (
    AuthenticationFailed,
    ConfigurationError,
    SourceError,
    SourceUnreachable,
)
from stupiddb_kernel.sources.base import Check

if TYPE_CHECKING:
    from stupiddb_kernel.sources.s3.prefix import Prefix
    from stupiddb_kernel.sources.s3.source import S3Source


def check(source: S3Source) -> list[Check]:
    """Each prefix: configured, reachable, authenticated, permitted to list and to read a footer."""
    prefixes = source.prefixes()
    if not prefixes:
        return [
            Check(
                "configured",
                False,
                "no prefix is configured",
                advice='add [[aws.s3.sources]] with bucket = "…" and prefix = "…"',
            )
        ]
    import boto3

    lines = [Check("version", True, f"boto3 {boto3.__version__}")]
    for prefix in prefixes:
        lines += _check_prefix(source, prefix)
    return lines


def _check_prefix(source: S3Source, prefix: Prefix) -> list[Check]:
    where = str(prefix.location)
    started = time.monotonic()
    try:
        first = prefix.first()
    except ConfigurationError as error:
        return [Check("configured", False, error.message, None, error.hint)]
    except SourceUnreachable as error:
        return [Check("reachable", False, error.message, _since(started), error.hint)]
    except AuthenticationFailed as error:
        return [Check("authenticated", False, error.message, _since(started), error.hint)]
    except SourceError as error:  # PermissionDenied, no such bucket
        return [Check("permitted", False, error.message, _since(started), error.hint)]
    lines = [Check("reachable", True, where, _since(started)), Check("authenticated", True, where)]
    if first is None:
        lines.append(
            Check(
                "permitted",
                True,
                f"{where} can be listed; no file in its first page fits {prefix.settings.pattern!r}",
                advice="check `prefix` and `pattern` if files were expected",
            )
        )
        return lines
    started = time.monotonic()
    try:
        footer = source.footer(first)
    except SourceError as error:  # PermissionDenied, CorruptObject
        lines.append(Check("permitted", False, error.message, _since(started), error.hint))
        return lines
    detail = f"{first.uri}: {footer.rows:,} rows, {len(footer.schema.names)} columns"
    lines.append(Check("permitted", True, detail, _since(started)))
    return lines


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000
