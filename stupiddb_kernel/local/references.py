"""The reference tables in Aurora (airlines, airports, planes) and RDS (weather)."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
from pyarrow import csv

from stupiddb_kernel.errors import LocalStackError
from stupiddb_kernel.local import mariadb, nycflights, postgres
from stupiddb_kernel.local.address import Address

_AVIATION = """
CREATE OR REPLACE FUNCTION touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

DROP TABLE IF EXISTS airlines, airports, planes;

CREATE TABLE airlines (
    carrier varchar(2) PRIMARY KEY,
    name text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT '2013-01-01 00:00:00+00'
);
COMMENT ON TABLE airlines IS 'Carriers that left New York City in 2013';
COMMENT ON COLUMN airlines.carrier IS 'Two-letter carrier code; flights.carrier';

CREATE TABLE airports (
    faa varchar(4) PRIMARY KEY,
    name text NOT NULL,
    lat double precision NOT NULL,
    lon double precision NOT NULL,
    alt integer NOT NULL,
    tz smallint NOT NULL,
    dst char(1) NOT NULL,
    tzone text,
    updated_at timestamptz NOT NULL DEFAULT '2013-01-01 00:00:00+00'
);
COMMENT ON TABLE airports IS 'Airports, mostly of the United States';
COMMENT ON COLUMN airports.faa IS 'FAA code; flights.origin and flights.dest';
COMMENT ON COLUMN airports.alt IS 'Altitude in feet';
COMMENT ON COLUMN airports.tz IS 'Hours from UTC in winter';
COMMENT ON COLUMN airports.dst IS 'Daylight saving: A as in the US, U unknown, N none';
COMMENT ON COLUMN airports.tzone IS 'IANA time zone';

CREATE TABLE planes (
    tailnum varchar(6) PRIMARY KEY,
    year smallint,
    type text NOT NULL,
    manufacturer text NOT NULL,
    model text NOT NULL,
    engines smallint NOT NULL,
    seats smallint NOT NULL,
    speed smallint,
    engine text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT '2013-01-01 00:00:00+00'
);
COMMENT ON TABLE planes IS 'Planes registered with the FAA; not every flights.tailnum is among them';
COMMENT ON COLUMN planes.tailnum IS 'Tail number; flights.tailnum';
COMMENT ON COLUMN planes.year IS 'Year of manufacture';
COMMENT ON COLUMN planes.speed IS 'Average cruising speed in mph, known for few';
"""

_INDEXES = """
CREATE INDEX airlines_updated_at ON airlines (updated_at, carrier);
CREATE INDEX airports_updated_at ON airports (updated_at, faa);
CREATE INDEX airports_tzone ON airports (tzone);
CREATE INDEX planes_updated_at ON planes (updated_at, tailnum);
CREATE INDEX planes_model ON planes (manufacturer, model);
CREATE TRIGGER airlines_touch BEFORE UPDATE ON airlines FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER airports_touch BEFORE UPDATE ON airports FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER planes_touch BEFORE UPDATE ON planes FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
"""

_WEATHER = """
CREATE TABLE weather (
    origin CHAR(3) NOT NULL COMMENT 'FAA code of the station: EWR, JFK or LGA',
    year SMALLINT NOT NULL,
    month TINYINT NOT NULL,
    day TINYINT NOT NULL,
    hour TINYINT NOT NULL COMMENT 'Local time',
    temp DOUBLE COMMENT 'Degrees Fahrenheit',
    dewp DOUBLE COMMENT 'Dew point, degrees Fahrenheit',
    humid DOUBLE COMMENT 'Relative humidity in percent',
    wind_dir SMALLINT COMMENT 'Degrees',
    wind_speed DOUBLE COMMENT 'Miles an hour',
    wind_gust DOUBLE COMMENT 'Miles an hour',
    precip DOUBLE COMMENT 'Inches',
    pressure DOUBLE COMMENT 'Sea-level pressure in millibars',
    visib DOUBLE COMMENT 'Miles',
    time_hour DATETIME NOT NULL COMMENT 'The hour in UTC; flights.time_hour',
    updated_at TIMESTAMP(6) NOT NULL DEFAULT '2013-01-01 00:00:00' ON UPDATE CURRENT_TIMESTAMP(6),
    PRIMARY KEY (origin, time_hour),
    KEY weather_time_hour (time_hour),
    KEY weather_updated_at (updated_at, origin, time_hour)
) COMMENT 'Hourly weather at the three airports of New York City, 2013'
"""


def load_aviation(address: Address) -> str:
    """Replace the three tables in one transaction; what was loaded, in words."""
    import psycopg

    loaded = []
    try:
        with postgres.connect(address) as connection:
            with connection.transaction():
                connection.execute(_AVIATION)
                for name in ("airlines", "airports", "planes"):
                    table = nycflights.table(name)
                    _copy(connection, name, table)
                    loaded.append(f"{table.num_rows:,} {name}")
                connection.execute(_INDEXES)
            connection.execute("ANALYZE")
    except psycopg.Error as error:
        raise LocalStackError(f"the reference tables could not be loaded into PostgreSQL: {error}") from error
    return f"{', '.join(loaded)} in Aurora ({address.database})"


def load_weather(address: Address) -> str:
    """Replace the table; what was loaded, in words."""
    import pymysql

    table = nycflights.table("weather")
    marks = ", ".join(["%s"] * table.num_columns)
    names = ", ".join(table.column_names)
    naive = table["time_hour"].cast(pa.timestamp("s"))  # the clock of UTC, as the column's comment says
    columns = [column.to_pylist() for column in table.drop_columns("time_hour").columns]
    rows = zip(*columns, naive.to_pylist(), strict=True)
    try:
        with mariadb.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS weather_new, weather_old")
            cursor.execute(_WEATHER.replace("CREATE TABLE weather", "CREATE TABLE weather_new", 1))
            connection.begin()
            cursor.executemany(f"INSERT INTO weather_new ({names}) VALUES ({marks})", rows)
            connection.commit()
            _swap(cursor)
    except pymysql.Error as error:
        raise LocalStackError(f"the weather could not be loaded into MariaDB: {error}") from error
    return f"{table.num_rows:,} hours of weather in RDS ({address.database})"


def _copy(connection: Any, name: str, table: pa.Table) -> None:
    text = io.BytesIO()
    csv.write_csv(table, text)
    columns = ", ".join(table.column_names)
    with connection.cursor().copy(f"COPY {name} ({columns}) FROM STDIN (FORMAT csv, HEADER)") as copy:
        copy.write(text.getvalue())


def _swap(cursor: Any) -> None:
    """Put the filled table in the place of the old one, in one step: readers always see a whole one."""
    cursor.execute("SHOW TABLES LIKE 'weather'")
    if cursor.fetchone():
        cursor.execute("RENAME TABLE weather TO weather_old, weather_new TO weather")
        cursor.execute("DROP TABLE weather_old")
    else:
        cursor.execute("RENAME TABLE weather_new TO weather")
    cursor.execute("ANALYZE TABLE weather")
