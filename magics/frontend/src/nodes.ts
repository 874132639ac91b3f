/** What the kernel says about the catalog; see catalog.py. */

import type { IconName, Kind } from "./icons";

export interface SourceInfo {
  name: string;
  kind: string;
  state: "ok" | "unreachable" | "loading" | "unread";
  error: string | null;
  advice: string | null;
  age_seconds: number | null;
  databases: number | null;
  tables: number | null;
  failed_databases: string[];
}

export interface TableInfo {
  source: string;
  database: string;
  name: string;
  kind: "table" | "view" | "external";
  comment: string | null;
  rows: number | null;
  bytes: number | null;
  partitions: number | null;
  exact: boolean;
}

/** A table as the kernel sends it among ten thousand. */
export type TableRow = [
  name: string,
  kind: TableInfo["kind"],
  comment: string | null,
  rows: number | null,
  bytes: number | null,
  partitions: number | null,
  exact: boolean,
];

export function tableOf(source: string, database: string, row: TableRow): TableInfo {
  const [name, kind, comment, rows, bytes, partitions, exact] = row;
  return { source, database, name, kind, comment, rows, bytes, partitions, exact };
}

export interface ColumnInfo {
  name: string;
  type: string;
  native: string;
  kind: Kind;
  nullable: boolean;
  comment: string | null;
  partition: boolean;
}

export interface TableDetails extends TableInfo {
  location: string | null;
  files: number | null;
  shape: ColumnInfo[];
  qualified: string;
  snippet: string;
}

export type SizeInfo = Pick<TableDetails, "rows" | "bytes" | "partitions" | "files" | "exact">;

export interface HitInfo {
  path: string[];
  kind: "source" | "database" | "table" | "column";
  table: [string, string, string] | null;
  column: string | null;
  type: string | null;
  value_kind: Kind | null;
  comment: string | null;
}

export interface ColumnProfileInfo {
  name: string;
  type: string;
  kind: Kind;
  null_fraction: number | null;
  distinct: number | null;
  minimum: string | null;
  maximum: string | null;
  top: [string | null, number][];
  histogram: [string, string, number][];
  basis: string;
}

export interface ProfileInfo {
  columns: ColumnProfileInfo[];
  sampled_rows: number;
  basis: string;
}

/** The data of a node in the tree. */
export type Entry =
  | { level: "source"; source: SourceInfo }
  | { level: "database"; source: string; name: string }
  | { level: "table"; table: TableInfo }
  | { level: "column"; table: TableInfo; column: ColumnInfo }
  | { level: "note" };

const SOURCES: Record<string, IconName> = {
  athena: "cloud",
  postgres: "cylinder",
  mysql: "cylinder",
  redshift: "cylinder",
  s3: "bucket",
  duckdb: "local",
};

export const KIND_NAMES: Record<string, string> = {
  athena: "Athena",
  postgres: "PostgreSQL",
  mysql: "MySQL",
  redshift: "Redshift",
  s3: "S3",
  duckdb: "DuckDB",
};

export function sourceIcon(kind: string): IconName {
  return SOURCES[kind] ?? "cylinder";
}

export function tableIcon(kind: TableInfo["kind"]): IconName {
  return kind;
}

export function pathOf(table: TableInfo): string[] {
  return [table.source, table.database, table.name];
}
