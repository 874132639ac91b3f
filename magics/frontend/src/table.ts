/** ResultTable: a paged view of a result that stays in the kernel's DuckDB. */

import { h, keepKeys } from "./dom";
import { plural, whole } from "./format";
import { Grid } from "./grid";
import { icon } from "./icons";
import { Kernel, type Model } from "./kernel";
import { describeFilter } from "./popover";
import type { Area, GridColumn, Page, Provider, Query, Value } from "./rows";
import { followTheme } from "./theme";

interface Cleanup {
  (): void;
}

class KernelRows implements Provider {
  constructor(private readonly kernel: Kernel) {}

  page(query: Query, offset: number, limit: number, signal: AbortSignal): Promise<Page> {
    return this.kernel.ask<Page>("page", { ...query, offset, limit }, signal);
  }

  cell(query: Query, row: number, column: number): Promise<Value> {
    return this.kernel.ask<Value>("cell", { ...query, row, column });
  }

  copy(query: Query, area: Area, header: boolean): Promise<string> {
    return this.kernel.ask<string>("copy", { ...query, ...area, header });
  }
}

function render({ model, el }: { model: Model; el: HTMLElement }): Cleanup {
  const kernel = new Kernel(model);
  const columns = model.get("columns") as GridColumn[];
  const status = h("span", { class: "sdb-status", attrs: { role: "status" } });
  const summary = h("span", { class: "sdb-summary" });
  const chips = h("span", { class: "sdb-chips" });
  const note = h("span", { class: "sdb-footer-note sdb-clip" });
  const bar = h("div", { class: "sdb-footer" }, summary, chips, status, h("span", { class: "sdb-spring" }), note);
  const root = h("div", { class: "sdb sdb-table" });
  keepKeys(root);
  let fade: ReturnType<typeof setTimeout> | undefined;
  const say = (text: string) => {
    status.textContent = text;
    clearTimeout(fade);
    fade = setTimeout(() => (status.textContent = ""), 4000);
  };

  const grid = new Grid({
    columns,
    provider: new KernelRows(kernel),
    first: model.get("first_page") as Page | null,
    blockSize: model.get("page_size") as number,
    height: model.get("height") as number,
    queries: true,
    label: (model.get("label") as string) || "Result",
    onChange: () => describe(),
    onStatus: say,
  });

  const describe = () => {
    const { total, query, known } = grid.rows;
    summary.textContent = known ? countText(model, total, query.filters.length > 0) : "Loading…";
    summary.title = "Arrows move · Shift selects · Ctrl+C copies · F filters · Enter on a header sorts";
    chips.replaceChildren(
      ...query.filters.map((filter) =>
        h(
          "button",
          {
            class: "sdb-chip",
            title: "Remove this filter",
            attrs: { type: "button", "aria-label": `Remove filter ${columns[filter.column]?.name} ${describeFilter(filter)}` },
            on: { click: () => grid.removeFilter(filter) },
          },
          h("b", { text: columns[filter.column]?.name ?? "" }),
          h("span", { class: "sdb-clip", text: describeFilter(filter) }),
          icon("close"),
        ),
      ),
    );
  };
  const showNote = () => {
    note.textContent = model.get("footer") as string;
    note.title = note.textContent;
  };
  kernel.onSilence = (silent) => {
    status.textContent = silent ? "Waiting for the kernel: it is busy or not running" : "";
  };
  model.on("change:footer", showNote as never);
  root.append(grid.element, bar);
  el.append(root);
  const unfollow = followTheme(root);
  describe();
  showNote();
  grid.schedule();
  return () => {
    model.off("change:footer", showNote as never);
    clearTimeout(fade);
    unfollow();
    grid.destroy();
    kernel.close();
  };
}

/** "336,776 rows", "12 of 336,776 rows", "first 1,000 of 336,776 rows". */
function countText(model: Model, total: number, filtered: boolean): string {
  const held = model.get("rows") as number;
  const available = model.get("available") as number | null;
  const more = model.get("more") as boolean;
  const all =
    available !== null && available > held
      ? `first ${whole(held)} of ${plural(available, "row")}`
      : more
        ? `first ${plural(held, "row")} (there are more)`
        : plural(held, "row");
  return filtered ? `${whole(total)} of ${all}` : all;
}

export default { render };
