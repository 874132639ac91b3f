/** A table's profile: for each column a small histogram or its commonest values, NULLs, distinct, range. */

import { append, h, svg } from "./dom";
import { brief, percent, plural, whole } from "./format";
import { kindIcon } from "./icons";
import type { ColumnProfileInfo, ProfileInfo } from "./nodes";

const WIDTH = 148;
const HEIGHT = 34;
const TOP = 3;

export function profileRows(profile: ProfileInfo): HTMLElement[] {
  return profile.columns.map((column) => profileRow(column, profile));
}

function profileRow(column: ColumnProfileInfo, profile: ProfileInfo): HTMLElement {
  const row = h("div", { class: "sdb-profile-row", attrs: { role: "listitem" } });
  append(row, [
    h(
      "div",
      { class: "sdb-profile-name" },
      h("div", {}, kindIcon(column.kind), h("b", { class: "sdb-clip", text: column.name, title: column.name })),
      h("p", { class: "sdb-clip", text: column.type, title: column.type }),
    ),
    h("div", { class: "sdb-profile-shape" }, shape(column, profile.sampled_rows)),
    h("div", { class: "sdb-profile-facts" }, ...facts(column, profile)),
  ]);
  return row;
}

function shape(column: ColumnProfileInfo, sampled: number): Node | null {
  if (column.histogram.length > 0) return histogram(column);
  if (column.top.length > 0) return commonest(column, sampled);
  return null;
}

function histogram(column: ColumnProfileInfo): SVGElement {
  const highest = Math.max(...column.histogram.map(([, , count]) => count), 1);
  const step = WIDTH / column.histogram.length;
  const gap = step > 4 ? 1 : 0;
  const [low] = column.histogram[0]!;
  const [, high] = column.histogram.at(-1)!;
  const label = `Histogram of ${column.name} from ${low} to ${high}`;
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "sdb-histogram", role: "img", "aria-label": label });
  for (const [index, [from, to, count]] of column.histogram.entries()) {
    const height = count === 0 ? 0 : Math.max((count / highest) * (HEIGHT - 2), 1.5);
    const x = index * step;
    const title = svg("title", {});
    title.textContent = `${from} – ${to}\n${plural(count, "row")}`;
    picture.append(
      svg(
        "g",
        {},
        svg("rect", { x, y: 0, width: step, height: HEIGHT, class: "sdb-bin-back" }),
        svg("rect", { x, y: HEIGHT - height, width: Math.max(step - gap, 0.5), height, class: "sdb-bin", rx: step > 6 ? 1 : 0 }),
        title,
      ),
    );
  }
  return picture;
}

function commonest(column: ColumnProfileInfo, sampled: number): HTMLElement {
  const list = h("div", { class: "sdb-top", attrs: { role: "list", "aria-label": `Most frequent values of ${column.name}` } });
  for (const [value, count] of column.top.slice(0, TOP)) {
    const share = sampled > 0 ? count / sampled : 0;
    list.append(
      h(
        "div",
        {
          class: "sdb-top-row",
          title: `${value ?? "NULL"}\n${plural(count, "row")}${sampled > 0 ? `, ${percent(share)}` : ""}`,
          attrs: { role: "listitem" },
        },
        h("span", { class: "sdb-top-bar", style: { width: `${Math.max(share * 100, 1)}%` } }),
        h("span", { class: `sdb-top-value sdb-clip${value === null ? " sdb-null" : ""}`, text: value === "" ? "empty" : (value ?? "NULL") }),
        h("span", { class: "sdb-top-count", text: brief(count) }),
      ),
    );
  }
  return list;
}

function facts(column: ColumnProfileInfo, profile: ProfileInfo): HTMLElement[] {
  const made: HTMLElement[] = [];
  const nulls = column.null_fraction;
  if (nulls !== null) {
    made.push(
      h(
        "div",
        { class: "sdb-fact", title: `${percent(nulls)} of the values are NULL` },
        h("span", { text: "null" }),
        h("span", { class: "sdb-null-bar" }, h("span", { style: { width: `${Math.min(nulls, 1) * 100}%` } })),
        h("span", { text: percent(nulls) }),
      ),
    );
  }
  if (column.distinct !== null) {
    made.push(h("div", { class: "sdb-fact", title: `${whole(column.distinct)} distinct values` }, h("span", { text: "distinct" }), h("b", { text: brief(column.distinct) })));
  }
  if (column.minimum !== null || column.maximum !== null) {
    const range = `${column.minimum ?? "?"} – ${column.maximum ?? "?"}`;
    made.push(h("div", { class: "sdb-fact sdb-range", title: range }, h("span", { text: "range" }), h("b", { class: "sdb-clip", text: range })));
  }
  if (column.basis !== "" && column.basis !== profile.basis) made.push(h("div", { class: "sdb-fact sdb-fact-basis", text: column.basis }));
  return made;
}
