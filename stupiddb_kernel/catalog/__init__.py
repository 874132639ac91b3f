"""One tree over all sources, its cache and its search; statistics, profiles and diagnosis."""

from stupiddb_kernel.catalog.catalog import Catalog
from stupiddb_kernel.catalog.nodes import ColumnProfile, Hit, Profile, SourceNode

__all__ = ["Catalog", "ColumnProfile", "Hit", "Profile", "SourceNode"]
