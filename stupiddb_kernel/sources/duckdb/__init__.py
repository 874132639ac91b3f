"""DuckDB as a source."""
