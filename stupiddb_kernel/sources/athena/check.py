"""What ``stupiddb doctor`` tries on Athena; nothing that is billed."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

from stupiddb_kernel.errors import AuthenticationFailed, ConfigurationError, SourceError, SourceUnreachable
from stupiddb_kernel.sources.athena.errors import bytes_text
from stupiddb_kernel.sources.athena.workgroup import Workgroup
from stupiddb_kernel.sources.base import Check
from stupiddb_kernel.sources.objects.errors import translated
from stupiddb_kernel.sources.objects.location import Location

if TYPE_CHECKING:
    from stupiddb_kernel.sources.athena.source import AthenaSource


def check(source: AthenaSource) -> list[Check]:
    """Reachable, authenticated, workgroup enabled, output location writable, Glue readable, cutoff."""
    import boto3

    lines = [Check("version", True, f"boto3 {boto3.__version__}")]
    started = time.monotonic()
    try:
        source.context.aws.credentials()
        group = Workgroup.read(source.athena(), source.name, source.settings.workgroup)
    except ConfigurationError as error:
        return [*lines, Check("authenticated", False, error.message, None, error.hint)]
    except SourceUnreachable as error:
        return [*lines, Check("reachable", False, error.message, _since(started), error.hint)]
    except AuthenticationFailed as error:
        return [*lines, Check("authenticated", False, error.message, _since(started), error.hint)]
    except SourceError as error:
        return [*lines, Check("permitted", False, error.message, _since(started), error.hint)]
    where = f"workgroup {group.name} in {source.context.aws.region(source.settings.region)}"
    lines += [Check("reachable", True, where, _since(started)), Check("authenticated", True, where)]
    if group.engine:
        lines.append(Check("version", True, group.engine))
    lines.append(_state(source, group))
    lines.append(_output(source, group))
    lines.append(_glue(source))
    return lines


def _state(source: AthenaSource, group: Workgroup) -> Check:
    if not group.enabled:
        return Check("permitted", False, f"workgroup {group.name} is disabled", advice="enable it")
    cap = source.settings.max_scan_bytes
    detail = f"workgroup {group.name} is enabled"
    if group.cutoff is None:
        advice = "it has no cutoff: a query of another tool may scan without end; see set_cutoff()"
        return Check("permitted", True, f"{detail}, no cutoff", advice=advice)
    detail += f", cutoff {bytes_text(group.cutoff)}"
    if cap is not None and group.cutoff < cap:
        return Check(
            "permitted", True, detail, advice=f"it stops queries before max_scan_bytes ({bytes_text(cap)})"
        )
    return Check("permitted", True, detail)


def _output(source: AthenaSource, group: Workgroup) -> Check:
    """Write and remove one empty object where results are to go."""
    output = source.unload_location()
    if output is None:
        if group.managed:
            return Check(
                "writable",
                True,
                "managed results: read as pages, slower for many rows",
                advice="set output_location to let large results come as Parquet",
            )
        return Check(
            "writable",
            False,
            f"neither output_location nor workgroup {group.name} says where results go",
            advice='set output_location = "s3://bucket/prefix/" in [aws.athena]',
        )
    location = Location.parse(output)
    key = f"{location.prefix}stupiddb-unload/check-{uuid.uuid4().hex}"
    started = time.monotonic()
    try:
        with translated(source.name, f"write to {output}"):
            source.s3().put_object(Bucket=location.bucket, Key=key, Body=b"")
            source.s3().delete_object(Bucket=location.bucket, Key=key)
    except SourceError as error:
        return Check("writable", False, error.message, _since(started), error.hint)
    return Check("writable", True, output, _since(started))


def _glue(source: AthenaSource) -> Check:
    started = time.monotonic()
    try:
        databases = source.databases()
        missing = [name for name in source.settings.databases if name not in source.glue().databases()]
    except SourceError as error:
        return Check("permitted", False, error.message, _since(started), error.hint)
    if missing:
        return Check(
            "permitted", False, f"no database {missing[0]!r} in {source.settings.catalog}", _since(started)
        )
    return Check("permitted", True, f"{source.settings.catalog}: {len(databases)} databases", _since(started))


def _since(started: float) -> float:
    return (time.monotonic() - started) * 1000
