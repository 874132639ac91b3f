"""The made-up company: the same bytes on every run, skewed, dirty to order, a batch at a time in memory."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from stupiddb_kernel.errors import UsageError
from stupiddb_kernel.local import generator
from stupiddb_kernel.local.dirt import MALFORMED, Dirt
from stupiddb_kernel.local.generator import Generator

_TABLES = ("events", "members", "games", "affiliates", "vip_tiers")
_CLEAN = Dirt.none()


def _read(made: Generator, table: str) -> pa.Table:
    return getattr(made, table)().read_all()


def _digest(batch: pa.RecordBatch) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return hashlib.sha256(sink.getvalue()).hexdigest()


@pytest.fixture(scope="module")
def events() -> pa.Table:
    return _read(Generator(seed=7, scale=0.3), "events")


@pytest.mark.parametrize("table", _TABLES)
def test_every_table_is_valid_arrow_of_its_schema(table: str) -> None:
    made = _read(Generator(seed=3, scale=0.02), table)

    made.validate(full=True)
    assert made.schema == getattr(generator, table.upper())
    assert all(made[field.name].null_count == 0 for field in made.schema if not field.nullable)


def test_the_same_seed_gives_the_same_bytes_in_another_process() -> None:
    program = (
        "from tests.unit.test_generator import _digest, Generator;"
        "print(_digest(Generator(seed=5, scale=0.2).event_batch(2)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == _digest(Generator(seed=5, scale=0.2).event_batch(2))


def test_the_bytes_of_a_seed_never_change() -> None:
    """A benchmark's figures are comparable only on the same data: a change here is to be meant."""
    made = Generator(seed=1, scale=0.01)

    found = {
        table: hashlib.sha256(json.dumps(_read(made, table).to_pylist(), default=str).encode()).hexdigest()[
            :12
        ]
        for table in _TABLES
    }

    assert found == {
        "events": "56cf3a9e71c7",
        "members": "8e028497c0f5",
        "games": "b65fa045ef01",
        "affiliates": "1ed96887ca6c",
        "vip_tiers": "91f4482ffd3c",
    }


def test_another_seed_or_batch_gives_other_events() -> None:
    digests = {
        _digest(Generator(seed=seed, scale=0.2).event_batch(batch)) for seed in (1, 2) for batch in (0, 1)
    }

    assert len(digests) == 4


def test_a_batch_does_not_depend_on_those_before_it() -> None:
    made = Generator(seed=1, scale=0.2, batch_rows=10_000)
    streamed = list(made.events())

    assert made.event_batch(19).equals(streamed[19])
    assert len(streamed) == 20


def test_scales_from_one_row_to_a_hundred_million() -> None:
    assert Generator(scale=1e-9).events().read_all().num_rows == 1
    huge = Generator(scale=100)
    assert huge.event_count == 100_000_000
    last = huge.event_batch(-(-huge.event_count // huge.batch_rows) - 1)
    assert last["eventId"][-1].as_py() == "E00099999999"


def test_events_cover_half_a_year_in_order_without_gaps_in_their_ids() -> None:
    events = _read(Generator(seed=2, scale=0.05, dirt=_CLEAN), "events")
    times = [datetime.fromisoformat(text) for text in events["@timestamp"].to_pylist()]

    assert times == sorted(times)
    assert generator.START <= times[0] < generator.START + timedelta(hours=1)
    assert times[-1] < generator.START + timedelta(days=generator.DAYS) < times[-1] + timedelta(hours=1)
    assert events["eventId"].to_pylist() == [f"E{row:011}" for row in range(50_000)]


def test_iso_timestamps_agree_with_the_standard_library() -> None:
    import numpy as np

    from stupiddb_kernel.local.strings import iso_timestamps

    times = [datetime(*parts, tzinfo=UTC) for parts in [
        (1999, 12, 31, 23, 59, 59, 999_000), (2024, 2, 29, 0, 0, 0, 0), (2025, 6, 12, 8, 15, 30, 123_000),
    ]]  # fmt: skip
    milliseconds = np.array([round(time.timestamp() * 1000) for time in times])

    assert iso_timestamps(milliseconds).to_pylist() == [
        time.isoformat(timespec="milliseconds").replace("+00:00", "Z") for time in times
    ]


def test_a_few_members_cause_most_events(events: pa.Table) -> None:
    """A bounded Zipf law with exponent 1.1 over 6,000 members: its top percent holds about half of all."""
    counts = sorted(Counter(events["memberCode"].drop_null().to_pylist()).values(), reverse=True)
    members = Generator(scale=0.3).member_count

    top_percent = sum(counts[: members // 100]) / sum(counts)
    assert 0.45 < top_percent < 0.7
    assert 1.7 < counts[0] / counts[1] < 2.6  # 2 ** 1.1, and what cutting a density to whole ranks does


def test_shares_of_events_are_as_set() -> None:
    events = _read(Generator(seed=4, scale=0.3, dirt=_CLEAN), "events")
    counts = Counter(events["eventName"].to_pylist())

    for name, share in generator.EVENT_NAMES.items():
        assert counts[name] / events.num_rows == pytest.approx(share, abs=0.005)


def test_what_an_event_holds_belongs_to_its_kind() -> None:
    events = _read(Generator(seed=4, scale=0.05, dirt=_CLEAN), "events").to_pylist()

    for event in events:
        name = event["eventName"]
        assert (event["gameUid"] is not None) == (name == "Game Opened")
        assert (event["statusCode"] is not None) == (event["apiPath"] is not None) == (name == "API Error")
        assert (event["amount"] is not None) == (name in ("Deposit", "Withdrawal"))


def test_dirt_comes_at_its_rates() -> None:
    dirt = Dirt(null=0.03, blank=0.02, case=0.04, padding=0.05, unknown=0.01, malformed=0.06)
    made = Generator(seed=9, scale=0.3, dirt=dirt)
    events = _read(made, "events")
    rows = events.num_rows
    codes = events["memberCode"].to_pylist()

    def share(test: object) -> float:
        return sum(1 for code in codes if code is not None and test(code)) / rows  # type: ignore[operator]

    assert events["memberCode"].null_count / rows == pytest.approx(0.03, abs=0.003)
    assert share(lambda code: not code.strip()) == pytest.approx(0.02, abs=0.003)
    assert share(lambda code: code.startswith("m")) == pytest.approx(0.04, abs=0.003)
    assert share(lambda code: code.strip() and code != code.rstrip()) == pytest.approx(0.05, abs=0.003)
    assert share(
        lambda code: code[:1] == "M" and code == code.rstrip() and int(code[1:]) >= made.member_count
    ) == pytest.approx(0.01, abs=0.002)
    malformed = pc.is_in(events["@timestamp"], value_set=pa.array(MALFORMED))
    assert pc.mean(malformed).as_py() == pytest.approx(0.06, abs=0.003)
    for column in ("eventName", "platform", "currency", "rGroup"):
        values = [value for value in events[column].to_pylist() if value]
        assert sum(
            value != value.rstrip() and bool(value.strip()) for value in values
        ) / rows == pytest.approx(0.05, abs=0.003)


def test_without_dirt_every_key_finds_its_row() -> None:
    made = Generator(seed=6, scale=0.1, dirt=_CLEAN)
    events, members = _read(made, "events"), _read(made, "members")

    assert set(events["memberCode"].to_pylist()) <= set(members["member_code"].to_pylist())
    assert set(events["gameUid"].drop_null().to_pylist()) <= set(_read(made, "games")["game_uid"].to_pylist())
    assert set(members["affiliate_code"].drop_null().to_pylist()) <= set(
        _read(made, "affiliates")["affiliate_code"].to_pylist()
    )
    assert set(members["vip_tier"].to_pylist()) == set(_read(made, "vip_tiers")["tier_code"].to_pylist())


def test_an_event_has_the_currency_and_group_of_its_member() -> None:
    made = Generator(seed=6, scale=0.02, dirt=_CLEAN)
    of_member = {
        row["member_code"]: (row["currency"], row["r_group"]) for row in _read(made, "members").to_pylist()
    }

    for event in _read(made, "events").to_pylist():
        assert (event["currency"], event["rGroup"]) == of_member[event["memberCode"]]


def test_affiliates_are_a_forest() -> None:
    affiliates = _read(Generator(seed=6, scale=4), "affiliates").to_pylist()
    parents = {row["affiliate_code"]: row["parent_code"] for row in affiliates}

    assert 0 < sum(parent is None for parent in parents.values()) < len(parents) / 10
    assert all(parent in parents and parent < code for code, parent in parents.items() if parent is not None)


def test_members_are_in_the_tier_that_their_deposits_earn() -> None:
    least = {row["tier_code"]: row["min_deposit"] for row in _read(Generator(), "vip_tiers").to_pylist()}
    ordered = sorted(least, key=lambda code: least[code])
    members = _read(Generator(seed=8, scale=0.2), "members").to_pylist()

    for member in members:
        earned = [code for code in ordered if member["total_deposit"] >= least[code]]
        assert member["vip_tier"] == earned[-1]
    assert {member["vip_tier"] for member in members} == set(ordered)


def test_memory_is_that_of_a_batch_however_many_rows() -> None:
    """Peak memory of a process that streams 2 million events, above that of one that streams one batch."""
    program = (
        "import resource, sys; from stupiddb_kernel.local.generator import Generator\n"
        "for batch in Generator(scale=float(sys.argv[1])).events(): pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak(scale: float) -> float:
        done = subprocess.run(
            [sys.executable, "-c", program, str(scale)], capture_output=True, text=True, check=True
        )
        return int(done.stdout) / 1024

    assert peak(2.0) - peak(0.065) < 40


@pytest.mark.parametrize(
    "settings", [{"scale": 0}, {"scale": -1}, {"scale": float("nan")}, {"scale": 1, "batch_rows": 0}]
)
def test_impossible_sizes_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="greater than 0"):
        Generator(**settings)  # type: ignore[arg-type]


def test_impossible_dirt_is_refused() -> None:
    with pytest.raises(UsageError, match="add up to at most 1"):
        Dirt(null=0.6, blank=0.6)


def test_a_batch_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no batch 1"):
        Generator(scale=0.01).event_batch(1)
