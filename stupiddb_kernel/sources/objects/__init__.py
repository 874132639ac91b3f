"""Parquet files in S3, as ``athena`` and ``s3`` both need them: listing, ranges, footers, schemas.

This package alone talks to S3's data plane. It knows neither Glue nor a catalog.
"""
