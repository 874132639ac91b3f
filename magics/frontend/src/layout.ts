/** Where a grid's columns stand: widths measured from what they hold, changed by the user. */

import type { GridColumn, Rows } from "./rows";

const NARROWEST = 56;
const WIDEST_AT_FIRST = 340;
const WIDEST_FITTED = 900;
const PADDING = 26;
/** Room beside a name for its sort arrow and filter. */
const BESIDE_NAME = { queries: 64, plain: 44 };
const BESIDE_TYPE = 46;
/** Columns this near the visible ones are drawn too, in pixels. */
const MARGIN = 200;

export class Layout {
  /** Width of the row numbers. */
  gutter = 40;
  measured = false;
  private widths: number[];
  private lefts: number[] = [];

  constructor(
    private readonly columns: GridColumn[],
    private readonly queries: boolean,
  ) {
    this.widths = columns.map(() => 120);
    this.place(0);
  }

  get width(): number {
    return this.lefts.at(-1)!;
  }

  widthOf(column: number): number {
    return this.widths[column]!;
  }

  leftOf(column: number): number {
    return this.lefts[column]!;
  }

  rightOf(column: number): number {
    return this.lefts[column + 1]!;
  }

  /** Put the columns side by side, right of numbers up to `rows`. */
  place(rows: number): void {
    this.gutter = Math.max(34, 18 + String(Math.max(rows, 1)).length * 7.5);
    let left = this.gutter;
    this.lefts = this.widths.map((width) => {
      const at = left;
      left += width;
      return at;
    });
    this.lefts.push(left);
  }

  /** The columns that can be seen, and a few beside them. */
  visible(scrolled: number, width: number): number[] {
    const left = scrolled + this.gutter - MARGIN;
    const right = scrolled + width + MARGIN;
    return this.columns.flatMap((_, index) => (this.rightOf(index) > left && this.leftOf(index) < right ? [index] : []));
  }

  resize(column: number, width: number): void {
    this.widths[column] = Math.max(Math.round(width), NARROWEST);
  }

  /** Widths that fit the names, the types and the first rows. */
  measure(style: CSSStyleDeclaration, rows: Rows): void {
    const shown = Math.min(rows.total, rows.blockSize);
    for (const index of this.columns.keys()) {
      const widest = this.widest(style, index, rows, 0, shown, 80);
      this.resize(index, Math.min(widest, WIDEST_AT_FIRST));
    }
    this.measured = true;
  }

  /** Make a column as wide as its widest value between two rows. */
  fit(style: CSSStyleDeclaration, column: number, rows: Rows, from: number, to: number): void {
    this.resize(column, Math.min(this.widest(style, column, rows, from, to, 400), WIDEST_FITTED));
  }

  private widest(style: CSSStyleDeclaration, index: number, rows: Rows, from: number, to: number, letters: number): number {
    const context = document.createElement("canvas").getContext("2d");
    const column = this.columns[index]!;
    if (context === null) return this.widths[index]!;
    const measured = (font: string, text: string) => {
      context.font = `${font} ${style.fontFamily}`;
      return context.measureText(text).width;
    };
    const beside = this.queries ? BESIDE_NAME.queries : BESIDE_NAME.plain;
    let widest = measured(`600 ${style.fontSize}`, column.name) + beside;
    widest = Math.max(widest, measured("400 11px", column.type) + BESIDE_TYPE);
    for (let row = from; row < to; row++) {
      const value = rows.row(row)?.[index];
      if (value) widest = Math.max(widest, measured(`400 ${style.fontSize}`, value.slice(0, letters)) + PADDING);
    }
    return widest;
  }
}
