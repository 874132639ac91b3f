"""The hardened DuckDB inside this process: how it is locked, runs a statement, and serves Ibis.

The ``duckdb`` source keeps the store and all results in one; the ``s3`` source makes one over datasets.
"""
