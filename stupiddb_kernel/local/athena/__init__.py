"""A stand-in for Amazon Athena: its HTTP protocol, executed by DuckDB over the real Parquet in a local S3.

Not Athena, and it says so: every answer carries ``Server: stupiddb-athena-stand-in``. Any client works
when only its endpoint is changed (boto3, PyAthena, ibis.athena); what the stand-in can't do it refuses
with Athena's own kind of error. ::

    server      the HTTP door: JSON 1.1, throttling, errors on the wire
    api/        one function per Athena action, and the validation of its input
    workgroups  workgroups and their settings
    executions  the life of a query: queued, running, succeeded, failed, cancelled; history; reuse
    engine      runs one statement of any kind
    statements  what kind of statement a text is
    parsing     the hand-written parser for the statements sqlglot keeps as text
    ddl, show   statements that change or list the catalog
    glue        the catalog: Glue's databases, tables and partitions
    binding     table names in a query -> scans over Glue tables; views; partition pruning
    translate   Athena SQL -> DuckDB SQL; functions holds the allow-list
    duck        a locked DuckDB that can reach nothing but those scans
    scan        which files and column chunks are read; the meter behind DataScannedInBytes
    results     result text as Athena prints it, result files, pages
    writing     the files of UNLOAD, CTAS and INSERT
    storage     S3

**DataScannedInBytes** is the number of bytes of Parquet column chunks (compressed, as they lie in the
file) that were really fetched from S3: only referenced columns, only files of partitions that survive
pruning, only row groups whose min/max statistics can match. Footers, listings and partition columns are
metadata and cost nothing, so ``count(*)`` without a filter scans 0 bytes, as on Athena. DDL and reused
results scan 0. A ``LIMIT`` may stop early; what was fetched until then counts.
"""
