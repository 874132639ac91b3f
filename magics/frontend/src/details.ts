/** The pane beside the tree: a source's state, or a table's columns, preview and profile. */

import { append, copyText, h, setAttribute, uniqueId } from "./dom";
import { age, bytes, plural, whole } from "./format";
import { Grid } from "./grid";
import { icon, kindIcon, type IconName } from "./icons";
import { type Failure, failureOf, isCancelled, type Kernel } from "./kernel";
import { KIND_NAMES, sourceIcon, tableIcon, type ColumnInfo, type ProfileInfo, type SizeInfo, type SourceInfo, type TableDetails } from "./nodes";
import { profileRows } from "./profile";
import { HeldRows, type GridColumn, type Value } from "./rows";

interface Actions {
  say(text: string): void;
  reveal(path: string[]): void;
  refresh(source: string): Promise<void>;
}

interface PreviewInfo {
  columns: GridColumn[];
  rows: Value[][];
  cut: [number, number][];
}

const TABS = ["Columns", "Preview", "Profile"] as const;
type Tab = (typeof TABS)[number];

export class Details {
  readonly element: HTMLElement;
  private readonly id = uniqueId("details");
  private tab: Tab = "Columns";
  private shown: AbortController | null = null;
  private table: [string, string, string] | null = null;
  private source: string | null = null;
  private grid: Grid | null = null;
  private panel: HTMLElement | null = null;

  constructor(
    private readonly kernel: Kernel,
    private readonly actions: Actions,
  ) {
    this.element = h("section", { class: "sdb-details", attrs: { "aria-label": "Details" } });
    this.element.append(skeleton());
  }

  destroy(): void {
    this.begin(null, null);
  }

  /** What stands here before anything is selected. */
  empty(sources: number): void {
    this.begin(null, null);
    this.element.replaceChildren(
      h(
        "div",
        { class: "sdb-blank" },
        icon(sources === 0 ? "cylinder" : "table"),
        h("p", {
          class: "sdb-blank-title",
          text: sources === 0 ? "No source is configured" : "Select a table",
        }),
        h("p", {
          text:
            sources === 0
              ? "Add one to stupiddb.toml, or start the demo with %stupiddb demo."
              : "Its columns, a preview and a profile are shown here.",
        }),
        sources > 0 &&
          h("p", { class: "sdb-keys" }, key("/"), " search ", key("↑"), key("↓"), " move ", key("→"), " open ", key("Enter"), " show"),
      ),
    );
  }

  fail(failure: Failure, again: () => void): void {
    this.begin(null, null);
    this.element.replaceChildren(h("div", { class: "sdb-pane" }, errorCard(failure, again)));
  }

  // -- sources and databases

  showSource(source: SourceInfo): void {
    this.begin(null, source.name);
    const refresh = h("button", { class: "sdb-button", text: "Refresh", attrs: { type: "button" } });
    refresh.addEventListener("click", () => {
      refresh.disabled = true;
      refresh.textContent = "Refreshing…";
      void this.actions.refresh(source.name);
    });
    const bad = source.state === "unreachable";
    const facts: [string, string | null][] = [
      ["State", { ok: "reachable", unreachable: "unreachable", loading: "loading", unread: "not read yet" }[source.state]],
      ["Databases", source.databases === null ? null : whole(source.databases)],
      ["Tables", source.tables === null ? null : whole(source.tables)],
      ["Read", source.age_seconds === null ? null : age(source.age_seconds)],
    ];
    this.element.replaceChildren(
      h(
        "div",
        { class: "sdb-pane" },
        heading(sourceIcon(source.kind), [source.name], KIND_NAMES[source.kind] ?? source.kind, [refresh]),
        bad &&
          h(
            "div",
            { class: "sdb-error", attrs: { role: "alert" } },
            icon("warning"),
            h(
              "div",
              {},
              h("p", { text: source.error ?? "The source is unreachable." }),
              source.advice !== null && h("p", { class: "sdb-hint", text: source.advice }),
              (source.databases ?? 0) > 0 && h("p", { class: "sdb-hint", text: "What is shown comes from the cache." }),
            ),
          ),
        h("dl", { class: "sdb-facts" }, ...facts.flatMap(([term, value]) => (value === null ? [] : [h("dt", { text: term }), h("dd", { text: value })]))),
        source.failed_databases.length > 0 &&
          h(
            "div",
            { class: "sdb-error" },
            icon("warning"),
            h("div", {}, h("p", { text: "Some databases could not be listed:" }), ...source.failed_databases.map((each) => h("p", { class: "sdb-hint", text: each }))),
          ),
      ),
    );
  }

  /** A source's state has changed: show it if it is the one on show. */
  sourceChanged(source: SourceInfo): void {
    if (this.source === source.name) this.showSource(source);
  }

  showDatabase(source: string, database: string, failure: Failure | null): void {
    this.begin(null, null);
    this.element.replaceChildren(
      h(
        "div",
        { class: "sdb-pane" },
        heading("database", [source, database], "database", []),
        failure !== null && errorCard(failure, () => this.actions.reveal([source, database])),
      ),
    );
  }

  // -- tables

  showTable(source: string, database: string, table: string, column?: string): void {
    const name: [string, string, string] = [source, database, table];
    if (this.table !== null && name.join("\0") === this.table.join("\0") && column === undefined) return;
    if (column !== undefined) this.tab = "Columns";
    const signal = this.begin(name, null);
    this.element.replaceChildren(skeleton());
    void this.loadTable(name, column, signal);
  }

  private async loadTable(name: [string, string, string], column: string | undefined, signal: AbortSignal): Promise<void> {
    try {
      const details = await this.kernel.ask<TableDetails>("table", { table: name }, signal);
      this.drawTable(details, column, signal);
    } catch (error) {
      if (isCancelled(error)) return;
      const again = () => {
        this.table = null;
        this.showTable(...name, column);
      };
      this.element.replaceChildren(h("div", { class: "sdb-pane" }, heading("table", name, "", []), errorCard(failureOf(error), again)));
    }
  }

  private drawTable(table: TableDetails, column: string | undefined, signal: AbortSignal): void {
    const buttons = [
      iconButton("locate", "Show in the tree", () => this.actions.reveal([table.source, table.database, table.name])),
      iconButton("copy", "Copy the name", () => this.copy(table.qualified, `Copied ${table.qualified}`)),
      iconButton("code", "Copy a SELECT", () => this.copy(table.snippet, "Copied a SELECT: paste it into a cell")),
    ];
    this.panel = h("div", { class: "sdb-panel", attrs: { role: "tabpanel", id: `${this.id}-panel`, tabindex: -1 } });
    const tabs = TABS.map((tab) =>
      h(
        "button",
        {
          class: "sdb-tab",
          attrs: { type: "button", role: "tab", id: `${this.id}-${tab}`, "aria-controls": `${this.id}-panel`, "data-tab": tab },
          on: { click: () => this.open(tab, table, signal) },
        },
        tab,
        tab === "Columns" && h("span", { class: "sdb-count", text: whole(table.shape.length) }),
      ),
    );
    const list = h(
      "div",
      {
        class: "sdb-tabs",
        attrs: { role: "tablist", "aria-label": "Table details" },
        on: {
          keydown: (event) => {
            const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
            if (step === 0) return;
            event.preventDefault();
            event.stopPropagation();
            const next = TABS[(TABS.indexOf(this.tab) + step + TABS.length) % TABS.length]!;
            this.open(next, table, signal);
            tabs[TABS.indexOf(next)]?.focus();
          },
        },
      },
      ...tabs,
    );
    this.element.replaceChildren(
      h(
        "div",
        { class: "sdb-details-head" },
        heading(tableIcon(table.kind), [table.source, table.database, table.name], sizeText(table, table), buttons),
        table.comment !== null && h("p", { class: "sdb-table-comment", text: table.comment }),
        table.location !== null && h("p", { class: "sdb-location sdb-clip", text: table.location, title: table.location }),
        list,
      ),
      this.panel,
    );
    this.open(this.tab, table, signal, column);
    void this.loadSize(table, signal);
  }

  /** What the store knows of the table's size beyond what came with its name. */
  private async loadSize(table: TableDetails, signal: AbortSignal): Promise<void> {
    const facts = this.element.querySelector(".sdb-heading-facts");
    try {
      const size = await this.kernel.ask<SizeInfo>("statistics", { table: nameOf(table) }, signal);
      if (facts !== null) facts.textContent = sizeText(table, size);
    } catch (error) {
      // What is shown stays true; the reason stands where the sizes are.
      if (!isCancelled(error) && facts instanceof HTMLElement) facts.title = failureOf(error).message;
    }
  }

  private open(tab: Tab, table: TableDetails, signal: AbortSignal, column?: string): void {
    if (this.panel === null || signal.aborted) return;
    this.tab = tab;
    this.dropGrid();
    for (const each of this.element.querySelectorAll<HTMLElement>("[data-tab]")) {
      const chosen = each.dataset["tab"] === tab;
      setAttribute(each, "aria-selected", chosen);
      setAttribute(each, "tabindex", chosen ? 0 : -1);
    }
    setAttribute(this.panel, "aria-labelledby", `${this.id}-${tab}`);
    this.panel.scrollTop = 0;
    if (tab === "Columns") this.drawColumns(this.panel, table, column);
    else if (tab === "Preview") void this.drawPreview(this.panel, table, signal);
    else void this.drawProfile(this.panel, table, signal);
  }

  private drawColumns(panel: HTMLElement, table: TableDetails, wanted: string | undefined): void {
    let found: HTMLElement | undefined;
    const rows = table.shape.map((column) => {
      const row = columnRow(column);
      if (column.name === wanted) found = row;
      return row;
    });
    panel.replaceChildren(h("div", { class: "sdb-columns", attrs: { role: "list" } }, ...rows));
    if (found !== undefined) {
      found.classList.add("sdb-wanted");
      panel.scrollTop = found.offsetTop - panel.clientHeight / 2;
    }
  }

  private async drawPreview(panel: HTMLElement, table: TableDetails, signal: AbortSignal): Promise<void> {
    panel.replaceChildren(waiting("Reading some rows…"));
    try {
      const preview = await this.kernel.ask<PreviewInfo>("preview", { table: nameOf(table) }, signal);
      if (this.tab !== "Preview" || signal.aborted) return;
      const held = new HeldRows(preview.columns, preview.rows, preview.cut, (row, column) =>
        this.kernel.ask<Value>("preview_cell", { table: nameOf(table), row, column }, signal),
      );
      this.grid = new Grid({
        columns: preview.columns,
        provider: held,
        first: held.firstPage(),
        blockSize: Math.max(preview.rows.length, 1),
        height: 100_000,
        queries: false,
        label: `Preview of ${table.qualified}`,
        onStatus: (text) => this.actions.say(text),
      });
      const all = table.rows !== null && table.exact && table.rows <= preview.rows.length;
      panel.replaceChildren(
        this.grid.element,
        h("p", { class: "sdb-basis", text: all ? `all ${plural(preview.rows.length, "row")}` : `first ${plural(preview.rows.length, "row")}` }),
      );
      this.grid.schedule();
    } catch (error) {
      this.showError(panel, error, "Preview", () => void this.drawPreview(panel, table, signal));
    }
  }

  private async drawProfile(panel: HTMLElement, table: TableDetails, signal: AbortSignal): Promise<void> {
    panel.replaceChildren(waiting("Looking at the values…"));
    try {
      const profile = await this.kernel.ask<ProfileInfo>("profile", { table: nameOf(table) }, signal);
      if (this.tab !== "Profile" || signal.aborted) return;
      panel.replaceChildren(
        h("p", { class: "sdb-basis sdb-basis-top", text: basisText(profile) }),
        h("div", { class: "sdb-profile", attrs: { role: "list" } }, ...profileRows(profile)),
      );
    } catch (error) {
      this.showError(panel, error, "Profile", () => void this.drawProfile(panel, table, signal));
    }
  }

  private showError(panel: HTMLElement, error: unknown, tab: Tab, again: () => void): void {
    if (isCancelled(error) || this.tab !== tab) return;
    panel.replaceChildren(h("div", { class: "sdb-pane" }, errorCard(failureOf(error), again)));
  }

  private async copy(text: string, said: string): Promise<void> {
    try {
      await copyText(text);
      this.actions.say(said);
    } catch (error) {
      this.actions.say(failureOf(error).message);
    }
  }

  private begin(table: [string, string, string] | null, source: string | null): AbortSignal {
    this.shown?.abort(new DOMException("something else is shown", "AbortError"));
    this.shown = new AbortController();
    this.table = table;
    this.source = source;
    this.panel = null;
    this.dropGrid();
    return this.shown.signal;
  }

  private dropGrid(): void {
    this.grid?.destroy();
    this.grid = null;
  }
}

function nameOf(table: TableDetails): [string, string, string] {
  return [table.source, table.database, table.name];
}

function sizeText(table: TableDetails, size: SizeInfo): string {
  const parts = [
    table.kind === "external" ? "external table" : table.kind,
    size.rows === null ? null : `${size.exact ? "" : "≈ "}${plural(size.rows, "row")}`,
    size.bytes === null ? null : bytes(size.bytes),
    size.partitions === null || size.partitions === 0 ? null : plural(size.partitions, "partition"),
    size.files === null ? null : plural(size.files, "file"),
  ];
  return parts.filter(Boolean).join(" · ");
}

function basisText(profile: ProfileInfo): string {
  if (profile.basis === "exact") return `all ${plural(profile.sampled_rows, "row")}`;
  return profile.basis;
}

function columnRow(column: ColumnInfo): HTMLElement {
  const row = h("div", { class: "sdb-column", attrs: { role: "listitem" } });
  append(row, [
    kindIcon(column.kind),
    h(
      "div",
      { class: "sdb-column-text" },
      h(
        "div",
        { class: "sdb-column-name" },
        h("span", { text: column.name }),
        column.partition && h("span", { class: "sdb-badge" }, icon("partition"), "partition"),
        !column.nullable && h("span", { class: "sdb-badge sdb-badge-plain", text: "not null" }),
      ),
      column.comment !== null && h("p", { class: "sdb-column-comment", text: column.comment }),
    ),
    h(
      "div",
      { class: "sdb-column-types" },
      h("span", { class: "sdb-column-type sdb-clip", text: column.type, title: column.type }),
      column.native.toLowerCase() !== column.type.toLowerCase() && h("span", { class: "sdb-column-native sdb-clip", text: column.native, title: column.native }),
    ),
  ]);
  return row;
}

function heading(glyph: IconName, path: string[], facts: string, buttons: HTMLElement[]): HTMLElement {
  const crumbs = h("p", { class: "sdb-crumbs sdb-clip" });
  for (const [index, part] of path.slice(0, -1).entries()) append(crumbs, [index > 0 && h("i", { text: " › " }), part]);
  const title = path.at(-1) ?? "";
  return h(
    "header",
    { class: "sdb-heading" },
    h("span", { class: "sdb-heading-icon" }, icon(glyph)),
    h(
      "div",
      { class: "sdb-heading-text" },
      path.length > 1 && crumbs,
      h("h3", { class: "sdb-clip", text: title, title: path.join(".") }),
      facts !== "" && h("p", { class: "sdb-heading-facts", text: facts }),
    ),
    h("div", { class: "sdb-heading-buttons" }, ...buttons),
  );
}

function iconButton(name: IconName, label: string, act: () => void | Promise<void>): HTMLElement {
  return h(
    "button",
    {
      class: "sdb-icon-button",
      title: label,
      attrs: { type: "button", "aria-label": label },
      on: { click: () => void act() },
    },
    icon(name),
  );
}

function errorCard(failure: Failure, again: () => void): HTMLElement {
  return h(
    "div",
    { class: "sdb-error", attrs: { role: "alert" } },
    icon("warning"),
    h("div", {}, h("p", { text: failure.message }), failure.hint !== null && h("p", { class: "sdb-hint", text: failure.hint })),
    h("button", { class: "sdb-button", text: "Try again", attrs: { type: "button" }, on: { click: again } }),
  );
}

function waiting(text: string): HTMLElement {
  return h("div", { class: "sdb-waiting", attrs: { role: "status" } }, h("span", { class: "sdb-spinner" }), h("span", { text }));
}

function skeleton(): HTMLElement {
  const bars = [46, 30, 70, 62, 66, 54, 60].map((width) => h("div", { class: "sdb-bone", style: { width: `${width}%` } }));
  return h("div", { class: "sdb-pane sdb-skeleton", attrs: { "aria-hidden": true } }, ...bars);
}

function key(text: string): HTMLElement {
  return h("kbd", { text });
}

