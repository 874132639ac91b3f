/** CatalogTree: every source's databases, tables and columns in one tree, with search, preview and profile. */

import { Details } from "./details";
import { copyText, h, keepKeys } from "./dom";
import { age, brief, bytes, plural, whole } from "./format";
import { icon, kindIcon } from "./icons";
import { failureOf, Kernel, type Model } from "./kernel";
import { KIND_NAMES, sourceIcon, tableIcon, type ColumnInfo, type Entry, tableOf, type HitInfo, type SourceInfo, type TableInfo, type TableRow } from "./nodes";
import { Search } from "./search";
import { splitter } from "./splitter";
import { followTheme } from "./theme";
import { Tree, treeNode, type TreeNode } from "./tree";

type Node_ = TreeNode<Entry>;

interface Opened {
  source: SourceInfo;
  databases: string[];
}

class Catalog {
  readonly root: HTMLElement;
  private readonly tree: Tree<Entry>;
  private readonly details: Details;
  private readonly search: Search;
  private readonly status = h("span", { class: "sdb-status", attrs: { role: "status" } });
  private readonly body: HTMLElement;
  private readonly outdated = new Set<Node_>();
  private fade: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly kernel: Kernel,
    height: number,
  ) {
    this.tree = new Tree<Entry>({
      label: "Catalog",
      load: (node) => this.load(node),
      draw: (node) => drawNode(node),
      select: (node) => this.show(node),
      failed: (node) => [note(node.level === 1 ? "not reachable" : "could not be read", node)],
      key: (event, node) => this.key(event, node),
    });
    this.details = new Details(kernel, {
      say: (text) => this.say(text),
      reveal: (path) => void this.reveal(path),
      refresh: (source) => this.refresh(source),
    });
    this.search = new Search(kernel, {
      open: (hit) => this.openHit(hit),
      reveal: (path) => void this.reveal(path),
      active: (searching) => this.body.classList.toggle("sdb-searching", searching),
      leave: () => this.tree.focus(),
    });
    const side = h("div", { class: "sdb-side" }, this.tree.element, this.search.results);
    this.body = h("div", { class: "sdb-catalog-body" }, side, splitter(side), this.details.element);
    this.root = h(
      "div",
      {
        class: "sdb sdb-catalog",
        style: { height: `${height}px` },
        on: { keydown: (event) => this.slash(event) },
      },
      h(
        "div",
        { class: "sdb-catalog-bar" },
        this.search.field,
        this.status,
        h(
          "button",
          {
            class: "sdb-icon-button",
            title: "Refresh all sources",
            attrs: { type: "button", "aria-label": "Refresh all sources" },
            on: { click: () => void this.refreshAll() },
          },
          icon("refresh"),
        ),
      ),
      this.body,
    );
    keepKeys(this.root);
    kernel.onEvent = (event) => {
      if (event["event"] === "source") this.told(event["source"] as SourceInfo);
    };
    kernel.onSilence = (silent) => {
      if (silent) this.say("Waiting for the kernel: it is busy or not running", true);
      else this.say("");
    };
  }

  async start(): Promise<void> {
    try {
      const sources = await this.kernel.ask<SourceInfo[]>("sources");
      this.tree.setRoots(sources.map((source, index) => treeNode<Entry>(source.name, { level: "source", source }, null, index, true)));
      this.details.empty(sources.length);
      for (const node of this.tree.nodes) void this.tree.load(node);
    } catch (error) {
      this.details.fail(failureOf(error), () => void this.start());
    }
  }

  destroy(): void {
    clearTimeout(this.fade);
    this.tree.destroy();
    this.search.destroy();
    this.details.destroy();
  }

  // -- the tree's data

  private async load(node: Node_): Promise<Node_[]> {
    const { data } = node;
    if (data.level === "source") {
      try {
        return this.opened(node, await this.kernel.ask<Opened>("open", { source: data.source.name }));
      } catch (error) {
        const failure = failureOf(error);
        data.source = { ...data.source, state: "unreachable", error: failure.message, advice: failure.hint };
        throw error;
      } finally {
        this.details.sourceChanged(data.source);
        // what has come may be older than what was told meanwhile
        if (this.outdated.delete(node)) setTimeout(() => void this.tree.load(node));
      }
    }
    if (data.level === "database") {
      const rows = await this.kernel.ask<TableRow[]>("tables", { source: data.source, database: data.name });
      if (rows.length === 0) return [note("no tables", node)];
      const tables = rows.map((row) => tableOf(data.source, data.name, row));
      return merged(
        node,
        tables.map((table, index) => treeNode<Entry>(table.name, { level: "table", table }, node, index, true)),
      );
    }
    if (data.level === "table") {
      const { source, database, name } = data.table;
      const columns = await this.kernel.ask<ColumnInfo[]>("columns", { table: [source, database, name] });
      return columns.map((column, index) => treeNode<Entry>(column.name, { level: "column", table: data.table, column }, node, index, false));
    }
    return [];
  }

  private opened(node: Node_, opened: Opened): Node_[] {
    if (node.data.level === "source") node.data.source = opened.source;
    if (opened.databases.length === 0) {
      return [note(opened.source.state === "unreachable" ? "not reachable" : "no databases", node)];
    }
    const made = opened.databases.map((name, index) =>
      treeNode<Entry>(name, { level: "database", source: node.label, name }, node, index, true),
    );
    const children = merged(node, made);
    for (const child of children) if (child.children !== null || child.failure !== null) void this.tree.load(child);
    return children;
  }

  /** The kernel says, unasked, that it knows more of a source. */
  private told(source: SourceInfo): void {
    const node = this.tree.nodes.find((each) => each.label === source.name);
    if (node === undefined || node.data.level !== "source") return;
    node.data.source = source;
    if (source.state !== "unreachable") node.failure = null;
    this.tree.touch(node);
    this.details.sourceChanged(source);
    if (node.loading) this.outdated.add(node);
    else if (source.state !== "loading") void this.tree.load(node);
  }

  private async refresh(source: string): Promise<void> {
    const node = this.tree.nodes.find((each) => each.label === source);
    if (node === undefined || node.data.level !== "source" || node.loading) return;
    node.loading = true;
    node.failure = null;
    this.tree.touch(node);
    try {
      node.children = this.opened(node, await this.kernel.ask<Opened>("refresh", { source }));
      this.say(`${source} is up to date`);
    } catch (error) {
      node.failure = failureOf(error);
      node.children = [note("not reachable", node)];
      node.data.source = { ...node.data.source, state: "unreachable", error: node.failure.message, advice: node.failure.hint };
    } finally {
      node.loading = false;
      this.details.sourceChanged(node.data.source);
      this.tree.touch(node);
      this.tree.flatten();
    }
  }

  private async refreshAll(): Promise<void> {
    await Promise.all(this.tree.nodes.map((node) => this.refresh(node.label)));
  }

  // -- what the user does

  private show(node: Node_): void {
    const { data } = node;
    if (data.level === "source") this.details.showSource(data.source);
    else if (data.level === "database") this.details.showDatabase(data.source, data.name, node.failure);
    else if (data.level === "table") this.details.showTable(data.table.source, data.table.database, data.table.name);
    else if (data.level === "column") {
      const { source, database, name } = data.table;
      this.details.showTable(source, database, name, data.column.name);
    }
  }

  private openHit(hit: HitInfo): void {
    if (hit.table !== null) this.details.showTable(...hit.table, hit.column ?? undefined);
    else void this.reveal(hit.path);
  }

  /** Open the tree down to a path, select what is there, and leave the search. */
  private async reveal(path: string[]): Promise<void> {
    this.search.clear();
    let nodes: readonly Node_[] = this.tree.nodes;
    let found: Node_ | undefined;
    for (const [depth, name] of path.entries()) {
      const next = nodes.find((node) => node.label === name);
      if (next === undefined) break;
      found = next;
      if (depth < path.length - 1) await this.tree.expand(found);
      nodes = found.children ?? [];
    }
    if (found === undefined) return;
    this.tree.select(found);
    this.tree.focus(found);
  }

  private key(event: KeyboardEvent, node: Node_): boolean {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey) {
      this.search.focus();
      return true;
    }
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "c") {
      void this.copyName(node);
      return true;
    }
    return false;
  }

  private async copyName(node: Node_): Promise<void> {
    const names: string[] = [];
    for (let each: Node_ | null = node; each !== null; each = each.parent) names.unshift(each.label);
    try {
      await copyText(names.join("."));
      this.say(`Copied ${names.join(".")}`);
    } catch (error) {
      this.say(failureOf(error).message);
    }
  }

  private slash(event: KeyboardEvent): void {
    const typing = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement;
    if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    this.search.focus();
  }

  private say(text: string, stay = false): void {
    this.status.textContent = text;
    clearTimeout(this.fade);
    if (!stay) this.fade = setTimeout(() => (this.status.textContent = ""), 4000);
  }
}

/** The new children, with those of before in their places, so that what was open stays open. */
function merged(node: Node_, made: Node_[]): Node_[] {
  const before = new Map((node.children ?? []).map((child) => [child.label, child]));
  return made.map((fresh) => {
    const kept = before.get(fresh.label);
    if (kept === undefined || kept.data.level !== fresh.data.level) return fresh;
    kept.data = fresh.data;
    kept.index = fresh.index;
    return kept;
  });
}

function note(text: string, parent: Node_): Node_ {
  return treeNode<Entry>(text, { level: "note" }, parent, 0, false);
}

// -- rows

function drawNode(node: Node_): { content: Node[]; spoken: string; title: string | undefined } {
  const { data } = node;
  if (data.level === "source") return drawSource(node, data.source);
  if (data.level === "table") return drawTable(node, data.table);
  if (data.level === "column") return drawColumn(data.column);
  if (data.level === "database") {
    const failed = node.failure;
    const tables = node.children?.[0]?.data.level === "note" ? 0 : node.children?.length;
    return {
      content: [
        icon("database", "sdb-soft"),
        h("span", { class: "sdb-clip", text: node.label }),
        h("span", { class: "sdb-spring" }),
        failed ? icon("warning", "sdb-bad") : h("span", { class: "sdb-meta", text: tables === undefined ? "" : whole(tables) }),
      ],
      spoken: `${node.label}, database${failed ? `, failed: ${failed.message}` : tables === undefined ? "" : `, ${plural(tables, "table")}`}`,
      title: failed ? failed.message : undefined,
    };
  }
  return { content: [h("span", { class: "sdb-note", text: node.label })], spoken: node.label, title: undefined };
}

function drawSource(node: Node_, source: SourceInfo): { content: Node[]; spoken: string; title: string | undefined } {
  const kind = KIND_NAMES[source.kind] ?? source.kind;
  const bad = source.state === "unreachable" || node.failure !== null;
  const state = node.loading ? "loading" : bad ? "unreachable" : source.state;
  const cached = bad && (source.databases ?? 0) > 0;
  const said = bad
    ? cached && source.age_seconds !== null
      ? `unreachable, from ${age(source.age_seconds)}`
      : "unreachable"
    : source.age_seconds === null
      ? ""
      : age(source.age_seconds);
  const trouble = bad ? [source.error, source.advice].filter(Boolean).join("\n") : undefined;
  return {
    content: [
      icon(sourceIcon(source.kind), "sdb-strong"),
      h("span", { class: "sdb-source-name sdb-clip", text: source.name }),
      h("span", { class: "sdb-source-kind", text: kind }),
      h("span", { class: "sdb-spring" }),
      h("span", { class: `sdb-meta${bad ? " sdb-bad" : ""}`, text: said }),
      h("span", { class: `sdb-dot sdb-dot-${state}` }),
    ],
    spoken: `${source.name}, ${kind} source, ${state}${trouble ? `: ${trouble}` : ""}`,
    title: trouble,
  };
}

function drawTable(node: Node_, table: TableInfo): { content: Node[]; spoken: string; title: string | undefined } {
  const approximately = table.exact ? "" : "≈ ";
  const size = [
    table.rows === null ? null : `${approximately}${brief(table.rows)} ${table.rows === 1 ? "row" : "rows"}`,
    table.bytes === null ? null : bytes(table.bytes),
  ].filter((part): part is string => part !== null);
  const spokenSize = table.rows === null ? "" : `, ${table.exact ? "" : "about "}${plural(table.rows, "row")}`;
  const partitions = table.partitions !== null && table.partitions > 0 ? table.partitions : null;
  const details = [
    `${table.source}.${table.database}.${table.name}`,
    table.comment,
    table.rows === null ? null : `${approximately}${plural(table.rows, "row")}`,
    partitions === null ? null : plural(partitions, "partition"),
  ];
  return {
    content: [
      icon(tableIcon(table.kind), "sdb-soft"),
      h("span", { class: "sdb-clip sdb-name", text: node.label }),
      ...(partitions === null ? [] : [h("span", { class: "sdb-badge", title: plural(partitions, "partition") }, icon("partition"), brief(partitions))]),
      ...(table.comment === null ? [] : [h("span", { class: "sdb-comment sdb-clip", text: table.comment })]),
      h("span", { class: "sdb-spring" }),
      ...(node.failure ? [icon("warning", "sdb-bad")] : []),
      h("span", { class: "sdb-meta", text: size.join(" · ") }),
    ],
    spoken: `${node.label}, ${table.kind === "table" ? "table" : `${table.kind} table`}${spokenSize}${partitions === null ? "" : `, ${plural(partitions, "partition")}`}${table.comment === null ? "" : `, ${table.comment}`}`,
    title: details.filter(Boolean).join("\n"),
  };
}

function drawColumn(column: ColumnInfo): { content: Node[]; spoken: string; title: string | undefined } {
  return {
    content: [
      kindIcon(column.kind),
      h("span", { class: "sdb-clip sdb-name", text: column.name }),
      ...(column.partition ? [h("span", { class: "sdb-badge" }, icon("partition"), "partition")] : []),
      ...(column.comment === null ? [] : [h("span", { class: "sdb-comment sdb-clip", text: column.comment })]),
      h("span", { class: "sdb-spring" }),
      h("span", { class: "sdb-meta sdb-type", text: column.type }),
    ],
    spoken: `${column.name}, ${column.type}${column.partition ? ", partition column" : ""}${column.comment === null ? "" : `, ${column.comment}`}`,
    title: [`${column.name}: ${column.type} (${column.native})`, column.nullable ? null : "not null", column.comment].filter(Boolean).join("\n"),
  };
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const kernel = new Kernel(model);
  const catalog = new Catalog(kernel, model.get("height") as number);
  el.append(catalog.root);
  const unfollow = followTheme(catalog.root);
  void catalog.start();
  return () => {
    unfollow();
    catalog.destroy();
    kernel.close();
  };
}

export default { render };
