"""S3 as a source: Parquet below configured prefixes, read directly, without Athena."""

from stupiddb_kernel.sources.s3.segments import Segment, SegmentColumn
from stupiddb_kernel.sources.s3.source import Archived, PrefixSummary, S3Source

__all__ = ["Archived", "PrefixSummary", "S3Source", "Segment", "SegmentColumn"]
