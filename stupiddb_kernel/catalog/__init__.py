"""One tree over all sources."""
