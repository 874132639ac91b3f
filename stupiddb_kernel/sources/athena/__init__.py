"""Athena as a source."""

from stupiddb_kernel.sources.athena.source import AthenaSource

__all__ = ["AthenaSource"]
