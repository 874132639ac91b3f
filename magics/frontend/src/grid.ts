/** A grid of exact text over any number of rows: virtual in both directions, all of it by keyboard too. */

import { append, copyText, h, setAttribute, uniqueId } from "./dom";
import { FilterPopover, CellPopover, describeFilter } from "./popover";
import { plural, whole } from "./format";
import { icon, isNumber, kindIcon } from "./icons";
import { failureOf, isCancelled } from "./kernel";
import { Rows, type Area, type Filter, type GridColumn, type Page, type Provider, type Query } from "./rows";

const ROW = 28;
const HEAD = 46;
const OVERSCAN = 4;
/** Browsers lose precision in very tall elements, so past this height scrolling is proportional. */
const TALLEST = 6_000_000;
const NARROWEST = 56;
const WIDEST_FIRST = 340;

export interface GridOptions {
  columns: GridColumn[];
  provider: Provider;
  first: Page | null;
  blockSize: number;
  height: number;
  /** Sorting and filtering happen in the provider; without, the headers only resize. */
  queries: boolean;
  label: string;
  onChange?: () => void;
  onStatus?: (text: string) => void;
}

interface Cell {
  row: number;
  column: number;
}

/** Row −1 is the header. */
const HEADER = -1;

export class Grid {
  readonly element: HTMLElement;
  readonly rows: Rows;
  private readonly scroller: HTMLElement;
  private readonly canvas: HTMLElement;
  private readonly head: HTMLElement;
  private readonly body: HTMLElement;
  private readonly notice: HTMLElement;
  private readonly id = uniqueId("grid");
  private readonly filterPopover: FilterPopover;
  private readonly cellPopover: CellPopover;
  private readonly observer: ResizeObserver;
  private widths: number[] = [];
  private lefts: number[] = [];
  private gutter = 40;
  private active: Cell = { row: 0, column: 0 };
  private anchor: Cell = { row: 0, column: 0 };
  private topRow = 0;
  private expectedScroll = 0;
  private frame = 0;
  private hidden: ReturnType<typeof setTimeout> | undefined;
  private measured = false;

  constructor(private readonly options: GridOptions) {
    const { columns } = options;
    this.head = h("div", { class: "sdb-grid-head", attrs: { role: "row", "aria-rowindex": 1 } });
    this.body = h("div", { class: "sdb-grid-body", attrs: { role: "presentation" } });
    this.canvas = h("div", { class: "sdb-grid-canvas", attrs: { role: "presentation" } }, this.head, this.body);
    this.scroller = h(
      "div",
      {
        class: "sdb-grid-scroller",
        attrs: {
          role: "grid",
          tabindex: 0,
          "aria-label": options.label,
          "aria-colcount": columns.length + 1,
          "aria-multiselectable": true,
        },
        on: {
          scroll: () => this.scrolled(),
          wheel: (event) => this.wheeled(event),
          keydown: (event) => this.keyed(event),
          focus: () => this.schedule(),
          blur: () => this.schedule(),
          mousedown: (event) => this.pressed(event),
          dblclick: (event) => this.doubleClicked(event),
        },
      },
      this.canvas,
    );
    this.notice = h("div", { class: "sdb-grid-notice", attrs: { "aria-live": "polite" } });
    this.element = h("div", { class: "sdb-grid" }, this.scroller, this.notice);
    this.rows = new Rows(options.provider, options.blockSize, options.first, () => {
      this.schedule();
      options.onChange?.();
    });
    this.filterPopover = new FilterPopover(this.element, (filter, column) => this.applyFilter(filter, column));
    this.cellPopover = new CellPopover(this.element, () => this.scroller.focus({ preventScroll: true }));
    this.observer = new ResizeObserver(() => this.schedule());
    this.observer.observe(this.scroller);
    this.widths = columns.map(() => 120);
    this.placeColumns();
    this.schedule();
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.hidden);
    this.observer.disconnect();
    this.rows.stop();
    this.filterPopover.close();
    this.cellPopover.close();
  }

  clearFilters(): void {
    void this.run({ ...this.rows.intended, filters: [] });
    this.scroller.focus({ preventScroll: true });
  }

  removeFilter(filter: Filter): void {
    const filters = this.rows.intended.filters.filter((each) => each !== filter);
    void this.run({ ...this.rows.intended, filters });
    this.scroller.focus({ preventScroll: true });
  }

  // -- geometry

  private get columns(): GridColumn[] {
    return this.options.columns;
  }

  private get fullHeight(): number {
    return Math.min(this.rows.total * ROW, TALLEST);
  }

  private get viewHeight(): number {
    return Math.max(this.scroller.clientHeight - HEAD, ROW);
  }

  private get scaled(): boolean {
    return this.rows.total * ROW > TALLEST;
  }

  private get lastTop(): number {
    return Math.max(this.rows.total - this.viewHeight / ROW, 0);
  }

  private placeColumns(): void {
    this.gutter = Math.max(34, 18 + String(Math.max(this.rows.total, 1)).length * 7.5);
    let left = this.gutter;
    this.lefts = this.widths.map((width) => {
      const at = left;
      left += width;
      return at;
    });
    this.lefts.push(left);
  }

  /** Widths that fit the names, the types and the first rows. */
  private measure(): void {
    const style = getComputedStyle(this.scroller);
    const context = document.createElement("canvas").getContext("2d");
    if (context === null || style.fontSize === "") return;
    const font = (weight: number, size: string) => `${weight} ${size} ${style.fontFamily}`;
    const first = [...Array(Math.min(this.rows.total, this.options.blockSize)).keys()];
    this.widths = this.columns.map((column, index) => {
      context.font = font(600, style.fontSize);
      let widest = context.measureText(column.name).width + (this.options.queries ? 64 : 44);
      context.font = font(400, "11px");
      widest = Math.max(widest, context.measureText(column.type).width + 30);
      context.font = font(400, style.fontSize);
      for (const row of first) {
        const value = this.rows.row(row)?.[index];
        if (value) widest = Math.max(widest, context.measureText(value.slice(0, 80)).width + 26);
      }
      return Math.round(Math.min(Math.max(widest, NARROWEST), WIDEST_FIRST));
    });
    this.measured = true;
  }

  private resize(column: number, width: number): void {
    this.widths[column] = Math.max(Math.round(width), NARROWEST);
    this.placeColumns();
    this.schedule();
  }

  private fit(column: number): void {
    const context = document.createElement("canvas").getContext("2d");
    if (context === null) return;
    const style = getComputedStyle(this.scroller);
    context.font = `600 ${style.fontSize} ${style.fontFamily}`;
    const { name } = this.columns[column]!;
    let widest = context.measureText(name).width + 64;
    context.font = `400 ${style.fontSize} ${style.fontFamily}`;
    const from = Math.floor(this.topRow);
    for (let row = from; row < from + this.viewHeight / ROW; row++) {
      const value = this.rows.row(row)?.[column];
      if (value) widest = Math.max(widest, context.measureText(value).width + 26);
    }
    this.resize(column, Math.min(widest, 900));
  }

  // -- drawing

  schedule(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  /** Hidden for a moment, as while JupyterLab changes its theme: too short for the observer to notice. */
  private drawLater(): void {
    clearTimeout(this.hidden);
    this.hidden = setTimeout(() => {
      if (this.scroller.clientWidth > 0) this.schedule();
    }, 250);
  }

  private draw(): void {
    if (!this.element.isConnected) return;
    if (this.scroller.clientWidth === 0 && this.scroller.offsetParent === null) {
      this.drawLater();
      return;
    }
    if (!this.measured && this.rows.known) this.measure();
    this.placeColumns();
    const { total, known } = this.rows;
    const wanted = HEAD + Math.max(total, known ? 1 : 4) * ROW + 12;
    const needsRoom = total === 0 || this.rows.failure !== null;
    this.scroller.style.height = `${Math.min(Math.max(wanted, needsRoom ? 150 : 0), this.options.height)}px`;
    this.canvas.style.height = `${HEAD + (known ? this.fullHeight : 4 * ROW)}px`;
    this.canvas.style.width = `${this.lefts.at(-1)}px`;
    setAttribute(this.scroller, "aria-rowcount", total + 1);
    setAttribute(this.scroller, "aria-busy", this.rows.loading);
    this.element.classList.toggle("sdb-busy", this.rows.loading && known);
    this.topRow = Math.min(this.topRow, this.lastTop);
    const columns = this.visibleColumns();
    const from = Math.max(Math.floor(this.topRow) - OVERSCAN, 0);
    const to = Math.min(Math.ceil(this.topRow + this.viewHeight / ROW) + OVERSCAN, total);
    this.drawHead(columns);
    this.drawBody(columns, from, known ? to : 4);
    this.drawNotice();
    const { row, column } = this.active;
    setAttribute(this.scroller, "aria-activedescendant", total > 0 || row === HEADER ? this.cellId(row, column) : null);
    if (!known || total > 0) this.rows.want(from, known ? to : 0);
  }

  private visibleColumns(): number[] {
    const left = this.scroller.scrollLeft + this.gutter;
    const right = this.scroller.scrollLeft + this.scroller.clientWidth;
    const shown = this.columns.map((_, index) => index);
    return shown.filter((index) => this.lefts[index + 1]! > left - 200 && this.lefts[index]! < right + 200);
  }

  private drawHead(columns: number[]): void {
    const corner = h("div", {
      class: "sdb-grid-corner",
      style: { width: `${this.gutter}px` },
      attrs: { role: "columnheader", "aria-colindex": 1, "aria-label": "row number" },
    });
    this.head.replaceChildren(corner, ...columns.map((index) => this.headCell(index)));
  }

  private headCell(index: number): HTMLElement {
    const column = this.columns[index]!;
    const { sort, filters } = this.rows.intended;
    const sorted = sort.findIndex((each) => each.column === index);
    const order = sorted < 0 ? null : sort[sorted]!;
    const filter = filters.find((each) => each.column === index);
    const cell = h("div", {
      class: `sdb-grid-th${isNumber(column.kind) ? " sdb-number" : ""}${this.isActive(HEADER, index) ? " sdb-active" : ""}`,
      style: { left: `${this.lefts[index]}px`, width: `${this.widths[index]}px` },
      title: `${column.name}\n${column.type}`,
      attrs: {
        id: this.cellId(HEADER, index),
        role: "columnheader",
        "aria-colindex": index + 2,
        "aria-label": `${column.name}, ${column.type}${filter ? `, filtered: ${describeFilter(filter)}` : ""}`,
        "aria-sort": order === null ? "none" : order.descending ? "descending" : "ascending",
        "data-column": index,
      },
    });
    const arrow = order && icon(order.descending ? "down" : "up", "sdb-sorted");
    const rank = order && sort.length > 1 && h("sup", { text: String(sorted + 1) });
    append(cell, [
      h("div", { class: "sdb-th-name" }, h("span", { class: "sdb-clip", text: column.name }), arrow, rank),
      h("div", { class: "sdb-th-type" }, kindIcon(column.kind), h("span", { class: "sdb-clip", text: column.type })),
      this.options.queries &&
        h(
          "button",
          {
            class: `sdb-th-filter${filter ? " sdb-on" : ""}`,
            title: filter ? `filtered: ${describeFilter(filter)}` : "Filter",
            attrs: { type: "button", tabindex: -1, "aria-label": `Filter ${column.name}`, "data-filter": index },
          },
          icon("filter"),
        ),
      h("div", { class: "sdb-th-handle", attrs: { "data-handle": index, "aria-hidden": true } }),
    ]);
    return cell;
  }

  private drawBody(columns: number[], from: number, to: number): void {
    const selected = this.selection();
    const rows: HTMLElement[] = [];
    for (let index = from; index < to; index++) {
      const values = this.rows.row(index);
      const element = h("div", {
        class: `sdb-grid-row${index % 2 ? " sdb-odd" : ""}`,
        style: { transform: `translateY(${this.yOf(index)}px)` },
        attrs: { role: "row", "aria-rowindex": index + 2 },
      });
      element.append(
        h("div", {
          class: "sdb-grid-number",
          text: this.rows.known ? whole(index + 1) : "",
          style: { width: `${this.gutter}px` },
          attrs: { role: "rowheader", "aria-colindex": 1, "data-row": index },
        }),
      );
      for (const column of columns) element.append(this.bodyCell(index, column, values?.[column], selected));
      rows.push(element);
    }
    this.body.replaceChildren(...rows);
  }

  private bodyCell(row: number, column: number, value: string | null | undefined, selected: Area): HTMLElement {
    const { kind } = this.columns[column]!;
    const classes = ["sdb-grid-td"];
    if (isNumber(kind)) classes.push("sdb-number");
    if (kind === "binary" || kind === "uuid") classes.push("sdb-code");
    if (value === null) classes.push("sdb-null");
    if (value === "") classes.push("sdb-empty-text");
    if (value === undefined) classes.push("sdb-pending");
    const inside =
      row >= selected.rows[0] && row <= selected.rows[1] && column >= selected.columns[0] && column <= selected.columns[1];
    const several = selected.rows[0] !== selected.rows[1] || selected.columns[0] !== selected.columns[1];
    if (inside && several) classes.push("sdb-selected");
    if (this.isActive(row, column)) classes.push("sdb-active");
    const cut = typeof value === "string" && this.rows.isCut(row, column);
    return h("div", {
      class: classes.join(" "),
      style: { left: `${this.lefts[column]}px`, width: `${this.widths[column]}px` },
      title: value ? value.slice(0, 600) : undefined,
      text: value === null ? "NULL" : value === undefined ? "" : cut ? `${value}…` : value,
      attrs: {
        id: this.cellId(row, column),
        role: "gridcell",
        "aria-colindex": column + 2,
        "aria-selected": inside,
        "aria-label": value === "" ? "empty text" : null,
        "data-row": row,
        "data-column": column,
      },
    });
  }

  private drawNotice(): void {
    const { failure, known, total, query } = this.rows;
    this.notice.replaceChildren();
    this.notice.classList.toggle("sdb-shown", failure !== null || (known && total === 0));
    if (failure !== null) {
      append(this.notice, [
        h(
          "div",
          { class: "sdb-error", attrs: { role: "alert" } },
          icon("warning"),
          h("div", {}, h("p", { text: failure.message }), failure.hint && h("p", { class: "sdb-hint", text: failure.hint })),
          h("button", {
            class: "sdb-button",
            text: "Try again",
            attrs: { type: "button" },
            on: { click: () => this.rows.retry() },
          }),
        ),
      ]);
    } else if (known && total === 0) {
      const filtered = query.filters.length > 0;
      append(this.notice, [
        h("p", { text: filtered ? "No row matches the filters" : "No rows" }),
        filtered &&
          h("button", {
            class: "sdb-button",
            text: "Clear filters",
            attrs: { type: "button" },
            on: { click: () => this.clearFilters() },
          }),
      ]);
    }
  }

  private yOf(row: number): number {
    return this.scaled ? this.expectedScroll + (row - this.topRow) * ROW : row * ROW;
  }

  private cellId(row: number, column: number): string {
    return `${this.id}-${row === HEADER ? "h" : row}-${column}`;
  }

  private isActive(row: number, column: number): boolean {
    return this.active.row === row && this.active.column === column && document.activeElement === this.scroller;
  }

  // -- scrolling

  private scrolled(): void {
    const top = this.scroller.scrollTop;
    if (Math.abs(top - this.expectedScroll) >= 1.5 || !this.scaled) {
      this.expectedScroll = top;
      const span = Math.max(HEAD + this.fullHeight - this.scroller.clientHeight, 1);
      this.topRow = this.scaled ? Math.min(top / span, 1) * this.lastTop : top / ROW;
    }
    this.schedule();
  }

  private wheeled(event: WheelEvent): void {
    if (!this.scaled || event.deltaY === 0 || event.ctrlKey || event.shiftKey) return;
    const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 1 : event.deltaMode === WheelEvent.DOM_DELTA_PAGE ? 10 : 1 / ROW;
    const target = this.topRow + event.deltaY * unit;
    if ((target < 0 && this.topRow === 0) || (target > this.lastTop && this.topRow >= this.lastTop)) return;
    event.preventDefault();
    this.scrollToRow(target);
  }

  private scrollToRow(top: number): void {
    this.topRow = Math.min(Math.max(top, 0), this.lastTop);
    if (this.scaled) {
      const span = HEAD + this.fullHeight - this.scroller.clientHeight;
      this.scroller.scrollTop = (this.topRow / Math.max(this.lastTop, 1)) * span;
      this.expectedScroll = this.scroller.scrollTop;
    } else {
      this.scroller.scrollTop = this.topRow * ROW;
    }
    this.schedule();
  }

  private reveal({ row, column }: Cell): void {
    if (row !== HEADER) {
      const rowsShown = this.viewHeight / ROW;
      if (row < this.topRow) this.scrollToRow(row);
      else if (row + 1 > this.topRow + rowsShown) this.scrollToRow(row + 1 - rowsShown);
    }
    const left = this.lefts[column]! - this.gutter;
    const right = this.lefts[column + 1]!;
    if (left < this.scroller.scrollLeft) this.scroller.scrollLeft = left;
    else if (right > this.scroller.scrollLeft + this.scroller.clientWidth) {
      this.scroller.scrollLeft = Math.min(right - this.scroller.clientWidth, left);
    }
  }

  // -- mouse

  private pressed(event: MouseEvent): void {
    if (event.button !== 0 || !(event.target instanceof Element)) return;
    const handle = event.target.closest<HTMLElement>("[data-handle]");
    const funnel = event.target.closest<HTMLElement>("[data-filter]");
    const header = event.target.closest<HTMLElement>(".sdb-grid-th");
    const cell = event.target.closest<HTMLElement>("[data-row]");
    if (handle) this.dragHandle(event, Number(handle.dataset["handle"]));
    else if (funnel) {
      event.preventDefault();
      this.openFilter(Number(funnel.dataset["filter"]));
    } else if (header) {
      event.preventDefault();
      this.move({ row: HEADER, column: Number(header.dataset["column"]) }, false);
      this.toggleSort(this.active.column, event.shiftKey);
    } else if (cell) this.selectByMouse(event, cell);
    else return;
    if (!funnel) this.scroller.focus({ preventScroll: true });
  }

  private selectByMouse(event: MouseEvent, cell: HTMLElement): void {
    event.preventDefault();
    const row = Number(cell.dataset["row"]);
    if (cell.dataset["column"] === undefined) {
      this.active = { row, column: this.columns.length - 1 };
      this.anchor = { row: event.shiftKey ? this.anchor.row : row, column: 0 };
      this.schedule();
      return;
    }
    this.move({ row, column: Number(cell.dataset["column"]) }, event.shiftKey);
    const drag = (over: MouseEvent) => {
      const under = over.target instanceof Element ? over.target.closest<HTMLElement>("[data-row][data-column]") : null;
      if (under && this.body.contains(under)) {
        this.move({ row: Number(under.dataset["row"]), column: Number(under.dataset["column"]) }, true);
      }
    };
    const end = () => {
      document.removeEventListener("mousemove", drag);
      document.removeEventListener("mouseup", end);
    };
    document.addEventListener("mousemove", drag);
    document.addEventListener("mouseup", end);
  }

  private dragHandle(event: MouseEvent, column: number): void {
    event.preventDefault();
    const from = event.clientX;
    const width = this.widths[column]!;
    const drag = (move: MouseEvent) => this.resize(column, width + move.clientX - from);
    const end = () => {
      document.removeEventListener("mousemove", drag);
      document.removeEventListener("mouseup", end);
    };
    document.addEventListener("mousemove", drag);
    document.addEventListener("mouseup", end);
  }

  private doubleClicked(event: MouseEvent): void {
    if (!(event.target instanceof Element)) return;
    const handle = event.target.closest<HTMLElement>("[data-handle]");
    if (handle) this.fit(Number(handle.dataset["handle"]));
    else if (event.target.closest("[data-row][data-column]")) void this.openCell();
  }

  // -- keyboard

  private keyed(event: KeyboardEvent): void {
    const command = event.ctrlKey || event.metaKey;
    const { row, column } = this.active;
    if (command && event.key.toLowerCase() === "c") {
      void this.copySelection(event.shiftKey);
    } else if (command && event.key.toLowerCase() === "a") {
      this.anchor = { row: 0, column: 0 };
      this.active = { row: Math.max(this.rows.total - 1, 0), column: this.columns.length - 1 };
      this.schedule();
    } else if (event.altKey && event.shiftKey && (event.key === "ArrowLeft" || event.key === "ArrowRight")) {
      this.resize(column, this.widths[column]! + (event.key === "ArrowRight" ? 16 : -16));
    } else if (this.options.queries && ((event.altKey && event.key === "ArrowDown") || (event.key === "f" && !command))) {
      this.openFilter(column);
    } else if (event.key === "Enter" || event.key === " ") {
      if (row === HEADER) this.toggleSort(column, event.shiftKey);
      else void this.openCell();
    } else if (event.key === "Escape") {
      this.anchor = this.active;
      this.schedule();
    } else {
      const target = this.destination(event, command);
      if (target === null) return;
      this.move(target, event.shiftKey);
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private destination(event: KeyboardEvent, command: boolean): Cell | null {
    const { row, column } = this.active;
    const page = Math.max(Math.floor(this.viewHeight / ROW) - 1, 1);
    const last = { row: this.rows.total - 1, column: this.columns.length - 1 };
    switch (event.key) {
      case "ArrowDown":
        return { row: command ? last.row : row + 1, column };
      case "ArrowUp":
        return { row: command ? 0 : row - 1, column };
      case "ArrowRight":
        return { row, column: command ? last.column : column + 1 };
      case "ArrowLeft":
        return { row, column: command ? 0 : column - 1 };
      case "PageDown":
        return { row: row + page, column };
      case "PageUp":
        return { row: Math.max(row - page, 0), column };
      case "Home":
        return { row: command ? 0 : row, column: 0 };
      case "End":
        return { row: command ? last.row : row, column: last.column };
      default:
        return null;
    }
  }

  private move(target: Cell, extend: boolean): void {
    const lowest = extend ? 0 : HEADER;
    this.active = {
      row: Math.min(Math.max(target.row, lowest), this.rows.total - 1),
      column: Math.min(Math.max(target.column, 0), this.columns.length - 1),
    };
    if (!extend) this.anchor = this.active;
    else if (this.anchor.row === HEADER) this.anchor = { row: 0, column: this.anchor.column };
    this.reveal(this.active);
    this.schedule();
  }

  private selection(): Area {
    const { active, anchor } = this;
    return {
      rows: [Math.min(active.row, anchor.row), Math.max(active.row, anchor.row)],
      columns: [Math.min(active.column, anchor.column), Math.max(active.column, anchor.column)],
    };
  }

  // -- actions

  private toggleSort(column: number, add: boolean): void {
    if (!this.options.queries) return;
    const { sort } = this.rows.intended;
    const present = sort.find((each) => each.column === column);
    const next = !present ? { column, descending: false } : !present.descending ? { column, descending: true } : null;
    const kept = add ? sort.filter((each) => each.column !== column) : [];
    void this.run({ ...this.rows.intended, sort: next === null ? kept : [...kept, next] });
  }

  private openFilter(column: number): void {
    const header = this.head.querySelector<HTMLElement>(`[data-column="${column}"]`);
    if (header === null) return;
    const present = this.rows.intended.filters.find((each) => each.column === column);
    this.filterPopover.open(header, column, this.columns[column]!, present, () =>
      this.scroller.focus({ preventScroll: true }),
    );
  }

  private async applyFilter(filter: Filter | null, column: number): Promise<void> {
    const kept = this.rows.intended.filters.filter((each) => each.column !== column);
    await this.rows.change({ ...this.rows.intended, filters: filter === null ? kept : [...kept, filter] });
    this.toTop();
  }

  private async run(query: Query): Promise<void> {
    try {
      await this.rows.change(query);
      this.toTop();
    } catch (error) {
      if (isCancelled(error)) return;
      this.rows.failure = failureOf(error);
      this.schedule();
    }
  }

  private toTop(): void {
    this.active = { row: this.active.row === HEADER ? HEADER : 0, column: this.active.column };
    this.anchor = this.active;
    this.scrollToRow(0);
  }

  private async openCell(): Promise<void> {
    const { row, column } = this.active;
    const element = this.body.querySelector<HTMLElement>(`[data-row="${row}"][data-column="${column}"]`);
    const value = this.rows.row(row)?.[column];
    if (element === null || value === undefined) return;
    const whole = this.rows.isCut(row, column) ? this.options.provider.cell(this.rows.query, row, column) : value;
    await this.cellPopover.open(element, this.columns[column]!, whole);
  }

  async copySelection(header: boolean): Promise<void> {
    if (this.rows.total === 0) return;
    const area = this.selection();
    area.rows[0] = Math.max(area.rows[0], 0);
    area.rows[1] = Math.max(area.rows[1], 0);
    const rows = area.rows[1] - area.rows[0] + 1;
    const columns = area.columns[1] - area.columns[0] + 1;
    try {
      const single = rows === 1 && columns === 1 && !header;
      const held = this.rows.row(area.rows[0])?.[area.columns[0]];
      const here = single && held !== undefined && !this.rows.isCut(area.rows[0], area.columns[0]);
      await copyText(here ? (held ?? "") : await this.options.provider.copy(this.rows.query, area, header));
      const what = single ? "Copied the cell" : `Copied ${plural(rows, "row")} × ${plural(columns, "column")}`;
      this.options.onStatus?.(what);
    } catch (error) {
      const failure = failureOf(error);
      this.options.onStatus?.(failure.hint ? `${failure.message} (${failure.hint})` : failure.message);
    }
  }
}
