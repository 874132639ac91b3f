-- What was copied into the store, from where: the answer to "how old is this table?"
CREATE TABLE imports (
    schema_name VARCHAR NOT NULL,
    table_name VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    rows BIGINT NOT NULL,
    imported_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (schema_name, table_name)
);

-- Files of a remote prefix that are known here without having been imported.
CREATE TABLE segments (
    bucket VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    etag VARCHAR NOT NULL,
    bytes BIGINT NOT NULL,
    rows BIGINT,
    event_type VARCHAR,
    registered_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    PRIMARY KEY (bucket, key)
);
