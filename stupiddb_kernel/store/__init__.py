"""The local store: schema, migrations, import."""
