"""One catalog of Athena, Aurora, RDS, S3 and a local DuckDB: the engine behind the `stupiddb` magics."""
