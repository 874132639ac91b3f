/** The elements of a grid: header cells, body cells, and what stands there when there are no rows. */

import { append, h } from "./dom";
import { icon, isNumber, kindIcon } from "./icons";
import type { Layout } from "./layout";
import { describeFilter } from "./popover";
import type { GridColumn, Query, Rows, Value } from "./rows";

export interface HeadLook {
  id: string;
  active: boolean;
  query: Query;
  queries: boolean;
}

export function headCell(column: GridColumn, index: number, layout: Layout, look: HeadLook): HTMLElement {
  const { sort, filters } = look.query;
  const rank = sort.findIndex((each) => each.column === index);
  const order = rank < 0 ? null : sort[rank]!;
  const filter = filters.find((each) => each.column === index);
  const filtered = filter === undefined ? "" : `filtered: ${describeFilter(filter)}`;
  const cell = h("div", {
    class: `sdb-grid-th${isNumber(column.kind) ? " sdb-number" : ""}${look.active ? " sdb-active" : ""}`,
    style: { left: `${layout.leftOf(index)}px`, width: `${layout.widthOf(index)}px` },
    title: `${column.name}\n${column.type}`,
    attrs: {
      id: look.id,
      role: "columnheader",
      "aria-colindex": index + 2,
      "aria-label": [`${column.name}, ${column.type}`, filtered].filter(Boolean).join(", "),
      "aria-sort": order === null ? "none" : order.descending ? "descending" : "ascending",
      "data-column": index,
    },
  });
  append(cell, [
    h(
      "div",
      { class: "sdb-th-name" },
      h("span", { class: "sdb-clip", text: column.name }),
      order && icon(order.descending ? "down" : "up", "sdb-sorted"),
      order && sort.length > 1 && h("sup", { text: String(rank + 1) }),
    ),
    h("div", { class: "sdb-th-type" }, kindIcon(column.kind), h("span", { class: "sdb-clip", text: column.type })),
    look.queries &&
      h(
        "button",
        {
          class: `sdb-th-filter${filter ? " sdb-on" : ""}`,
          title: filtered || "Filter",
          attrs: { type: "button", tabindex: -1, "aria-label": `Filter ${column.name}`, "data-filter": index },
        },
        icon("filter"),
      ),
    h("div", { class: "sdb-th-handle", attrs: { "data-handle": index, "aria-hidden": true } }),
  ]);
  return cell;
}

export interface CellLook {
  id: string;
  active: boolean;
  /** Part of the selection, and of one of several cells. */
  chosen: boolean;
  marked: boolean;
  cut: boolean;
}

/** `value` undefined: not here yet. */
export function bodyCell(
  column: GridColumn,
  row: number,
  index: number,
  value: Value | undefined,
  layout: Layout,
  look: CellLook,
): HTMLElement {
  const { kind } = column;
  const classes = {
    "sdb-grid-td": true,
    "sdb-number": isNumber(kind),
    "sdb-code": kind === "binary" || kind === "uuid",
    "sdb-null": value === null,
    "sdb-empty-text": value === "",
    "sdb-pending": value === undefined,
    "sdb-selected": look.marked,
    "sdb-active": look.active,
  };
  return h("div", {
    class: Object.entries(classes)
      .filter(([, on]) => on)
      .map(([name]) => name)
      .join(" "),
    style: { left: `${layout.leftOf(index)}px`, width: `${layout.widthOf(index)}px` },
    title: value ? value.slice(0, 600) : undefined,
    text: value === null ? "NULL" : look.cut ? `${value}…` : (value ?? ""),
    attrs: {
      id: look.id,
      role: "gridcell",
      "aria-colindex": index + 2,
      "aria-selected": look.chosen,
      "aria-label": value === "" ? "empty text" : null,
      "data-row": row,
      "data-column": index,
    },
  });
}

/** What stands in the place of the rows: why there are none; null where there are some. */
export function notice(rows: Rows, retry: () => void, clear: () => void): HTMLElement[] | null {
  const button = (text: string, act: () => void) =>
    h("button", { class: "sdb-button", text, attrs: { type: "button" }, on: { click: act } });
  if (rows.failure !== null) {
    const { message, hint } = rows.failure;
    return [
      h(
        "div",
        { class: "sdb-error", attrs: { role: "alert" } },
        icon("warning"),
        h("div", {}, h("p", { text: message }), hint !== null && h("p", { class: "sdb-hint", text: hint })),
        button("Try again", retry),
      ),
    ];
  }
  if (!rows.known || rows.total > 0) return null;
  if (rows.query.filters.length === 0) return [h("p", { text: "No rows" })];
  return [h("p", { text: "No row matches the filters" }), button("Clear filters", clear)];
}
