/** A grid of exact text over any number of rows: virtual in both directions, all of it by keyboard too. */

import { bodyCell, headCell, notice } from "./cells";
import { copyText, h, setAttribute, uniqueId, whileDragging } from "./dom";
import { plural, whole } from "./format";
import { failureOf, isCancelled } from "./kernel";
import { Layout } from "./layout";
import { CellPopover, FilterPopover } from "./popover";
import { Rows, type Area, type Filter, type GridColumn, type Page, type Provider, type Query } from "./rows";

const ROW = 28;
const HEAD = 46;
const OVERSCAN = 4;
/** Browsers lose precision in very tall elements, so past this height scrolling is proportional. */
const TALLEST = 6_000_000;

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

/** Where a key leads from a cell, which may be outside the grid; null for a key that leads nowhere. */
function destination(key: string, command: boolean, { row, column }: Cell, last: Cell, page: number): Cell | null {
  switch (key) {
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
  private readonly layout: Layout;
  private active: Cell = { row: 0, column: 0 };
  private anchor: Cell = { row: 0, column: 0 };
  private topRow = 0;
  private expectedScroll = 0;
  private frame = 0;
  private hidden: ReturnType<typeof setTimeout> | undefined;

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
    this.layout = new Layout(columns, options.queries);
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

  private resize(column: number, width: number): void {
    this.layout.resize(column, width);
    this.schedule();
  }

  private fit(column: number): void {
    const from = Math.floor(this.topRow);
    const to = from + Math.ceil(this.viewHeight / ROW);
    this.layout.fit(getComputedStyle(this.scroller), column, this.rows, from, to);
    this.schedule();
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
    const { total, known } = this.rows;
    if (known && !this.layout.measured) this.layout.measure(getComputedStyle(this.scroller), this.rows);
    this.layout.place(total);
    const wanted = HEAD + Math.max(total, known ? 1 : 4) * ROW + 12;
    const needsRoom = total === 0 || this.rows.failure !== null;
    this.scroller.style.height = `${Math.min(Math.max(wanted, needsRoom ? 150 : 0), this.options.height)}px`;
    this.canvas.style.height = `${HEAD + (known ? this.fullHeight : 4 * ROW)}px`;
    this.canvas.style.width = `${this.layout.width}px`;
    setAttribute(this.scroller, "aria-rowcount", total + 1);
    setAttribute(this.scroller, "aria-busy", this.rows.loading);
    this.element.classList.toggle("sdb-busy", this.rows.loading && known);
    this.topRow = Math.min(this.topRow, this.lastTop);
    const columns = this.layout.visible(this.scroller.scrollLeft, this.scroller.clientWidth);
    const from = Math.max(Math.floor(this.topRow) - OVERSCAN, 0);
    const to = Math.min(Math.ceil(this.topRow + this.viewHeight / ROW) + OVERSCAN, total);
    this.drawHead(columns);
    this.drawBody(columns, from, known ? to : 4);
    this.drawNotice();
    const { row, column } = this.active;
    setAttribute(this.scroller, "aria-activedescendant", total > 0 || row === HEADER ? this.cellId(row, column) : null);
    if (!known || total > 0) this.rows.want(from, known ? to : 0);
  }

  private drawHead(columns: number[]): void {
    const corner = h("div", {
      class: "sdb-grid-corner",
      style: { width: `${this.layout.gutter}px` },
      attrs: { role: "columnheader", "aria-colindex": 1, "aria-label": "row number" },
    });
    const cells = columns.map((index) =>
      headCell(this.columns[index]!, index, this.layout, {
        id: this.cellId(HEADER, index),
        active: this.isActive(HEADER, index),
        query: this.rows.intended,
        queries: this.options.queries,
      }),
    );
    this.head.replaceChildren(corner, ...cells);
  }

  private drawBody(columns: number[], from: number, to: number): void {
    const { rows, columns: across } = this.selection();
    const several = rows[0] !== rows[1] || across[0] !== across[1];
    const drawn: HTMLElement[] = [];
    for (let row = from; row < to; row++) {
      const values = this.rows.row(row);
      const number = h("div", {
        class: "sdb-grid-number",
        text: this.rows.known ? whole(row + 1) : "",
        style: { width: `${this.layout.gutter}px` },
        attrs: { role: "rowheader", "aria-colindex": 1, "data-row": row },
      });
      const cells = columns.map((index) => {
        const chosen = row >= rows[0] && row <= rows[1] && index >= across[0] && index <= across[1];
        return bodyCell(this.columns[index]!, row, index, values?.[index], this.layout, {
          id: this.cellId(row, index),
          active: this.isActive(row, index),
          chosen,
          marked: chosen && several,
          cut: this.rows.isCut(row, index),
        });
      });
      const line = { class: "sdb-grid-row", style: { transform: `translateY(${this.yOf(row)}px)` } };
      drawn.push(h("div", { ...line, attrs: { role: "row", "aria-rowindex": row + 2 } }, number, ...cells));
    }
    this.body.replaceChildren(...drawn);
  }

  private drawNotice(): void {
    const shown = notice(
      this.rows,
      () => this.rows.retry(),
      () => this.clearFilters(),
    );
    this.notice.replaceChildren(...(shown ?? []));
    this.notice.classList.toggle("sdb-shown", shown !== null);
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
    const left = this.layout.leftOf(column) - this.layout.gutter;
    const right = this.layout.rightOf(column);
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
    whileDragging((over) => {
      const under = over.target instanceof Element ? over.target.closest<HTMLElement>("[data-row][data-column]") : null;
      if (under && this.body.contains(under)) {
        this.move({ row: Number(under.dataset["row"]), column: Number(under.dataset["column"]) }, true);
      }
    });
  }

  private dragHandle(event: MouseEvent, column: number): void {
    event.preventDefault();
    const from = event.clientX;
    const width = this.layout.widthOf(column);
    whileDragging((move) => this.resize(column, width + move.clientX - from));
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
      this.resize(column, this.layout.widthOf(column) + (event.key === "ArrowRight" ? 16 : -16));
    } else if (this.options.queries && ((event.altKey && event.key === "ArrowDown") || (event.key === "f" && !command))) {
      this.openFilter(column);
    } else if (event.key === "Enter" || event.key === " ") {
      if (row === HEADER) this.toggleSort(column, event.shiftKey);
      else void this.openCell();
    } else if (event.key === "Escape") {
      this.anchor = this.active;
      this.schedule();
    } else {
      const last = { row: this.rows.total - 1, column: this.columns.length - 1 };
      const page = Math.max(Math.floor(this.viewHeight / ROW) - 1, 1);
      const target = destination(event.key, command, this.active, last, page);
      if (target === null) return;
      this.move(target, event.shiftKey);
    }
    event.preventDefault();
    event.stopPropagation();
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
