"""One tree over all sources: lazy, cached, searchable, and unhurt by a source that is down.

The sources here are real implementations of the contract, over tables in memory.
"""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stupiddb_kernel.catalog import Catalog
from stupiddb_kernel.catalog.cache import Cache, fingerprint
from stupiddb_kernel.catalog.doctor import diagnose, grid
from stupiddb_kernel.catalog.external import external_sources
from stupiddb_kernel.catalog.naming import resolve, split
from stupiddb_kernel.catalog.search import search
from stupiddb_kernel.catalog.snapshot import Snapshot
from stupiddb_kernel.catalog.spelling import corrections, distance
from stupiddb_kernel.config.aws import Aws
from stupiddb_kernel.config.secrets import Secrets
from stupiddb_kernel.config.settings import (
    AthenaSettings,
    AwsSettings,
    CatalogSettings,
    MappingSettings,
    MysqlSettings,
    PostgresSettings,
    S3PrefixSettings,
    S3Settings,
    Settings,
    SourceSettings,
)
from stupiddb_kernel.errors import SourceUnreachable, UnknownName, UsageError
from stupiddb_kernel.sources.base import (
    Capabilities,
    Check,
    Column,
    ColumnStatistics,
    QueryStats,
    ReadOptions,
    Source,
    SourceContext,
    Statistics,
    Table,
    TableName,
)
from stupiddb_kernel.sources.result import Result
from stupiddb_kernel.sources.s3 import PrefixSummary


class MemorySource(Source[SourceSettings]):
    """A store whose tables are Arrow tables in memory; it can be slow, down, or partly forbidden."""

    dialect: ClassVar[str] = "duckdb"
    capabilities: ClassVar[Capabilities] = Capabilities(sql=False)

    def __init__(self, settings: SourceSettings, kind: str, data: Mapping[str, Mapping[str, Table]]) -> None:
        aws = Aws(AwsSettings())
        super().__init__(settings, SourceContext(aws, Secrets(aws)))
        self.kind = kind  # type: ignore[misc]  # one class stands for several kinds here
        self.data = {database: dict(tables) for database, tables in data.items()}
        self.rows: dict[TableName, pa.Table] = {}
        self.known: dict[TableName, Statistics] = {}
        self.asked: list[str] = []
        self.down: Exception | None = None
        self.forbidden: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def databases(self) -> list[str]:
        self.asked.append("databases")
        self.gate.wait(30)
        if self.down:
            raise self.down
        return sorted(self.data)

    def tables(self, database: str) -> list[Table]:
        self.asked.append(database)
        if self.down:
            raise self.down
        if database in self.forbidden:
            raise PermissionError("no entry")
        return list(self.data[database].values())

    def statistics(self, name: TableName) -> Statistics:
        self.asked.append(f"statistics {name}")
        if self.down:
            raise self.down
        return self.known.get(name, Statistics())

    def query(
        self, sql: str, parameters: Mapping[str, object] | None = None, options: ReadOptions | None = None
    ) -> Result:
        raise NotImplementedError

    def preview(self, name: TableName, limit: int = 100) -> Result:
        rows = self.rows[name]
        return Result(rows.schema, rows.to_batches(), QueryStats(self.name), limit=limit)

    def ibis(self) -> Any:
        raise NotImplementedError

    def table(self, name: TableName) -> Any:
        raise NotImplementedError

    def summaries(self) -> list[PrefixSummary]:
        if self.down:
            raise self.down
        return [PrefixSummary("events", "w88-analytics", "events/", 8400, 1_200_000_000_000, False)]

    def check(self) -> Sequence[Check]:
        self.gate.wait(30)
        if self.down:
            raise self.down
        return [Check("reachable", True, "here", 1.5), Check("version", True, "1")]

    def close(self) -> None:
        pass


def table(source: str, database: str, name: str, *columns: str, **more: Any) -> Table:
    made = tuple(Column(*[*column.split(":"), "int64", "bigint"][:3]) for column in columns)
    return Table(TableName(source, database, name), made, **more)


def tables(source: str, **databases: Sequence[Sequence[str]]) -> dict[str, dict[str, Table]]:
    return {
        database: {name: table(source, database, name, *columns) for name, *columns in found}
        for database, found in databases.items()
    }


ATHENA = AthenaSettings(name="athena", database="analytics")
AURORA = PostgresSettings(
    name="aurora",
    host="h",
    database="crm",
    mappings=(
        MappingSettings(
            table="members",
            entity_type="Member",
            key_column="member_code",
            sync_mode="incremental",
            sync_key="updated_at",
        ),
        MappingSettings(table="games", entity_type="Game", key_column="game_uid", sync_mode="full"),
    ),
)
RDS = MysqlSettings(name="rds", host="h", database="apired")
S3 = S3Settings(name="s3", sources=(S3PrefixSettings(bucket="w88-analytics", prefix="events/"),))


class World:
    """Four sources as in the seeds, and catalogs over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        athena = tables(
            "athena", analytics=[("events", "event_type", "memberCode", "dt"), ("games", "game_uid")]
        )
        athena["analytics"]["events"] = Table(
            TableName("athena", "analytics", "events"),
            (
                Column("event_type", "string", "string", partition=True),
                Column("memberCode", "string", "string", comment="Who did it, as in the CRM"),
                Column("dt", "date", "date", False, None, True),
            ),
            "external",
            "Everything that happened since 2013",
            Statistics(rows=1000, bytes=450_000_000_000, files=12, as_of=datetime(2025, 7, 12, tzinfo=UTC)),
            "s3://w88-analytics/events/",
        )
        aurora = tables(
            "aurora",
            crm=[
                ("members", "member_code", "registration_date", "tier"),
                ("games", "game_uid", "rtp"),
                ("affiliates",),
            ],
            audit=[("log", "at", "who")],
        )
        rds = tables("rds", apired=[("sessions", "session_id"), ("config", "key", "value")])
        self.athena = MemorySource(ATHENA, "athena", athena)
        self.athena.known[TableName("athena", "analytics", "games")] = Statistics(bytes=500_000)
        self.aurora = MemorySource(AURORA, "postgres", aurora)
        self.rds = MemorySource(RDS, "mysql", rds)
        self.s3 = MemorySource(S3, "s3", tables("s3", events=[("Login", "memberCode")]))
        self.sources = {each.name: each for each in (self.athena, self.aurora, self.rds, self.s3)}
        self.settings = Settings(
            sources=(ATHENA, AURORA, RDS, S3),
            catalog=CatalogSettings(cache_directory=folder, deadline_seconds=5.0),
        )

    def catalog(self, **changed: Any) -> Catalog:
        """A catalog as a new process would make it; ``changed`` are settings of ``[catalog]``."""
        settings = self.settings.catalog.model_copy(update=changed)
        return Catalog(self.sources, self.settings.model_copy(update={"catalog": settings}))

    def warm(self) -> Catalog:
        """A catalog after everything was read and cached."""
        catalog = self.catalog()
        catalog.sources()
        wait_for(lambda: len(list(self.folder.glob("*.catalog"))) == len(self.sources))
        for source in self.sources.values():
            source.asked.clear()
        return catalog


def wait_for(condition: Any) -> None:
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "cache")


def unreachable(name: str) -> SourceUnreachable:
    return SourceUnreachable("connection refused at h:5432", source=name, hint="is the VPN up?")


# -- the tree


def test_the_tree_goes_from_sources_to_columns(world: World) -> None:
    catalog = world.catalog()
    assert [(node.name, node.kind, node.state, node.tables, node.columns) for node in catalog.sources()] == [
        ("athena", "athena", "ok", 2, 4),
        ("aurora", "postgres", "ok", 4, 7),
        ("rds", "mysql", "ok", 2, 3),
        ("s3", "s3", "ok", 1, 1),
    ]
    assert catalog.databases("aurora") == ["audit", "crm"]
    assert [found.name.table for found in catalog.tables("aurora", "crm")] == [
        "affiliates",
        "games",
        "members",
    ]
    events = catalog.table(TableName("athena", "analytics", "events"))
    assert (events.kind, events.comment, events.location) == (
        "external",
        "Everything that happened since 2013",
        "s3://w88-analytics/events/",
    )
    assert events.columns == world.athena.data["analytics"]["events"].columns
    assert events.statistics == world.athena.data["analytics"]["events"].statistics


def test_a_source_is_asked_only_when_its_part_is_needed(world: World) -> None:
    catalog = world.catalog()
    assert catalog.source("aurora").state == "unread"
    catalog.table("athena.analytics.events")
    assert world.aurora.asked == world.rds.asked == world.s3.asked == []


def test_a_source_is_asked_once_however_many_ask(world: World) -> None:
    catalog = world.catalog()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: catalog.tables("aurora", "crm"), range(64)))
    assert world.aurora.asked.count("databases") == 1


def test_an_empty_catalog_is_empty(tmp_path: Path) -> None:
    catalog = Catalog({}, Settings(catalog=CatalogSettings(cache_directory=tmp_path)))
    assert (catalog.sources(), catalog.search("x")) == ([], [])
    with pytest.raises(UnknownName):
        catalog.resolve("x")


def test_sources_without_databases_and_databases_without_tables(world: World) -> None:
    world.rds.data = {}
    world.aurora.data["empty"] = {}
    catalog = world.catalog()
    assert catalog.databases("rds") == []
    assert catalog.tables("aurora", "empty") == []


# -- a source that is down


def test_an_unreachable_source_is_shown_as_such_and_hurts_no_other(world: World) -> None:
    world.aurora.down = unreachable("aurora")
    nodes = {node.name: node for node in world.catalog().sources()}
    assert (nodes["aurora"].state, nodes["aurora"].error, nodes["aurora"].advice) == (
        "unreachable",
        "aurora: connection refused at h:5432",
        "is the VPN up?",
    )
    assert {node.state for name, node in nodes.items() if name != "aurora"} == {"ok"}


def test_a_source_that_hangs_holds_up_no_other(world: World) -> None:
    world.aurora.gate.clear()
    catalog = world.catalog()
    assert {node.state for node in catalog.sources(wait=0)} <= {"ok", "loading"}
    wait_for(lambda: [node.state for node in catalog.sources(wait=0)] == ["ok", "loading", "ok", "ok"])
    assert catalog.databases("rds") == ["apired"]
    with pytest.raises(SourceUnreachable, match="has not said yet"):
        catalog.databases("aurora", wait=0.1)
    world.aurora.gate.set()
    assert catalog.databases("aurora") == ["audit", "crm"]


def test_a_closed_catalog_asks_nobody(world: World) -> None:
    catalog = world.catalog()
    catalog.databases("rds")
    catalog.close()
    assert catalog.databases("rds") == ["apired"]
    catalog.sources(wait=0)
    assert world.aurora.asked == []


def test_what_was_seen_before_is_shown_while_a_source_is_down(world: World) -> None:
    world.warm()
    world.aurora.down = unreachable("aurora")
    catalog = world.catalog(max_age_seconds=0)
    (node,) = catalog.refresh("aurora")
    assert (node.state, node.tables) == ("unreachable", 4)
    assert node.age_seconds is not None
    assert catalog.databases("aurora") == ["audit", "crm"]


def test_a_source_that_has_just_failed_is_not_asked_again_at_once(world: World) -> None:
    world.aurora.down = unreachable("aurora")
    catalog = world.catalog()
    for _ in range(5):
        with pytest.raises(SourceUnreachable, match="connection refused"):
            catalog.databases("aurora")
    assert world.aurora.asked == ["databases"]
    world.aurora.down = None
    assert catalog.refresh("aurora")[0].state == "ok"


def test_one_forbidden_database_leaves_the_others(world: World) -> None:
    world.aurora.forbidden = {"audit"}
    catalog = world.catalog()
    node = catalog.sources()[1]
    assert node.state == "ok"
    assert node.failed_databases == ("audit: aurora: audit: PermissionError: no entry",)
    assert len(catalog.tables("aurora", "crm")) == 3
    with pytest.raises(SourceUnreachable, match="no entry"):
        catalog.tables("aurora", "audit")


def test_listeners_hear_of_every_arrival_until_they_leave(world: World) -> None:
    catalog = world.catalog()
    heard: list[str] = []
    leave = catalog.subscribe(heard.append)
    catalog.sources()
    assert set(heard) == set(world.sources)
    leave()
    heard.clear()
    catalog.refresh()
    assert heard == []


def test_a_listener_that_fails_hurts_nobody(world: World, caplog: pytest.LogCaptureFixture) -> None:
    catalog = world.catalog()
    heard: list[str] = []
    catalog.subscribe(lambda source: [][1])
    catalog.subscribe(heard.append)
    assert {node.state for node in catalog.sources()} == {"ok"}
    assert set(heard) == set(world.sources)
    assert "IndexError" in caplog.text


# -- the cache


def test_a_new_process_has_the_tree_without_asking_anybody(world: World) -> None:
    world.warm()
    catalog = world.catalog()
    before = world.athena.data["analytics"]["events"]
    after = catalog.table("athena.analytics.events")
    assert (after.columns, after.comment, after.statistics) == (
        before.columns,
        before.comment,
        before.statistics,
    )
    assert [node.state for node in catalog.sources()] == ["ok"] * 4
    assert all(source.asked == [] for source in world.sources.values())


def test_an_old_cache_answers_at_once_and_is_renewed_behind(world: World) -> None:
    world.warm()
    world.rds.data["apired"]["fresh"] = table("rds", "apired", "fresh")
    catalog = world.catalog(max_age_seconds=0)
    assert len(catalog.tables("rds", "apired")) == 2
    wait_for(lambda: len(catalog.known_tables("rds", "apired")) == 3)


def test_refresh_asks_whatever_the_cache_holds(world: World) -> None:
    catalog = world.warm()
    world.rds.data["apired"]["fresh"] = table("rds", "apired", "fresh")
    (node,) = catalog.refresh("rds")
    assert node.tables == 3
    assert world.aurora.asked == []


def test_a_table_that_is_newer_than_the_cache_is_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.warm()
    for file in world.folder.glob("rds-*.catalog"):
        lines = file.read_bytes().split(b"\n", 2)[2]
        body = json.loads(lines.split(b"\n")[0])
        body[1] -= 60
        rest = b"\n".join([json.dumps(body).encode(), *lines.split(b"\n")[1:]])
        import zlib

        file.write_bytes(f"stupiddb catalog 1\n{zlib.crc32(rest)}\n".encode() + rest)
    world.rds.data["apired"]["fresh"] = table("rds", "apired", "fresh")
    assert world.catalog().resolve("rds.apired.fresh") == TableName("rds", "apired", "fresh")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:100],
        lambda data: data[:-1],
        lambda data: data.replace(b"members", b"mumbers"),
        lambda data: b"stupiddb catalog 0" + data[18:],
        lambda data: b"\xff" * 1000,
    ],
)
def test_a_damaged_cache_is_rebuilt(world: World, damage: Any) -> None:
    world.warm()
    for file in world.folder.glob("*.catalog"):
        file.write_bytes(damage(file.read_bytes()))
    catalog = world.catalog()
    assert len(catalog.tables("aurora", "crm")) == 3
    assert world.aurora.asked != []


def test_the_cache_belongs_to_the_user_alone(world: World) -> None:
    world.warm()
    assert stat.S_IMODE(world.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in world.folder.iterdir()} == {0o600}


def test_the_cache_holds_no_values_of_rows(world: World) -> None:
    columns = {
        "tier": ColumnStatistics(distinct=3, null_fraction=0.5, minimum="bronze-secret", maximum="x-secret")
    }
    world.aurora.data["crm"]["members"] = table(
        "aurora", "crm", "members", "tier", statistics=Statistics(rows=7, columns=columns)
    )
    world.warm()
    (file,) = world.folder.glob("aurora-*.catalog")
    assert b"secret" not in file.read_bytes()
    read = world.catalog().table("aurora.crm.members").statistics
    assert (read.rows, read.columns["tier"]) == (7, ColumnStatistics(distinct=3, null_fraction=0.5))


def test_a_cache_folder_that_can_not_be_written_is_no_obstacle(world: World) -> None:
    world.folder.parent.joinpath("cache").write_text("a file where the folder should be")
    assert len(world.catalog().tables("aurora", "crm")) == 3


def test_the_cache_is_of_one_place_and_one_user() -> None:
    environ = {"AWS_PROFILE": "a", "AWS_ACCESS_KEY_ID": "AKIA1", "AURORA_USERNAME": "one"}
    aurora = AURORA.model_copy(update={"username_env": "AURORA_USERNAME"})
    base = fingerprint(aurora, AwsSettings(), environ)
    assert fingerprint(aurora.model_copy(update={"pool_max": 9}), AwsSettings(), environ) == base
    others = [
        fingerprint(aurora.model_copy(update={"host": "other"}), AwsSettings(), environ),
        fingerprint(aurora, AwsSettings(region="eu-west-1"), environ),
        fingerprint(aurora, AwsSettings(), environ | {"AWS_PROFILE": "b"}),
        fingerprint(aurora, AwsSettings(), environ | {"AURORA_USERNAME": "two"}),
    ]
    assert len({base, *others}) == 5


def test_a_password_in_a_url_does_not_change_the_cache_so_rotation_keeps_it() -> None:
    settings = AURORA.model_copy(update={"url_env": "U"})
    one = fingerprint(settings, None, {"U": "postgresql://u:old@h/d"})
    assert one == fingerprint(settings, None, {"U": "postgresql://u:new@h/d"})
    assert one != fingerprint(settings, None, {"U": "postgresql://u:new@elsewhere/d"})


def test_many_writers_and_readers_never_see_half_a_file(tmp_path: Path) -> None:
    small = Snapshot.of("s", {"d": [table("s", "d", "small", "a")]}, {})
    large = Snapshot.of("s", {"d": [table("s", "d", f"t{i}", "a", "b") for i in range(500)]}, {})
    cache = Cache(tmp_path)
    cache.write(small, "f")

    def work(number: int) -> int:
        if number % 4 == 0:
            cache.write(large if number % 8 else small, "f")
        read = Cache(tmp_path).read("s", "f")
        return len(read.tables) if read else -1

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, range(200))) <= {1, 500}
    assert [file.suffix for file in tmp_path.iterdir()] == [".catalog"]


def test_what_nobody_uses_any_more_is_swept(world: World) -> None:
    world.folder.mkdir(mode=0o700)
    old = world.folder / "gone-0123.catalog"
    old.write_text("x")
    os.utime(old, (1, 1))
    world.warm()
    assert not old.exists()


def test_odd_names_survive_the_cache(tmp_path: Path) -> None:
    names = ['quo"te', "new\nline", "tab\t", "emoji 🦆", "", "a.b", "ÅNGSTRÖM"]
    before = Snapshot.of("s", {"d": [table("s", "d", name, *names) for name in names]}, {})
    cache = Cache(tmp_path)
    cache.write(before, "f")
    after = cache.read("s", "f")
    assert after is not None
    assert [found.name.table for found in after.tables_of("d")] == sorted(names)
    assert [column.name for column in after.tables_of("d")[0].columns] == names
    assert [hit.column for hit in search([after], "ångström", 50) if hit.kind == "column"] == ["ÅNGSTRÖM"] * 7


# -- search


def paths(catalog: Catalog, text: str, limit: int = 50) -> list[tuple[str, str]]:
    return [(hit.path, hit.match) for hit in catalog.search(text, limit)]


def test_search_ranks_exact_prefix_word_substring_and_comment(world: World) -> None:
    world.rds.data["apired"].update(
        {name: table("rds", "apired", name) for name in ("member", "membership", "old_member", "remembered")}
    )
    world.rds.data["apired"]["other"] = table("rds", "apired", "other", comment="one row a member")
    found = [hit for hit in paths(world.catalog(), "member") if hit[0].startswith("rds.")]
    assert found == [
        ("rds.apired.member", "exact"),
        ("rds.apired.membership", "prefix"),
        ("rds.apired.old_member", "word"),
        ("rds.apired.remembered", "substring"),
        ("rds.apired.other", "comment"),
    ]


def test_search_finds_every_level_with_type_and_comment(world: World) -> None:
    catalog = world.catalog()
    assert paths(catalog, "crm")[0] == ("aurora.crm", "exact")
    assert paths(catalog, "rds")[0] == ("rds", "exact")
    (hit,) = [hit for hit in catalog.search("memberCode") if hit.path == "athena.analytics.events.memberCode"]
    assert (hit.kind, hit.match, hit.type, hit.comment) == (
        "column",
        "exact",
        "string",
        "Who did it, as in the CRM",
    )
    assert hit.table == TableName("athena", "analytics", "events")
    assert ("athena.analytics.events", "comment") in paths(catalog, "happened since")


def test_search_takes_paths_and_several_words(world: World) -> None:
    catalog = world.catalog()
    assert paths(catalog, "aurora.crm.members.tier") == [("aurora.crm.members.tier", "exact")]
    assert paths(catalog, "crm.games") == [("aurora.crm.games", "exact")]
    assert paths(catalog, "members.reg")[0] == ("aurora.crm.members.registration_date", "prefix")
    assert paths(catalog, "registration date")[0] == ("aurora.crm.members.registration_date", "exact")
    assert paths(catalog, "games rtp") == [("aurora.crm.games.rtp", "exact")]
    assert {path for path, _ in paths(catalog, "aurora.crm.")} == {
        "aurora.crm.members",
        "aurora.crm.games",
        "aurora.crm.affiliates",
    }


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("affilliates", "aurora.crm.affiliates"),
        ("afiliates", "aurora.crm.affiliates"),
        ("affiliaets", "aurora.crm.affiliates"),
        ("regsitration_date", "aurora.crm.members.registration_date"),
        ("crm.mebmers", "aurora.crm.members"),
        ("sesions", "rds.apired.sessions"),
    ],
)
def test_search_forgives_typing_errors(world: World, typed: str, meant: str) -> None:
    assert (meant, "fuzzy") in paths(world.catalog(), typed)


def test_search_finds_nothing_for_nothing(world: World) -> None:
    catalog = world.catalog()
    for text in ("", "   ", "zzzzzz", "\n", "....", "%", "'; DROP TABLE x --", "(", "[", "\\"):
        assert paths(catalog, text) == [], text


def test_search_keeps_to_its_limit(world: World) -> None:
    assert len(world.catalog().search("e", 3)) == 3


def test_search_goes_on_without_a_source_that_is_down(world: World) -> None:
    world.aurora.down = unreachable("aurora")
    assert paths(world.catalog(), "sessions") == [("rds.apired.sessions", "exact")]


@pytest.mark.parametrize(
    ("left", "right", "edits"),
    [
        ("event", "event", 0),
        ("evnet", "event", 1),
        ("evnt", "event", 1),
        ("evvent", "event", 1),
        ("abc", "xyz", 3),
    ],
)
def test_distance_counts_swaps_as_one(left: str, right: str, edits: int) -> None:
    assert distance(left, right, 2) == edits


def test_corrections_are_near_and_short_words_have_none() -> None:
    vocabulary = "\nmember\nmembers\nnumber\nevent\n"
    assert corrections("membr", vocabulary) == ["member"]
    assert corrections("xxxxxx", vocabulary) == []
    assert corrections("evt", vocabulary) == []


# -- names


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("aurora.crm.members", TableName("aurora", "crm", "members")),
        ("AURORA.CRM.Members", TableName("aurora", "crm", "members")),
        ("crm.games", TableName("aurora", "crm", "games")),
        ("members", TableName("aurora", "crm", "members")),
        ("rds.sessions", TableName("rds", "apired", "sessions")),
        ('aurora."crm".`members`', TableName("aurora", "crm", "members")),
        ("  members ", TableName("aurora", "crm", "members")),
    ],
)
def test_names_resolve_as_far_as_they_are_unique(world: World, name: str, meant: TableName) -> None:
    assert world.catalog().resolve(name) == meant


def test_a_full_name_asks_only_its_source(world: World) -> None:
    world.catalog().resolve("aurora.crm.members")
    assert world.athena.asked == world.rds.asked == []


def test_an_ambiguous_name_lists_what_it_may_mean(world: World) -> None:
    with pytest.raises(UsageError) as caught:
        world.catalog().resolve("games")
    assert caught.value.hint == "write one of athena.analytics.games, aurora.crm.games"


def test_names_that_differ_only_in_case_are_two(world: World) -> None:
    for name in ("Orders", "orders"):
        world.aurora.data["crm"][name] = table("aurora", "crm", name)
    catalog = world.catalog()
    assert catalog.resolve("Orders").table == "Orders"
    assert catalog.resolve("aurora.crm.orders").table == "orders"
    with pytest.raises(UsageError, match="ambiguous"):
        catalog.resolve("ORDERS")


def test_a_table_whose_name_holds_dots(world: World) -> None:
    world.aurora.data["crm"]["v1.0.events"] = table("aurora", "crm", "v1.0.events")
    catalog = world.catalog()
    assert catalog.resolve("aurora.crm.v1.0.events").table == "v1.0.events"
    assert catalog.resolve('aurora.crm."v1.0.events"').table == "v1.0.events"


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("aurora.crm.membrs", "aurora.crm.members"),
        ("membrs", "aurora.crm.members"),
        ("crm.gmaes", "aurora.crm.games"),
        ("aurora.cmr.members", "aurora.crm.members"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(world: World, name: str, suggested: str) -> None:
    with pytest.raises(UnknownName) as caught:
        world.catalog().resolve(name)
    assert caught.value.suggestions[0] == suggested
    assert suggested in str(caught.value)


def test_an_unknown_name_says_which_sources_could_not_be_searched(world: World) -> None:
    world.aurora.down = unreachable("aurora")
    with pytest.raises(UnknownName, match="not searched: aurora: connection refused"):
        world.catalog().resolve("members")
    with pytest.raises(SourceUnreachable, match="connection refused"):
        world.catalog().resolve("aurora.crm.members")


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", "a..b", '"open', 'a"b"'])
def test_what_is_no_name_is_refused(world: World, name: str) -> None:
    with pytest.raises(UsageError):
        world.catalog().resolve(name)


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12),
        st.dictionaries(
            st.text(min_size=1, max_size=12), st.lists(st.text(max_size=12), max_size=4), max_size=4
        ),
        max_size=3,
    ),
    st.text(max_size=12),
)
def test_any_name_at_all_is_packed_found_and_resolved(
    content: dict[str, dict[str, list[str]]], typed: str
) -> None:
    listed = {
        database: [
            Table(TableName("s", database, name), tuple(Column(c, "string", "text") for c in columns))
            for name, columns in found.items()
        ]
        for database, found in content.items()
    }
    snapshot = Snapshot.of("s", listed, {})
    search([snapshot], typed)
    for database, found in listed.items():
        assert [each.name for each in snapshot.tables_of(database)] == sorted(each.name for each in found)
        for each in found:
            quoted = ".".join(
                '"' + part.replace('"', '""') + '"' for part in ("s", database, each.name.table)
            )
            assert resolve(split(quoted), [snapshot]) == each.name
            assert snapshot.find(database, each.name.table).columns == each.columns
            hits = search([snapshot], each.name.table.split()[0], 500) if each.name.table.split() else []
            if not set(each.name.table) & {".", "\n"} and len(each.name.table.split()) == 1:
                assert str(each.name) in {hit.path for hit in hits}


def test_unknown_sources_and_databases_suggest_the_nearest(world: World) -> None:
    catalog = world.catalog()
    with pytest.raises(UnknownName, match="'aurora'"):
        catalog.databases("auroar")
    with pytest.raises(UnknownName, match=r"aurora\.crm"):
        catalog.tables("aurora", "cmr")


# -- completion


def test_completion_is_served_from_memory(world: World) -> None:
    catalog = world.warm()
    assert catalog.known_databases("aurora") == ["audit", "crm"]
    assert catalog.known_tables("aurora", "CRM") == ["affiliates", "games", "members"]
    assert catalog.known_columns("aurora", "crm", "MEMBERS") == ["member_code", "registration_date", "tier"]
    assert catalog.complete("a") == ["athena", "aurora"]
    assert catalog.complete("aurora.c") == ["aurora.crm"]
    assert catalog.complete("aurora.crm.m") == ["aurora.crm.members"]
    assert catalog.complete("aurora.crm.members.t") == ["aurora.crm.members.tier"]
    assert catalog.complete("nowhere.x") == []
    assert all(source.asked == [] for source in world.sources.values())


def test_the_local_store_is_always_as_it_is_now(world: World, tmp_path: Path) -> None:
    settings = world.settings.store.model_copy(update={"path": tmp_path / "x.duckdb"})
    local = MemorySource(settings, "duckdb", tables("local", main=[("one",)]))
    world.sources["local"] = local
    catalog = world.catalog()
    assert catalog.resolve("local.main.one").table == "one"
    local.data["main"]["two"] = table("local", "main", "two")
    assert catalog.resolve("local.main.two").table == "two"
    assert catalog.table(TableName("local", "main", "two")).name.table == "two"
    assert list(world.folder.glob("local-*")) == []


def test_completion_never_waits(world: World) -> None:
    world.aurora.gate.clear()
    catalog = world.catalog()
    began = time.monotonic()
    assert catalog.known_tables("aurora", "crm") == []
    assert time.monotonic() - began < 10, "the source would have answered after 30 s"
    world.aurora.gate.set()
    wait_for(lambda: catalog.known_tables("aurora", "crm"))


# -- statistics, preview, profile


def test_statistics_are_kept_with_their_time_until_a_refresh(world: World) -> None:
    name = TableName("athena", "analytics", "games")
    catalog = world.warm()
    first = catalog.statistics(name)
    assert first.bytes == 500_000
    assert first.as_of is not None
    assert catalog.statistics(name) is first
    catalog.refresh("athena")
    assert catalog.statistics(name) is not first
    assert world.athena.asked.count(f"statistics {name}") == 2


def profiled(world: World, rows: pa.Table, statistics: Statistics, limit: int = 1000) -> Any:
    name = TableName("rds", "apired", "probe")
    columns = tuple(Column(field.name, str(field.type), "x") for field in rows.schema)
    world.rds.data["apired"]["probe"] = Table(name, columns)
    world.rds.rows[name] = rows
    world.rds.known[name] = statistics
    return world.catalog().profile(name, limit)


def test_a_profile_of_a_whole_table_is_exact(world: World) -> None:
    rows = pa.table(
        {
            "tier": ["gold", "gold", "silver", None],
            "amount": pa.array([Decimal("1.5"), Decimal("2.5"), None, Decimal("9.5")], pa.decimal128(10, 2)),
            "day": [date(2024, 1, 1), date(2024, 1, 2), date(2024, 1, 2), None],
            "ok": [True, False, None, True],
        }
    )
    profile = profiled(world, rows, Statistics(rows=4, exact=True))
    tier, amount, day, ok = profile.columns
    assert (profile.basis, profile.sampled_rows) == ("exact", 4)
    assert (tier.null_fraction, tier.distinct, tier.minimum, tier.maximum) == (0.25, 2, "gold", "silver")
    assert tier.top == (("gold", 2), ("silver", 1))
    assert (amount.minimum, amount.maximum) == (Decimal("1.50"), Decimal("9.50"))
    assert sum(count for _, _, count in amount.histogram) == 3
    assert (amount.histogram[0][0], amount.histogram[-1][1]) == (1.5, 9.5)
    assert (day.minimum, day.top[0]) == (date(2024, 1, 1), (date(2024, 1, 2), 2))
    assert (ok.distinct, ok.null_fraction) == (2, 0.25)


def test_a_profile_of_a_sample_says_so(world: World) -> None:
    profile = profiled(world, pa.table({"x": range(5000)}), Statistics(rows=1_000_000), limit=1000)
    assert profile.basis == profile.columns[0].basis == "of the first 1,000 rows"
    assert profile.sampled_rows == 1000


def test_the_stores_statistics_win_over_the_sample(world: World) -> None:
    known = {"x": ColumnStatistics(distinct=77.4, null_fraction=0.5, minimum=-3, maximum=10**9)}
    profile = profiled(world, pa.table({"x": range(5000)}), Statistics(rows=10**6, columns=known), limit=100)
    (column,) = profile.columns
    assert (column.distinct, column.null_fraction, column.minimum, column.maximum) == (77, 0.5, -3, 10**9)
    assert column.basis == "null fraction, distinct, minimum, maximum: estimate; else of the first 100 rows"


def test_a_profile_takes_any_type_and_no_rows(world: World) -> None:
    rows = pa.table(
        {
            "nested": pa.array([[1, 2], None]),
            "struct": pa.array([{"a": 1}, None]),
            "nothing": pa.array([None, None]),
            "odd": pa.array([float("nan"), float("inf")]),
            "ns": pa.array([1, 1_000_000_001], pa.timestamp("ns")),
            "binary": pa.array([b"x" * 1000, None]),
            "long": pa.array(["y" * 1000, None]),
            "time": pa.array([1, None], pa.time64("us")),
            "interval": pa.array([None, None], pa.month_day_nano_interval()),
            "wide": pa.array([-1.7e308, 1.7e308]),
        }
    )
    columns = {column.name: column for column in profiled(world, rows, Statistics()).columns}
    assert columns["nothing"].null_fraction == 1.0
    assert columns["odd"].histogram == ()
    assert columns["ns"].maximum == datetime(1970, 1, 1, 0, 0, 1)
    assert len(columns["long"].maximum) == 201
    empty = profiled(world, rows.slice(0, 0), Statistics(rows=0, exact=True))
    assert (empty.basis, empty.sampled_rows) == ("exact", 0)
    assert {column.basis for column in empty.columns} == {"unknown"}


# -- the seeds' document

SEED = json.loads("""
{
  "external_sources": {
    "athena": {
      "enabled": true,
      "database": "analytics",
      "tables": ["events", "members", "games"],
      "estimated_data_gb": 450
    },
    "aurora": {
      "enabled": true,
      "database": "crm",
      "tables": ["members", "games", "affiliates"],
      "sync_mode": "incremental",
      "last_sync": "2025-07-12T14:00:00Z"
    },
    "rds": {
      "enabled": true,
      "database": "apired",
      "tables": ["sessions", "config"],
      "sync_mode": "on_demand"
    },
    "s3_sources": [
      {
        "bucket": "w88-analytics",
        "prefix": "events/",
        "file_count": 8400,
        "total_size_gb": 1200
      }
    ]
  }
}
""")


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return (
        "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    )


def test_external_sources_has_the_shape_of_the_seeds_own_example(world: World) -> None:
    synced = datetime(2025, 7, 12, 14, tzinfo=UTC)
    document = external_sources(
        world.catalog(), world.settings, lambda name: synced if name == "aurora" else None
    )
    document["external_sources"]["rds"].pop("last_sync")  # null there, and not in the seed's example
    assert shape(document) == shape(SEED)
    assert json.loads(json.dumps(document)) == document


def test_external_sources_says_what_is_really_there(world: World) -> None:
    found = external_sources(world.catalog(), world.settings)["external_sources"]
    assert found["athena"] == {
        "enabled": True,
        "database": "analytics",
        "tables": ["events", "games"],
        "estimated_data_gb": 450.0005,
    }
    assert found["aurora"] == {
        "enabled": True,
        "database": "crm",
        "tables": ["affiliates", "games", "members", "audit.log"],
        "sync_mode": "incremental",
        "last_sync": None,
    }
    assert found["rds"]["sync_mode"] == "on_demand"
    assert found["s3_sources"] == [
        {"bucket": "w88-analytics", "prefix": "events/", "file_count": 8400, "total_size_gb": 1200}
    ]


def test_external_sources_invents_nothing_for_what_is_down(world: World) -> None:
    for source in world.sources.values():
        source.down = unreachable(source.name)
    found = external_sources(world.catalog(), world.settings)["external_sources"]
    assert found["athena"] == {
        "enabled": True,
        "database": "analytics",
        "tables": [],
        "estimated_data_gb": None,
        "error": "athena: connection refused at h:5432",
    }
    assert found["aurora"]["error"] == "aurora: connection refused at h:5432"
    assert found["s3_sources"][0]["file_count"] is None
    assert found["s3_sources"][0]["error"] == "s3: connection refused at h:5432"


def test_external_sources_from_the_cache_say_how_old_they_are(world: World) -> None:
    catalog = world.warm()
    world.rds.down = unreachable("rds")
    catalog.refresh("rds")
    found = external_sources(catalog, world.settings)["external_sources"]["rds"]
    assert (found["tables"], found["error"]) == (["config", "sessions"], "rds: connection refused at h:5432")
    assert datetime.fromisoformat(found["as_of"]) <= datetime.now(UTC)


def test_external_sources_of_other_names_and_disabled_ones(world: World) -> None:
    history = AthenaSettings(name="history", database="analytics")
    world.sources["history"] = MemorySource(history, "athena", tables("history", analytics=[]))
    settings = world.settings.model_copy(
        update={"sources": (*world.settings.sources, history), "disabled": ("redshift",)}
    )
    world.settings = settings
    found = external_sources(world.catalog(), settings)["external_sources"]
    assert found["history"] == {
        "enabled": True,
        "database": "analytics",
        "tables": [],
        "estimated_data_gb": 0,
    }
    assert found["redshift"] == {"enabled": False}


# -- doctor


def test_doctor_tries_all_at_once_and_tells_as_it_goes(world: World) -> None:
    world.aurora.down = unreachable("aurora")
    world.rds.gate.clear()
    results = list(diagnose(world.sources, deadline=1.5))
    checks = {(name, check.step): check for name, check in results}
    assert checks["athena", "reachable"].ok
    assert checks["aurora", "configured"].advice == "is the VPN up?"
    assert checks["rds", "reachable"].detail == "no answer within 1.5 s"
    assert [name for name, _ in results][-1] == "rds", "the slow one is last"
    world.rds.gate.set()


def test_doctor_shows_a_table(world: World) -> None:
    from rich.console import Console

    world.aurora.down = unreachable("aurora")
    console = Console(width=120, record=True)
    with console.capture() as capture:
        console.print(grid(diagnose(world.sources)))
    text = capture.get()
    assert "FAIL" in text
    assert "→ is the VPN up?" in text
