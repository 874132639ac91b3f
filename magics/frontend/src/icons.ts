/** Icons drawn for stupiddb: 16 × 16, strokes in the colour of the text. */

import { svg } from "./dom";

const PATHS = {
  chevron: "M6 4l4 4-4 4",
  search: "M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.8 10.8L14 14",
  close: "M4 4l8 8M12 4l-8 8",
  refresh: "M13.5 8a5.5 5.5 0 1 1-1.7-4M13.5 2v3.2h-3.2",
  copy: "M5.5 5.5V3a1 1 0 0 1 1-1H13a1 1 0 0 1 1 1v6.5a1 1 0 0 1-1 1h-2.5M3 5.5h6.5a1 1 0 0 1 1 1V13a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V6.5a1 1 0 0 1 1-1z",
  code: "M5.5 4.5L2 8l3.5 3.5M10.5 4.5L14 8l-3.5 3.5",
  locate: "M8 12.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM8 1.5v3M8 11.5v3M1.5 8h3M11.5 8h3",
  check: "M3 8.5l3.2 3.2L13 5",
  warning: "M8 2.2L14.6 13.5H1.4zM8 6.5v3.2M8 11.6v.1",
  filter: "M2.5 3.5h11L9.5 8.5v4l-3 1.5V8.5z",
  up: "M8 13V3.5M4 7.5l4-4 4 4",
  down: "M8 3v9.5M4 8.5l4 4 4-4",
  // sources
  cloud: "M4.8 12.5a3 3 0 0 1-.5-5.95 4 4 0 0 1 7.7 1.05A2.5 2.5 0 0 1 11.7 12.5z",
  cylinder: "M13 4c0 1.1-2.2 2-5 2S3 5.1 3 4s2.2-2 5-2 5 .9 5 2zM3 4v8c0 1.1 2.2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2.2 2 5 2s5-.9 5-2",
  bucket: "M2.5 4c0-.8 2.5-1.5 5.5-1.5s5.5.7 5.5 1.5-2.5 1.5-5.5 1.5S2.5 4.8 2.5 4zM2.5 4l1.4 8.7c.1.7 1.9 1.3 4.1 1.3s4-.6 4.1-1.3L13.5 4",
  local: "M2.5 3.5h11v7h-11zM5.5 13.5h5M8 10.5v3",
  // levels
  database: "M2 4.5a1 1 0 0 1 1-1h3.2l1.5 1.8H13a1 1 0 0 1 1 1V12a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1z",
  table: "M2.5 3.5h11v9h-11zM2.5 6.5h11M6.5 6.5v6M2.5 9.5h11",
  view: "M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8zM8 9.8a1.8 1.8 0 1 0 0-3.6 1.8 1.8 0 0 0 0 3.6z",
  external: "M2.5 4.5h7M2.5 8h5M2.5 11.5h4M9.5 11.5L13.5 7.5M10.2 7.5h3.3v3.3",
  partition: "M2.5 3.5h11v9h-11zM6.2 3.5v9M9.8 3.5v9",
  // kinds of values
  integer: "M6.3 2.5l-1.5 11M11.2 2.5l-1.5 11M3 6h10.5M2.5 10H13",
  float: "M2.5 9.5c1.5-6 3.5-6 5.5-1.5s4 4.5 5.5-1.5",
  string: "M3 12.5L6.5 3.5 10 12.5M4.2 9.5h4.6M11 12.5h3",
  boolean: "M5.5 4.5h5a3.5 3.5 0 0 1 0 7h-5a3.5 3.5 0 0 1 0-7zM10.5 9.3a1.3 1.3 0 1 0 0-2.6 1.3 1.3 0 0 0 0 2.6z",
  date: "M2.5 4h11v9.5h-11zM2.5 7h11M5.5 2.2v3M10.5 2.2v3",
  time: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.2 1.6",
  binary: "M4.5 3v10M3 4.2L4.5 3M3 13h3M11 3a2 3 0 0 1 2 3v4a2 3 0 0 1-4 0V6a2 3 0 0 1 2-3z",
  list: "M5 3H3v10h2M11 3h2v10h-2M6.5 8h3",
  struct: "M6 2.5c-1.8 0-2 .8-2 2.2S3.8 8 2.5 8C3.8 8 4 8.9 4 11.3s.2 2.2 2 2.2M10 2.5c1.8 0 2 .8 2 2.2S12.2 8 13.5 8C12.2 8 12 8.9 12 11.3s-.2 2.2-2 2.2",
  other: "M8 9.5v-.6c0-1.6 2-1.5 2-3.3A2 2 0 0 0 6 5.5M8 12v.1",
} as const;

export type IconName = keyof typeof PATHS;

export function icon(name: IconName, className = ""): SVGElement {
  return svg(
    "svg",
    {
      viewBox: "0 0 16 16",
      class: `sdb-icon ${className}`.trim(),
      "aria-hidden": "true",
      focusable: "false",
    },
    svg("path", { d: PATHS[name] }),
  );
}

/** A kind of value, as `kind_of` in Python names it. */
export type Kind =
  | "integer"
  | "decimal"
  | "float"
  | "boolean"
  | "string"
  | "date"
  | "time"
  | "timestamp"
  | "interval"
  | "binary"
  | "uuid"
  | "json"
  | "list"
  | "struct"
  | "map"
  | "other";

const OF_KIND: Record<Kind, IconName> = {
  integer: "integer",
  decimal: "integer",
  float: "float",
  boolean: "boolean",
  string: "string",
  date: "date",
  time: "time",
  timestamp: "time",
  interval: "time",
  binary: "binary",
  uuid: "string",
  json: "struct",
  list: "list",
  struct: "struct",
  map: "struct",
  other: "other",
};

/** The icon of a column's values, coloured by family. */
export function kindIcon(kind: Kind): SVGElement {
  const family =
    kind === "integer" || kind === "decimal" || kind === "float"
      ? "number"
      : kind === "date" || kind === "time" || kind === "timestamp" || kind === "interval"
        ? "time"
        : kind === "string" || kind === "uuid"
          ? "text"
          : kind === "boolean"
            ? "boolean"
            : "nested";
  return icon(OF_KIND[kind] ?? "other", `sdb-kind sdb-kind-${family}`);
}

export function isNumber(kind: Kind): boolean {
  return kind === "integer" || kind === "decimal" || kind === "float";
}
