"""Events and reference tables of an online casino, the seeds' own domain, made up at any scale.

Members, games, affiliates (a hierarchy) and VIP tiers, and the events they cause, with the fields of the
seeds' DDL. The same seed, scale and batch give the same bytes on every run; a few members and games
cause most events (Zipf); a set share of the values is dirty. Everything is streamed: memory is that of
one batch, however many rows there are. Nothing here is about real people.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from stupiddb_kernel.errors import UsageError
from stupiddb_kernel.local import strings
from stupiddb_kernel.local.dirt import Dirt, Draw
from stupiddb_kernel.local.randomness import (
    Floats,
    Integers,
    Mask,
    Stream,
    fractions,
    scatter,
    scramble,
    zipf,
)

BATCH_ROWS = 65_536
EVENTS_AT_SCALE_1 = 1_000_000
MEMBERS_AT_SCALE_1 = 20_000
GAMES_AT_SCALE_1 = 500
AFFILIATES_AT_SCALE_1 = 200
START = datetime(2025, 1, 1, tzinfo=UTC)
DAYS = 181
ZIPF_MEMBERS = 1.1
ZIPF_GAMES = 1.2

EVENT_NAMES = {
    "Login": 0.24, "Game Opened": 0.34, "Page Viewed": 0.20, "Deposit": 0.07, "Withdrawal": 0.02,
    "API Error": 0.04, "Logout": 0.09,
}  # fmt: skip
"""Each event and its share."""
PLATFORMS = {"web": 0.35, "android": 0.38, "ios": 0.24, "desktop": 0.03}
CURRENCIES = {"USD": 0.3, "EUR": 0.22, "THB": 0.16, "VND": 0.14, "IDR": 0.1, "MYR": 0.08}
R_GROUPS = {"A": 0.55, "B": 0.25, "C": 0.14, "VIP": 0.06}
STATUSES = {"active": 0.82, "dormant": 0.12, "suspended": 0.04, "closed": 0.02}
CATEGORIES = {"Slots": 0.62, "Live Casino": 0.16, "Table Games": 0.12, "Sports": 0.06, "Lottery": 0.04}
PROVIDERS = tuple(
    f"{name} Gaming" for name in ("Alder", "Birch", "Cedar", "Elm", "Hazel", "Larch", "Maple", "Oak")
)
API_PATHS = (
    "/v1/session",
    "/v1/wallet/balance",
    "/v1/games/launch",
    "/v1/bonus/claim",
    "/v2/members/profile",
)
STATUS_CODES = {400: 0.22, 401: 0.16, 404: 0.12, 429: 0.18, 500: 0.2, 502: 0.06, 503: 0.06}
TIERS = (
    ("BRONZE", "Bronze", 0, "0.00", "weekly newsletter"),
    ("SILVER", "Silver", 1_000, "0.20", "birthday bonus"),
    ("GOLD", "Gold", 5_000, "0.50", "birthday bonus, faster withdrawals"),
    ("PLATINUM", "Platinum", 25_000, "0.80", "account manager, faster withdrawals"),
    ("DIAMOND", "Diamond", 100_000, "1.20", "account manager, invitations, no withdrawal limit"),
)
"""Code, name, least total deposit, cashback in percent, benefits."""

_ISO = pa.string()
_MONEY = pa.decimal128(14, 2)
_STAMP = pa.timestamp("us", "UTC")
EVENTS = pa.schema(
    [
        pa.field("eventId", pa.string(), nullable=False),
        ("memberCode", pa.string()),
        ("eventName", pa.string()),
        ("platform", pa.string()),
        ("currency", pa.string()),
        ("rGroup", pa.string()),
        ("gameUid", pa.string()),
        ("amount", _MONEY),
        ("apiPath", pa.string()),
        ("statusCode", pa.int32()),
        ("durationMs", pa.int32()),
        ("@timestamp", _ISO),
    ]
)
MEMBERS = pa.schema(
    [
        pa.field("member_code", pa.string(), nullable=False),
        pa.field("registration_date", pa.date32(), nullable=False),
        pa.field("total_deposit", _MONEY, nullable=False),
        pa.field("account_status", pa.string(), nullable=False),
        pa.field("email_verified", pa.bool_(), nullable=False),
        pa.field("phone_verified", pa.bool_(), nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("r_group", pa.string(), nullable=False),
        pa.field("vip_tier", pa.string(), nullable=False),
        ("affiliate_code", pa.string()),
        pa.field("updated_at", _STAMP, nullable=False),
    ]
)
GAMES = pa.schema(
    [
        pa.field("game_uid", pa.string(), nullable=False),
        pa.field("display_name", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("provider", pa.string(), nullable=False),
        pa.field("rtp", pa.decimal128(5, 2), nullable=False),
        pa.field("is_active", pa.bool_(), nullable=False),
        pa.field("updated_at", _STAMP, nullable=False),
    ]
)
AFFILIATES = pa.schema(
    [
        pa.field("affiliate_code", pa.string(), nullable=False),
        ("parent_code", pa.string()),
        pa.field("name", pa.string(), nullable=False),
        pa.field("commission_tier", pa.int32(), nullable=False),
        pa.field("commission_rate", pa.decimal128(5, 2), nullable=False),
        pa.field("updated_at", _STAMP, nullable=False),
    ]
)
VIP_TIERS = pa.schema(
    [
        pa.field("tier_code", pa.string(), nullable=False),
        pa.field("tier_rank", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("min_deposit", _MONEY, nullable=False),
        pa.field("cashback_percent", pa.decimal128(5, 2), nullable=False),
        pa.field("benefits", pa.string(), nullable=False),
    ]
)

_START_MS = int(START.timestamp() * 1000)
_SPAN_MS = DAYS * 86_400_000
_START_DAY = _START_MS // 86_400_000
# salts of what is always true of one member
_CURRENCY, _R_GROUP, _DEPOSIT, _STATUS, _VERIFIED, _REGISTERED, _AFFILIATE, _UPDATED = range(1, 9)


@dataclass(frozen=True)
class Generator:
    """Tables of one made-up company. ``scale`` 1 is a million events of 20,000 members in half a year."""

    seed: int = 1
    scale: float = 1.0
    dirt: Dirt = field(default_factory=Dirt)
    batch_rows: int = BATCH_ROWS

    def __post_init__(self) -> None:
        if not self.scale > 0 or self.batch_rows < 1:
            raise UsageError(
                f"scale and batch_rows are greater than 0; found {self.scale}, {self.batch_rows}"
            )

    @property
    def event_count(self) -> int:
        """Rows of ``events``."""
        return max(1, int(EVENTS_AT_SCALE_1 * self.scale))

    @property
    def member_count(self) -> int:
        """Rows of ``members``."""
        return max(10, int(MEMBERS_AT_SCALE_1 * self.scale))

    @property
    def game_count(self) -> int:
        """Rows of ``games``: the catalog grows with the square root of the business."""
        return max(10, int(GAMES_AT_SCALE_1 * math.sqrt(self.scale)))

    @property
    def affiliate_count(self) -> int:
        """Rows of ``affiliates``."""
        return max(5, int(AFFILIATES_AT_SCALE_1 * math.sqrt(self.scale)))

    def events(self) -> pa.RecordBatchReader:
        """The events in the order of their time. The clean member codes and game uids are all known."""
        return self._stream(EVENTS, self.event_count, self.event_batch)

    def members(self) -> pa.RecordBatchReader:
        """Members by code; clean, as a relational table is."""
        return self._stream(MEMBERS, self.member_count, self._member_batch)

    def games(self) -> pa.RecordBatchReader:
        """The game catalog by uid."""
        return self._stream(GAMES, self.game_count, self._game_batch)

    def affiliates(self) -> pa.RecordBatchReader:
        """Affiliates by code; ``parent_code`` is null for the roots and always a lower code."""
        return self._stream(AFFILIATES, self.affiliate_count, self._affiliate_batch)

    def vip_tiers(self) -> pa.RecordBatchReader:
        """The five tiers, lowest first."""
        codes, names, deposits, rates, benefits = (list(column) for column in zip(*TIERS, strict=True))
        columns = [
            codes,
            list(range(len(TIERS))),
            names,
            deposits,
            pa.array(rates).cast(pa.decimal128(5, 2)),
            benefits,
        ]
        arrays = [pa.array(column, kind) for column, kind in zip(columns, VIP_TIERS.types, strict=True)]
        return pa.RecordBatchReader.from_batches(VIP_TIERS, [pa.record_batch(arrays, schema=VIP_TIERS)])

    def event_batch(self, index: int) -> pa.RecordBatch:
        """Batch number ``index`` of ``events`` alone; what it holds depends on no other batch."""
        rows = self._rows(index, self.event_count)
        count = len(rows)
        stream = Stream(self.seed, "events", index)
        members = scatter(zipf(stream.uniform(count), self.member_count, ZIPF_MEMBERS), self.member_count)
        names = stream.choice(tuple(EVENT_NAMES.values()), count)
        milliseconds = _START_MS + ((rows + stream.uniform(count)) * (_SPAN_MS / self.event_count)).astype(
            np.int64
        )
        draws = {
            name: Draw(self.dirt, Stream(self.seed, f"dirt {name}", index), count)
            for name in ("memberCode", "eventName", "platform", "currency", "rGroup", "gameUid", "@timestamp")
        }
        codes = members.copy()
        codes[draws["memberCode"].unknown()] += self.member_count
        few = {
            "eventName": (EVENT_NAMES, names),
            "platform": (PLATFORMS, stream.choice(tuple(PLATFORMS.values()), count)),
            "currency": (CURRENCIES, self._member_choice(CURRENCIES, members, _CURRENCY)),
            "rGroup": (R_GROUPS, self._member_choice(R_GROUPS, members, _R_GROUP)),
        }
        columns = {name: draws[name].names(list(kinds), chosen) for name, (kinds, chosen) in few.items()} | {
            "eventId": strings.codes("E", rows, 11),
            "memberCode": draws["memberCode"].codes(self._member_codes(codes)),
            "gameUid": self._played(stream, names, draws["gameUid"]),
            "amount": _amounts(stream, names),
            **_errors(stream, names),
            "durationMs": _durations(stream, count),
            "@timestamp": draws["@timestamp"].times(strings.iso_timestamps(milliseconds)),
        }
        return pa.RecordBatch.from_arrays([columns[name] for name in EVENTS.names], schema=EVENTS)

    def _played(self, stream: Stream, names: Integers, draw: Draw) -> pa.StringArray:
        games = scatter(zipf(stream.uniform(len(names)), self.game_count, ZIPF_GAMES), self.game_count)
        games[draw.unknown()] += self.game_count
        return draw.codes(strings.codes("G", games, 7, names == _index(EVENT_NAMES, "Game Opened")))

    def _member_codes(self, members: Integers) -> pa.StringArray:
        return strings.codes("M", members, strings.code_digits(2 * self.member_count))  # with unknown ones

    def _member_batch(self, index: int) -> pa.RecordBatch:
        rows = self._rows(index, self.member_count)
        cents = _heavy_tail(self._member_uniform(rows, _DEPOSIT), 200_00)
        tier = np.searchsorted([least * 100 for _, _, least, _, _ in TIERS[1:]], cents, side="right")
        verified = self._member_uniform(rows, _VERIFIED)
        affiliate = self._member_uniform(rows, _AFFILIATE)
        referred = affiliate >= 0.3
        affiliates = zipf((affiliate - 0.3).clip(0) / 0.7, self.affiliate_count, 1.3)
        registered = _START_DAY - 1 - (self._member_uniform(rows, _REGISTERED) ** 2 * 2000).astype(np.int64)
        columns = [
            self._member_codes(rows),
            pa.array(registered.astype(np.int32)).cast(pa.date32()),
            _decimals(cents, _MONEY),
            _named(STATUSES, self._member_choice(STATUSES, rows, _STATUS)),
            pa.array(verified < 0.7),
            pa.array((verified > 0.25) & (verified < 0.85)),
            _named(CURRENCIES, self._member_choice(CURRENCIES, rows, _CURRENCY)),
            _named(R_GROUPS, self._member_choice(R_GROUPS, rows, _R_GROUP)),
            pa.array([tier[0] for tier in TIERS]).take(pa.array(tier)),
            strings.codes("A", affiliates, 7, referred),
            self._updated(rows),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=MEMBERS)

    def _game_batch(self, index: int) -> pa.RecordBatch:
        rows = self._rows(index, self.game_count)
        stream = Stream(self.seed, "games", index)
        count = len(rows)
        category = stream.choice(tuple(CATEGORIES.values()), count)
        provider = stream.below(len(PROVIDERS), count)
        names = [
            f"{PROVIDERS[maker].split()[0]} {list(CATEGORIES)[kind].split()[0]} {row}"
            for maker, kind, row in zip(provider, category, rows, strict=True)
        ]
        columns = [
            strings.codes("G", rows, 7),
            pa.array(names),
            _named(CATEGORIES, category),
            pa.array(PROVIDERS).take(pa.array(provider)),
            _decimals(8800 + stream.below(1100, count), pa.decimal128(5, 2)),
            pa.array(stream.uniform(count) < 0.93),
            self._updated(rows),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=GAMES)

    def _affiliate_batch(self, index: int) -> pa.RecordBatch:
        rows = self._rows(index, self.affiliate_count)
        stream = Stream(self.seed, "affiliates", index)
        count = len(rows)
        roots = max(1, self.affiliate_count // 20)
        parents = stream.below(np.maximum(rows // 2, 1), count)
        tier = stream.choice((0.6, 0.3, 0.1), count)
        columns = [
            strings.codes("A", rows, 7),
            strings.codes("A", parents, 7, rows >= roots),
            pa.array([f"Affiliate {row}" for row in rows]),
            pa.array((tier + 1).astype(np.int32)),
            _decimals(2000 + tier * 1000, pa.decimal128(5, 2)),
            self._updated(rows),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=AFFILIATES)

    def _stream(
        self, schema: pa.Schema, count: int, batch: Callable[[int], pa.RecordBatch]
    ) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            for index in range(-(-count // self.batch_rows)):
                yield batch(index)

        return pa.RecordBatchReader.from_batches(schema, batches())

    def _rows(self, index: int, count: int) -> Integers:
        start = index * self.batch_rows
        if not 0 <= start < count:
            raise UsageError(
                f"there is no batch {index}; found {count:,} rows in batches of {self.batch_rows:,}"
            )
        return np.arange(start, min(start + self.batch_rows, count), dtype=np.int64)

    def _member_uniform(self, members: Integers, salt: int) -> Floats:
        """A number in [0, 1) that belongs to the member, in every table."""
        return fractions(scramble(members, self.seed * 1009 + salt))

    def _member_choice(self, weights: dict[str, float], members: Integers, salt: int) -> Integers:
        edges = np.cumsum(list(weights.values()))[:-1]
        return np.searchsorted(edges, self._member_uniform(members, salt), side="right").astype(np.int64)

    def _updated(self, rows: Integers) -> pa.Array:
        microseconds = (
            _START_MS * 1000 + (self._member_uniform(rows, _UPDATED) * _SPAN_MS).astype(np.int64) * 1000
        )
        return pa.array(microseconds).cast(pa.timestamp("us")).cast(_STAMP)


def _index(names: dict[str, float], name: str) -> int:
    return list(names).index(name)


def _named(names: dict[str, float], indices: Integers) -> pa.StringArray:
    return pa.array(list(names)).take(pa.array(indices))


def _heavy_tail(uniform: Floats, unit: int) -> Integers:
    """Cents: nothing for a fifth, about ``unit`` for most, a thousand times that for very few (Pareto)."""
    paid = (uniform - 0.2).clip(0) / 0.8
    return np.minimum(unit * ((1 - paid) ** (-1 / 0.9) - 1), 500_000_00).astype(np.int64)


def _decimals(hundredths: Integers, kind: pa.Decimal128Type, present: Mask | None = None) -> pa.Array:
    """Decimals with two places from whole hundredths, without a Python object per value."""
    words = np.empty((len(hundredths), 2), np.int64)
    words[:, 0] = hundredths
    words[:, 1] = hundredths >> 63  # sign extension
    return pa.Array.from_buffers(kind, len(hundredths), [strings.validity(present), pa.py_buffer(words)])


def _amounts(stream: Stream, names: Integers) -> pa.Array:
    paid = (names == _index(EVENT_NAMES, "Deposit")) | (names == _index(EVENT_NAMES, "Withdrawal"))
    cents = np.zeros(len(names), np.int64)
    cents[paid] = _heavy_tail(stream.uniform(int(paid.sum())), 20_00) + 1_00
    return _decimals(cents, _MONEY, paid)


def _errors(stream: Stream, names: Integers) -> dict[str, pa.Array]:
    """The path and status of each API error; the last, null entry of each list is everything else's."""
    fine = names != _index(EVENT_NAMES, "API Error")
    count = len(names)
    paths = np.where(fine, len(API_PATHS), stream.below(len(API_PATHS), count))
    codes = np.where(fine, len(STATUS_CODES), stream.choice(tuple(STATUS_CODES.values()), count))
    return {
        "apiPath": pa.array([*API_PATHS, None]).take(pa.array(paths)),
        "statusCode": pa.array([*STATUS_CODES, None], pa.int32()).take(pa.array(codes)),
    }


def _durations(stream: Stream, count: int) -> pa.Array:
    return pa.array((20 / (1.0001 - stream.uniform(count))).astype(np.int32))
