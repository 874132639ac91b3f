/** The rows of a table as the grid sees them: fetched in blocks, kept, thrown away when out of sight. */

import { Failure, failureOf, isCancelled } from "./kernel";
import type { Kind } from "./icons";

export interface GridColumn {
  name: string;
  type: string;
  kind: Kind;
}

/** A value as its exact text; null is NULL. */
export type Value = string | null;

export interface Sort {
  column: number;
  descending: boolean;
}

export interface Filter {
  column: number;
  operator: string;
  value: string;
}

export interface Query {
  sort: Sort[];
  filters: Filter[];
}

export interface Page {
  offset: number;
  rows: Value[][];
  /** Rows there are under the query. */
  total: number;
  /** Cells whose text was cut: row in the page, column. */
  cut: [number, number][];
}

export interface Area {
  rows: [number, number];
  columns: [number, number];
}

export interface Provider {
  page(query: Query, offset: number, limit: number, signal: AbortSignal): Promise<Page>;
  /** The whole text of one cell. */
  cell(query: Query, row: number, column: number): Promise<Value>;
  /** A part of the table as tab-separated values, in full length. */
  copy(query: Query, area: Area, header: boolean): Promise<string>;
}

const KEPT_BLOCKS = 60;

/** Blocks of one query at a time; a new query starts empty. */
export class Rows {
  query: Query = { sort: [], filters: [] };
  /** The query that was asked for last: it becomes `query` when its first page is there. */
  intended: Query = this.query;
  total: number;
  failure: Failure | null = null;
  /** False until the first page of the query has come. */
  known: boolean;
  private blocks = new Map<number, Page>();
  private pending = new Map<number, AbortController>();

  constructor(
    private readonly provider: Provider,
    readonly blockSize: number,
    first: Page | null,
    private readonly changed: () => void,
  ) {
    this.total = first?.total ?? 0;
    this.known = first !== null;
    if (first !== null) this.blocks.set(0, first);
  }

  get loading(): boolean {
    return this.pending.size > 0;
  }

  row(index: number): Value[] | undefined {
    return this.blocks.get(Math.floor(index / this.blockSize))?.rows[index % this.blockSize];
  }

  isCut(row: number, column: number): boolean {
    const page = this.blocks.get(Math.floor(row / this.blockSize));
    return page?.cut.some(([r, c]) => r === row % this.blockSize && c === column) ?? false;
  }

  /** Fetch what rows `from`..`to` need, and stop fetching what they don't. */
  want(from: number, to: number): void {
    if (this.failure !== null) return;
    const first = Math.floor(Math.max(from, 0) / this.blockSize);
    const last = Math.floor(Math.max(Math.min(to, this.total - 1), 0) / this.blockSize);
    for (const [block, controller] of this.pending) {
      if (block < first - 1 || block > last + 1) {
        controller.abort();
        this.pending.delete(block);
      }
    }
    for (let block = first; block <= last; block++) {
      if (!this.blocks.has(block) && !this.pending.has(block)) void this.fetch(block);
    }
  }

  /** Ask for the first page of another query; the old rows stay until it is there, or if it fails. */
  async change(query: Query): Promise<void> {
    this.stop();
    const controller = new AbortController();
    this.pending.set(0, controller);
    this.intended = query;
    this.changed();
    try {
      const page = await this.provider.page(query, 0, this.blockSize, controller.signal);
      this.query = query;
      this.total = page.total;
      this.failure = null;
      this.known = true;
      this.blocks = new Map([[0, page]]);
    } catch (error) {
      if (!isCancelled(error)) this.intended = this.query;
      throw error;
    } finally {
      if (this.pending.get(0) === controller) this.pending.delete(0);
      this.changed();
    }
  }

  retry(): void {
    this.failure = null;
    this.changed();
  }

  stop(): void {
    for (const controller of this.pending.values()) controller.abort();
    this.pending.clear();
  }

  private async fetch(block: number): Promise<void> {
    const controller = new AbortController();
    this.pending.set(block, controller);
    const { query } = this;
    try {
      const page = await this.provider.page(query, block * this.blockSize, this.blockSize, controller.signal);
      if (this.pending.get(block) !== controller) return;
      this.pending.delete(block);
      this.total = page.total;
      this.known = true;
      this.blocks.set(block, page);
      this.forget(block);
    } catch (error) {
      if (this.pending.get(block) === controller) this.pending.delete(block);
      if (isCancelled(error)) return;
      this.failure = failureOf(error);
    }
    this.changed();
  }

  private forget(near: number): void {
    while (this.blocks.size > KEPT_BLOCKS) {
      let farthest = near;
      for (const block of this.blocks.keys()) {
        if (Math.abs(block - near) > Math.abs(farthest - near)) farthest = block;
      }
      if (farthest === near) return;
      this.blocks.delete(farthest);
    }
  }
}

/** A value for a spreadsheet: quoted where it must be; NULL is an empty field. */
export function tsvField(value: Value): string {
  if (value === null) return "";
  return /["\t\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}

/** Rows that are all here already, as the catalog's preview has them. */
export class HeldRows implements Provider {
  constructor(
    private readonly columns: GridColumn[],
    private readonly rows: Value[][],
    private readonly cut: [number, number][],
    /** Gets the whole text of a cell that was cut. */
    private readonly whole: (row: number, column: number) => Promise<Value>,
  ) {}

  firstPage(): Page {
    return { offset: 0, rows: this.rows, total: this.rows.length, cut: this.cut };
  }

  page(): Promise<Page> {
    return Promise.resolve(this.firstPage());
  }

  cell(_query: Query, row: number, column: number): Promise<Value> {
    return this.whole(row, column);
  }

  async copy(_query: Query, area: Area, header: boolean): Promise<string> {
    const cells = (row: Value[]) => row.slice(area.columns[0], area.columns[1] + 1).map(tsvField).join("\t");
    const rows = this.rows.map((row) => [...row]);
    for (const [row, column] of this.cut) {
      const inside = row >= area.rows[0] && row <= area.rows[1] && column >= area.columns[0] && column <= area.columns[1];
      if (inside) rows[row]![column] = await this.whole(row, column);
    }
    const lines = rows.slice(area.rows[0], area.rows[1] + 1).map(cells);
    if (header) lines.unshift(cells(this.columns.map((column) => column.name)));
    return lines.join("\n");
  }
}
