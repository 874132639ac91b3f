"""stupiddb.toml and the environment become settings; everything wrong is said at once, nothing secret is."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import traceback
from pathlib import Path
from typing import Any

import pytest

from stupiddb_kernel.config.description import describe, missing
from stupiddb_kernel.config.file import find, read
from stupiddb_kernel.config.loading import load
from stupiddb_kernel.config.names import source_names
from stupiddb_kernel.config.reserved import IPYTHON_MAGICS
from stupiddb_kernel.config.settings import (
    AthenaSettings,
    MysqlSettings,
    PostgresSettings,
    RedshiftSettings,
    S3Settings,
    Settings,
)
from stupiddb_kernel.errors import ConfigurationError

SEED = """\
[aws.athena]
enabled = true
region = "ap-southeast-1"
database = "analytics"
workgroup = "stupid-db"
output_location = "s3://stupid-db-athena-results/"
# Max scan per query (cost control)
max_scan_bytes = 10737418240  # 10 GB
# Query timeout
timeout_seconds = 300

[aws.aurora]
enabled = true
engine = "postgresql"  # or "mysql"
host = "stupid-db-cluster.cluster-xxxx.ap-southeast-1.rds.amazonaws.com"
port = 5432
database = "crm"
username_env = "AURORA_USERNAME"
password_env = "AURORA_PASSWORD"
# Connection pool
pool_min = 2
pool_max = 10
# SSL
ssl_mode = "require"

[aws.rds]
enabled = true
engine = "mysql"
host = "api-red-db.xxxx.ap-southeast-1.rds.amazonaws.com"
port = 3306
database = "apired"
username_env = "RDS_USERNAME"
password_env = "RDS_PASSWORD"
pool_min = 2
pool_max = 5
ssl_mode = "require"

[[aws.aurora.mappings]]
table = "members"
entity_type = "Member"
key_column = "member_code"
properties = [
    { column = "registration_date", property = "registered_at" },
    { column = "total_deposit", property = "total_deposit" },
    { column = "account_status", property = "status" },
    { column = "email_verified", property = "email_verified" },
    { column = "phone_verified", property = "phone_verified" },
]
sync_mode = "incremental"
sync_key = "updated_at"

[[aws.aurora.mappings]]
table = "games"
entity_type = "Game"
key_column = "game_uid"
properties = [
    { column = "display_name", property = "name" },
    { column = "category", property = "category" },
    { column = "provider", property = "provider" },
    { column = "rtp", property = "rtp" },
    { column = "is_active", property = "active" },
]
sync_mode = "full"

[aws.s3]
region = "ap-southeast-1"
# Authentication: uses default AWS credential chain
# (env vars, instance profile, SSO, etc.)

# Pre-registered S3 data sources
[[aws.s3.sources]]
bucket = "w88-analytics"
prefix = "events/"
event_type_from_path = true  # events/Login/2025-06-12.parquet → Login
pattern = "**/*.parquet"

[[aws.s3.sources]]
bucket = "w88-archive"
prefix = "historical/"
read_only = true
"""

AURORA = """\
[aws.aurora]
engine = "postgresql"
host = "h"
database = "crm"
username = "reader"
password_env = "AURORA_PASSWORD"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def settings_of(folder: Path, text: str, **environ: str) -> Settings:
    (folder / "stupiddb.toml").write_text(textwrap.dedent(text), encoding="utf-8")
    return load(environ=environ, start=folder)


def problems_of(folder: Path, text: str, **environ: str) -> dict[str, Any]:
    with pytest.raises(ConfigurationError) as caught:
        settings_of(folder, text, **environ)
    return {problem.key: problem for problem in caught.value.problems}


def source_of(settings: Settings, name: str) -> Any:
    return {source.name: source for source in settings.sources}[name]


# -- the seeds' tables, as they stand


def test_the_seed_configuration_is_read_as_it_stands(folder: Path) -> None:
    settings = settings_of(folder, SEED)

    assert [(source.name, type(source)) for source in settings.sources] == [
        ("athena", AthenaSettings),
        ("aurora", PostgresSettings),
        ("rds", MysqlSettings),
        ("s3", S3Settings),
    ]
    athena, aurora, rds, s3 = settings.sources
    assert isinstance(athena, AthenaSettings)
    assert (athena.database, athena.workgroup, athena.max_scan_bytes) == (
        "analytics",
        "stupid-db",
        10 * 2**30,
    )
    assert isinstance(aurora, PostgresSettings)
    assert (aurora.pool_min, aurora.pool_max, aurora.ssl_mode) == (2, 10, "require")
    members, games = aurora.mappings
    assert (members.entity_type, members.sync_mode, members.sync_key) == (
        "Member",
        "incremental",
        "updated_at",
    )
    assert [(p.column, p.property) for p in members.properties][2] == ("account_status", "status")
    assert (games.sync_mode, len(games.properties)) == ("full", 5)
    assert isinstance(rds, MysqlSettings)
    assert (rds.port, rds.password_env) == (3306, "RDS_PASSWORD")
    assert isinstance(s3, S3Settings)
    assert [(p.bucket, p.prefix, p.event_type_from_path, p.read_only) for p in s3.sources] == [
        ("w88-analytics", "events/", True, False),
        ("w88-archive", "historical/", False, True),
    ]


def test_the_engine_decides_the_kind_of_aurora_and_rds(folder: Path) -> None:
    settings = settings_of(folder, SEED.replace('"postgresql"', '"mysql"', 1))
    assert isinstance(source_of(settings, "aurora"), MysqlSettings)
    assert source_of(settings, "aurora").port == 5432, "the port in the file stands"


def test_further_sources_have_names_of_their_own(folder: Path) -> None:
    settings = settings_of(
        folder,
        """
        [sources.crm]
        kind = "postgres"
        host = "h"
        database = "d"
        username = "u"
        password_env = "P"
        [sources.archive]
        kind = "athena"
        database = "old"
        [sources.files]
        kind = "s3"
        sources = [{ bucket = "one-bucket" }]
        [sources.side]
        kind = "duckdb"
        path = "side.duckdb"
        [sources.web]
        engine = "mysql"
        host = "h"
        database = "d"
        username = "u"
        secret = "prod/web"
        """,
    )
    assert [(s.name, s.kind) for s in settings.sources] == [
        ("crm", "postgres"),
        ("archive", "athena"),
        ("files", "s3"),
        ("side", "duckdb"),
        ("web", "mysql"),
    ]
    assert source_of(settings, "side").path == folder / "side.duckdb"


def test_every_table_of_the_design_is_accepted(folder: Path) -> None:
    settings = settings_of(
        folder,
        """
        environment = "staging"
        [aws]
        region = "eu-west-1"
        [aws.redshift]
        host = "cluster"
        database = "echo_analytics"
        schema = "marts"
        username = "admin"
        password_env = "REDSHIFT_PASSWORD"
        iam_role = "arn:aws:iam::123456789012:role/RedshiftLoadRole"
        [lake]
        bucket = "echo-lake"
        staging_prefix = "clean/"
        [store]
        memory_limit = "2GB"
        [graph]
        retention_days = 7
        [jobs]
        directory = "runs"
        retries = 2
        [catalog]
        cache_directory = "cache"
        max_age_seconds = 60
        """,
    )
    redshift = source_of(settings, "redshift")
    assert isinstance(redshift, RedshiftSettings)
    assert (redshift.schema_name, redshift.port) == ("marts", 5439)
    assert (settings.lake.bucket, settings.lake.raw_prefix, settings.lake.staging_prefix) == (
        "echo-lake",
        "raw/",
        "clean/",
    )
    assert settings.jobs.directory == folder / "runs"
    assert settings.catalog.cache_directory == folder / "cache"
    assert settings.environment == "staging"


def test_a_disabled_source_is_named_but_not_used(folder: Path) -> None:
    settings = settings_of(folder, SEED.replace("enabled = true", "enabled = false", 1))
    assert "athena" not in [source.name for source in settings.sources]
    assert settings.disabled == ("athena",)


# -- where the file is


def test_the_file_is_found_upwards_from_the_notebook(folder: Path) -> None:
    (folder / "stupiddb.toml").write_text(SEED, encoding="utf-8")
    deep = folder / "notebooks" / "reports"
    deep.mkdir(parents=True)
    assert load(environ={}, start=deep).path == folder / "stupiddb.toml"


def test_the_nearest_file_wins(folder: Path) -> None:
    (folder / "stupiddb.toml").write_text(SEED, encoding="utf-8")
    near = folder / "notebooks"
    near.mkdir()
    (near / "stupiddb.toml").write_text("", encoding="utf-8")
    assert load(environ={}, start=near).sources == ()


def test_stupiddb_config_names_the_file_or_its_folder(folder: Path) -> None:
    (folder / "stupiddb.toml").write_text(SEED, encoding="utf-8")
    for named in (folder, folder / "stupiddb.toml"):
        assert load(environ={"STUPIDDB_CONFIG": str(named)}, start=Path("/")).path == folder / "stupiddb.toml"


def test_a_named_file_that_is_missing_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"STUPIDDB_CONFIG names .*nowhere\.toml"):
        load(environ={"STUPIDDB_CONFIG": str(folder / "nowhere.toml")})
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml"):
        load(folder / "nowhere.toml", environ={})


def test_no_file_at_all_is_an_empty_session(folder: Path) -> None:
    settings = load(environ={}, start=folder)
    assert (settings.sources, settings.path, settings.store.path) == ((), None, None)


def test_an_empty_file_is_fine(folder: Path) -> None:
    assert settings_of(folder, "").sources == ()


def test_the_store_is_in_memory_unless_it_is_asked_for(folder: Path) -> None:
    assert settings_of(folder, "").store.path is None
    assert settings_of(folder, "[store]\n").store.path == folder / "stupiddb.duckdb"
    assert settings_of(folder, '[store]\npath = "data/x.db"\n').store.path == folder / "data" / "x.db"
    assert settings_of(folder, '[store]\npath = "/abs/x.db"\n').store.path == Path("/abs/x.db")
    assert settings_of(folder, '[store]\npath = "~/x.db"\n').store.path == Path("~/x.db").expanduser()
    assert settings_of(folder, '[store]\npath = ":memory:"\n').store.path is None


# -- the environment


def test_the_environment_wins_over_the_file(folder: Path) -> None:
    text = '[aws]\nregion = "eu-west-1"\n[lake]\nbucket = "from-file"\nraw_prefix = "in/"\n'
    settings = settings_of(folder, text, AWS_REGION="us-east-1", S3_BUCKET_NAME="from-env")
    assert (settings.aws.region, settings.lake.bucket, settings.lake.raw_prefix) == (
        "us-east-1",
        "from-env",
        "in/",
    )


def test_a_variable_set_to_nothing_is_not_set(folder: Path) -> None:
    assert settings_of(folder, '[aws]\nregion = "eu-west-1"\n', AWS_REGION="").aws.region == "eu-west-1"


def test_the_lake_and_redshift_of_the_echo_seed_need_no_file(folder: Path) -> None:
    settings = load(
        environ={
            "AWS_ACCESS_KEY_ID": "your_access_key",
            "AWS_SECRET_ACCESS_KEY": "your_secret_key",
            "AWS_REGION": "us-east-1",
            "S3_BUCKET_NAME": "your-echo-data-lake-bucket",
            "S3_RAW_PREFIX": "raw/",
            "S3_STAGING_PREFIX": "staging/",
            "S3_ARCHIVE_PREFIX": "archive/",
            "REDSHIFT_HOST": "your-cluster.region.redshift.amazonaws.com",
            "REDSHIFT_PORT": "5439",
            "REDSHIFT_USER": "admin",
            "REDSHIFT_PASSWORD": "your_password",
            "REDSHIFT_DATABASE": "echo_analytics",
            "REDSHIFT_SCHEMA": "public",
            "USE_REDSHIFT": "true",
        },
        start=folder,
    )
    assert settings.aws.region == "us-east-1"
    assert settings.lake.bucket == "your-echo-data-lake-bucket"
    (redshift,) = settings.sources
    assert isinstance(redshift, RedshiftSettings)
    assert (redshift.host, redshift.username, redshift.database) == (
        "your-cluster.region.redshift.amazonaws.com",
        "admin",
        "echo_analytics",
    )
    assert redshift.password_env == "REDSHIFT_PASSWORD"
    assert "your_password" not in repr(settings)
    assert "your_secret_key" not in repr(settings)


@pytest.mark.parametrize("switch", ["false", "0", ""])
def test_redshift_variables_alone_make_no_source(folder: Path, switch: str) -> None:
    assert load(environ={"REDSHIFT_HOST": "h", "USE_REDSHIFT": switch}, start=folder).sources == ()


def test_use_redshift_switches_the_files_own_table_off(folder: Path) -> None:
    text = '[aws.redshift]\nhost="h"\ndatabase="d"\nusername="u"\npassword_env="P"\n'
    assert len(settings_of(folder, text).sources) == 1
    assert settings_of(folder, text, USE_REDSHIFT="false").disabled == ("redshift",)


def test_database_url_is_a_source_named_database(folder: Path) -> None:
    url = "postgresql+asyncpg://user:p%40ss@localhost:6543/trivianft?sslmode=verify-full"
    settings = load(environ={"DATABASE_URL": url}, start=folder)
    (database,) = settings.sources
    assert isinstance(database, PostgresSettings)
    assert (database.name, database.host, database.port) == ("database", "localhost", 6543)
    assert (database.database, database.username, database.ssl_mode) == ("trivianft", "user", "verify-full")
    assert database.url_env == "DATABASE_URL"
    assert "p@ss" not in repr(settings)
    assert "p%40ss" not in repr(settings)


def test_database_secret_arn_is_a_source_named_database(folder: Path) -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/trivia-nft/database-AbCdEf"
    (database,) = load(environ={"DATABASE_SECRET_ARN": arn}, start=folder).sources
    assert isinstance(database, PostgresSettings)
    assert (database.name, database.secret, database.region) == ("database", arn, "eu-west-1")


def test_a_database_url_of_another_programs_store_is_left_alone(folder: Path) -> None:
    assert load(environ={"DATABASE_URL": "sqlite:///app.db"}, start=folder).sources == ()


def test_aurora_variables_of_the_migration_seed(folder: Path) -> None:
    environ = {
        "AURORA_SECRET_ARN": "arn:aws:secretsmanager:us-west-2:1:secret:s",
        "AURORA_DB_NAME": "events",
        "AURORA_CLUSTER_ARN": "arn:aws:rds:us-west-2:1:cluster:c",
    }
    (aurora,) = load(environ=environ, start=folder).sources
    assert isinstance(aurora, PostgresSettings)
    assert (aurora.name, aurora.database, aurora.region) == ("aurora", "events", "us-west-2")


def test_the_database_file_of_the_k9_seed(folder: Path) -> None:
    environ = {"DATABASE_S3_BUCKET": "your-bucket-name", "ENVIRONMENT": "prod"}
    store = load(environ=environ, start=folder).store
    assert (store.s3_bucket, store.s3_key) == ("your-bucket-name", "databases/k9_api_prod.db")
    store = load(environ={**environ, "DATABASE_S3_KEY": "databases/x.db"}, start=folder).store
    assert store.s3_key == "databases/x.db"


def test_any_key_can_be_set_by_a_variable(folder: Path) -> None:
    settings = settings_of(
        folder,
        SEED,
        STUPIDDB__AWS__AURORA__POOL_MAX="20",
        STUPIDDB__AWS__AURORA__HOST="db.internal",
        STUPIDDB__AWS__ATHENA__ENABLED="false",
    )
    assert (source_of(settings, "aurora").pool_max, source_of(settings, "aurora").host) == (20, "db.internal")
    assert settings.disabled == ("athena",)


# -- what is wrong, all at once


def test_every_problem_is_listed_with_key_line_found_and_allowed(folder: Path) -> None:
    problems = problems_of(
        folder,
        """\
        [aws.athena]
        max_scan_bytes = -1
        wrkgroup = "x"
        output_location = "results"

        [aws.aurora]
        engine = "postgresql"
        host = "h"
        database = "crm"
        username_env = "AURORA_USERNAME"
        password_env = "AURORA_PASSWORD"
        port = "abc"
        pool_min = 20
        pool_max = 10

        [stroe]
        """,
    )
    told = {key: (p.line, p.found, p.allowed) for key, p in problems.items()}
    assert told == {
        "aws.athena.max_scan_bytes": (2, "-1", "greater than 0"),
        "aws.athena.wrkgroup": (3, "an unknown key", "did you mean workgroup?"),
        "aws.athena.output_location": (4, "'results'", "s3://bucket/prefix/"),
        "aws.aurora.port": (12, "'abc'", told["aws.aurora.port"][2]),
        "aws.aurora.pool_max": (14, "10", "at least pool_min, which is 20"),
        "stroe": (16, "an unknown key", "did you mean store?"),
    }
    assert "integer" in told["aws.aurora.port"][2]


@pytest.mark.parametrize(
    ("text", "key", "allowed"),
    [
        (AURORA.replace('engine = "postgresql"\n', ""), "aws.aurora.engine", "postgresql"),
        (AURORA.replace("postgresql", "oracle"), "aws.aurora.engine", "mysql"),
        (AURORA.replace('host = "h"\n', ""), "aws.aurora.host", "host"),
        (AURORA.replace('password_env = "AURORA_PASSWORD"\n', ""), "aws.aurora.password_env", "secret"),
        (AURORA + 'secret = "s"\n', "aws.aurora.secret", "one of them"),
        (AURORA + 'auth = "iam"\n', "aws.aurora.password_env", "none"),
        (AURORA + "port = 70000\n", "aws.aurora.port", "65535"),
        (AURORA + 'ssl_mode = "on"\n', "aws.aurora.ssl_mode", "require"),
        (AURORA + 'ssl_ca = "nowhere.pem"\n', "aws.aurora.ssl_ca", "PEM"),
        (
            AURORA.replace("password_env", "username_env") + 'auth = "iam"\nssl_mode = "disable"\n',
            "aws.aurora.ssl_mode",
            "require",
        ),
        (
            AURORA + '[[aws.aurora.mappings]]\ntable="t"\nentity_type="T"\nkey_column="k"\n'
            'sync_mode="incremental"\n',
            "aws.aurora.mappings[0].sync_key",
            "updated_at",
        ),
        (
            AURORA + '[[aws.aurora.mappings]]\ntable="t"\nentity_type="T"\nkey_colum="k"\n',
            "aws.aurora.mappings[0].key_colum",
            "did you mean key_column?",
        ),
        ('[aws.s3]\nsources = [{ bucket = "s3://b" }]\n', "aws.s3.sources[0].bucket", "without s3://"),
        (
            '[aws.s3]\nsources = [{ bucket = "bbb", prefix = "a/../b" }]\n',
            "aws.s3.sources[0].prefix",
            'no ".."',
        ),
        (
            '[aws.s3]\nsources = [{ bucket = "bbb", prefix = "x/" }, { bucket = "ccc", prefix = "x/" }]\n',
            "aws.s3.sources[1].name",
            "of its own",
        ),
        ("aws = 3\n", "aws", "a table"),
        ("[aws]\naurora = 3\n", "aws.aurora", "a table"),
        ("sources = 3\n", "sources", "tables"),
        ("[aws.aurroa]\nx = 1\n", "aws.aurroa", "did you mean aurora?"),
        ('[aws.athena]\nname = "x"\n', "aws.athena.name", "database"),
        ('[sources.x]\nkind = "oracle"\n', "sources.x.kind", '"postgres"'),
        ('[sources.x]\nkind = "duckdb"\n', "sources.x.path", "path"),
    ],
)
def test_each_rule_is_told_at_its_key(folder: Path, text: str, key: str, allowed: str) -> None:
    problems = problems_of(folder, text)
    assert key in problems, problems
    assert allowed in problems[key].allowed


def test_a_problem_from_a_variable_names_the_variable(folder: Path) -> None:
    problems = problems_of(
        folder, "", USE_REDSHIFT="yes", REDSHIFT_HOST="h", REDSHIFT_DATABASE="d", REDSHIFT_PORT="x"
    )
    assert problems["aws.redshift.port"].found == "'x' (from REDSHIFT_PORT)"
    assert problems["aws.redshift.port"].line is None


@pytest.mark.parametrize(
    "name",
    [
        "time",
        "bash",
        "catalog",
        "plan",
        "Graph",
        "local",
        "sql",
        "class",
        "two words",
        "1st",
        "naïve",
        "x" * 64,
    ],
)
def test_a_source_can_not_have_a_name_that_a_magic_can_not_have(folder: Path, name: str) -> None:
    text = f'[sources."{name}"]\nkind = "athena"\n'
    assert f"sources.{name}" in problems_of(folder, text)
    assert source_names(environ={}, start=folder) == []


def test_names_are_unique_over_all_tables_and_cases(folder: Path) -> None:
    problems = problems_of(folder, SEED + '[sources.Athena]\nkind = "athena"\n')
    assert "[aws.athena] has this one" in problems["sources.Athena"].allowed


def test_the_names_of_ipythons_magics_are_complete() -> None:
    code = """
from ipykernel.zmqshell import ZMQInteractiveShell
from IPython.core.interactiveshell import InteractiveShell
for shell in (ZMQInteractiveShell, InteractiveShell):
    for names in shell.instance().magics_manager.lsmagic().values():
        print(*names)
    shell.clear_instance()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    present = {name.casefold() for name in run.stdout.split() if name.isidentifier()}
    assert len(present) > 80
    assert present - {"stupiddb", "catalog"} - IPYTHON_MAGICS == set()


@pytest.mark.parametrize(
    ("text", "line"),
    [("[aws.athena\n", 1), ("\n\nx = \n", 3), ("a = 1\na = 2\n", 2), ('x = "abc', 1), ("[a]\n[a]\n", 2)],
)
def test_broken_toml_is_told_with_its_line(folder: Path, text: str, line: int) -> None:
    (problem,) = problems_of(folder, text).values()
    assert (problem.key, problem.line) == ("stupiddb.toml", line)


def test_a_file_that_is_not_utf8_is_told(folder: Path) -> None:
    (folder / "stupiddb.toml").write_bytes('[store]\npath = "é"'.encode("latin-1"))
    with pytest.raises(ConfigurationError, match="not UTF-8: byte 0xe9 at offset 16"):
        load(environ={}, start=folder)


def test_windows_line_ends_and_a_byte_order_mark_are_fine(folder: Path) -> None:
    (folder / "stupiddb.toml").write_bytes(b"\xef\xbb\xbf" + SEED.replace("\n", "\r\n").encode())
    assert len(load(environ={}, start=folder).sources) == 4


def test_lines_are_right_behind_long_strings_arrays_and_comments(folder: Path) -> None:
    text = '''\
note = """
[aws]
region = "no"
"""
list = [
  { a = 1 }, # ]
  { a = "]" },
]
"quoted key" . b = 1
[[t]]
[[t]]
x = 1
[t.inner]
y = 2
'''
    (folder / "f.toml").write_text(text)
    lines = {key: line for key, line in read(folder / "f.toml").lines.items() if line > 1}
    assert lines == {
        ("list",): 5,
        ("quoted key", "b"): 9,
        ("t", 0): 10,
        ("t", 1): 11,
        ("t", 1, "x"): 12,
        ("t", 1, "inner"): 13,
        ("t", 1, "inner", "y"): 14,
    }


# -- nothing secret is ever shown


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ('password = "hunter2"', "aws.aurora.password"),
        ('password_env = "hunter2"', "aws.aurora.password_env"),
        ('host = "postgresql://u:hunter2@h/db"', "aws.aurora.host"),
        ('url = "postgresql://u:hunter2@h/db"', "aws.aurora.url"),
        ('aws_secret_access_key = "hunter2"', "aws.aurora.aws_secret_access_key"),
        ('pasword = "hunter2"', "aws.aurora.pasword"),
        ('secret = ["hunter2"]', "aws.aurora.secret"),
        ('token = "hunter2"', "aws.aurora.token"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(folder: Path, line: str, key: str) -> None:
    text = '[aws.aurora]\nengine = "postgresql"\ndatabase = "crm"\nusername = "u"\n' + line + "\n"
    with pytest.raises(ConfigurationError) as caught:
        settings_of(folder, text)
    assert key in {problem.key for problem in caught.value.problems}
    shown = "".join(traceback.TracebackException.from_exception(caught.value).format())
    assert "hunter2" not in shown
    assert "hunter2" not in repr(caught.value.problems)


def test_the_way_to_do_it_right_is_told(folder: Path) -> None:
    problems = problems_of(folder, AURORA + 'password = "hunter2"\n')
    assert "password_env" in problems["aws.aurora.password"].allowed
    assert "Secrets Manager" in problems["aws.aurora.password"].allowed
    problems = problems_of(folder, '[aws]\naws_access_key_id = "AKIAABCDEFGHIJKLMNOP"\n')
    assert "AWS chain" in problems["aws.aws_access_key_id"].allowed


def test_the_description_says_where_each_value_came_from_but_no_secret(folder: Path) -> None:
    environ = {
        "AWS_REGION": "eu-west-1",
        "AURORA_PASSWORD": "hunter2",
        "DATABASE_URL": "mysql://u:s3cret@h/d",
    }
    settings = settings_of(folder, SEED, **environ)
    text = describe(settings, environ)
    rows = {line.split()[0]: line for line in text.splitlines() if line}
    assert rows["aws.athena.database"].endswith("stupiddb.toml, line 4")
    assert rows["aws.region"].endswith("AWS_REGION")
    assert rows["aws.athena.catalog"].endswith("default")
    assert "AURORA_PASSWORD (set)" in rows["aws.aurora.password_env"]
    assert "RDS_PASSWORD (missing)" in rows["aws.rds.password_env"]
    assert "members -> Member, incremental by updated_at" in rows["aws.aurora.mappings[0]"]
    assert "hunter2" not in text
    assert "s3cret" not in text
    assert missing(settings, environ) == ["AURORA_USERNAME", "RDS_USERNAME", "RDS_PASSWORD"]


# -- names, read fast


def test_source_names_agree_with_load(folder: Path) -> None:
    environ = {"DATABASE_URL": "mysql://u:p@h/d", "STUPIDDB__AWS__S3__ENABLED": "false"}
    settings = settings_of(folder, SEED + '[sources.crm]\nkind = "athena"\n', **environ)
    names = source_names(environ=environ, start=folder)
    assert names == [(source.name, source.kind) for source in settings.sources]
    assert ("database", "mysql") in names
    assert ("crm", "athena") in names


def test_source_names_need_neither_pydantic_nor_a_driver() -> None:
    heavy = "{'pydantic','boto3','botocore','pyarrow','ibis','duckdb','psycopg','sqlglot','rich'}"
    code = (
        "import sys; from stupiddb_kernel.config.names import source_names; source_names(environ={}); "
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=os.sep)
    assert run.stdout.strip() == "[]"


def test_find_looks_no_further_than_the_root() -> None:
    assert find(None, {}, Path("/")) is None or Path("/stupiddb.toml").exists()
