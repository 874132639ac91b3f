/** Small windows over the grid: a column's filter and a cell's whole value. */

import { copyText, h, setAttribute } from "./dom";
import { icon, type Kind } from "./icons";
import { failureOf, isCancelled } from "./kernel";
import type { Filter, GridColumn, Value } from "./rows";

const OPERATORS: Record<string, string> = {
  contains: "contains",
  "=": "equals",
  "!=": "is not",
  "<": "less than",
  "<=": "at most",
  ">": "greater than",
  ">=": "at least",
  null: "is null",
  "not null": "is not null",
};
const ORDERED = ["=", "!=", "<", "<=", ">", ">=", "contains", "null", "not null"];
const TEXTUAL = ["contains", "=", "!=", "<", ">", "null", "not null"];
const OPAQUE = ["contains", "=", "null", "not null"];

function operatorsOf(kind: Kind): string[] {
  if (kind === "string" || kind === "uuid" || kind === "json") return TEXTUAL;
  if (kind === "binary" || kind === "list" || kind === "struct" || kind === "map" || kind === "other") return OPAQUE;
  if (kind === "boolean") return ["=", "null", "not null"];
  return ORDERED;
}

function takesValue(operator: string): boolean {
  return operator !== "null" && operator !== "not null";
}

export function describeFilter(filter: Filter): string {
  const signs: Record<string, string> = { "!=": "≠", "<=": "≤", ">=": "≥", null: "is null", "not null": "is not null" };
  const label = signs[filter.operator] ?? filter.operator;
  return takesValue(filter.operator) ? `${label} ${filter.value}` : label;
}

/** An element in the top layer where the browser has one, placed below its anchor inside the window. */
abstract class Popover {
  protected readonly element: HTMLElement;
  private readonly outside = (event: Event) => {
    if (event.target instanceof Node && !this.element.contains(event.target)) this.close();
  };
  private readonly moved = (event: Event) => {
    if (event.target instanceof Node && !this.element.contains(event.target)) this.close();
  };

  constructor(
    private readonly host: HTMLElement,
    label: string,
  ) {
    this.element = h("div", {
      class: "sdb-popover",
      attrs: { popover: "manual", role: "dialog", "aria-label": label },
      on: {
        keydown: (event) => {
          if (event.key === "Escape") this.close();
          event.stopPropagation();
        },
      },
    });
  }

  protected place(anchor: HTMLElement): void {
    this.host.append(this.element);
    this.element.showPopover?.();
    const box = anchor.getBoundingClientRect();
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.max(8, Math.min(box.left, window.innerWidth - width - 8));
    const below = box.bottom + 4;
    const top = below + height > window.innerHeight - 8 ? Math.max(8, box.top - height - 4) : below;
    this.element.style.left = `${left}px`;
    this.element.style.top = `${top}px`;
    document.addEventListener("mousedown", this.outside, true);
    document.addEventListener("scroll", this.moved, true);
  }

  get isOpen(): boolean {
    return this.element.isConnected;
  }

  close(): void {
    if (!this.isOpen) return;
    document.removeEventListener("mousedown", this.outside, true);
    document.removeEventListener("scroll", this.moved, true);
    this.element.remove();
    this.closed();
  }

  protected closed(): void {}
}

export class FilterPopover extends Popover {
  private done: () => void = () => {};

  constructor(
    host: HTMLElement,
    private readonly apply: (filter: Filter | null, column: number) => Promise<void>,
  ) {
    super(host, "Filter");
  }

  open(anchor: HTMLElement, index: number, column: GridColumn, present: Filter | undefined, done: () => void): void {
    this.close();
    this.done = done;
    const operators = operatorsOf(column.kind);
    const operator = h(
      "select",
      { class: "sdb-input", attrs: { "aria-label": "Condition" } },
      ...operators.map((each) => h("option", { text: OPERATORS[each] ?? each, attrs: { value: each } })),
    );
    operator.value = present?.operator ?? operators[0]!;
    const value = h("input", {
      class: "sdb-input",
      attrs: {
        "aria-label": "Value",
        placeholder: placeholder(column.kind),
        spellcheck: false,
        autocomplete: "off",
      },
    });
    value.value = present?.value ?? "";
    const problem = h("p", { class: "sdb-popover-problem", attrs: { role: "alert" } });
    const sync = () => {
      value.hidden = !takesValue(operator.value);
      value.disabled = value.hidden;
    };
    operator.addEventListener("change", () => {
      sync();
      if (!value.hidden) value.focus();
    });
    const send = async (filter: Filter | null) => {
      problem.textContent = "";
      setAttribute(this.element, "aria-busy", true);
      try {
        await this.apply(filter, index);
        this.close();
      } catch (error) {
        if (isCancelled(error)) return;
        const failure = failureOf(error);
        problem.textContent = failure.hint ? `${failure.message}: ${failure.hint}` : failure.message;
      } finally {
        setAttribute(this.element, "aria-busy", null);
      }
    };
    const form = h(
      "form",
      {
        class: "sdb-filter-form",
        on: {
          submit: (event) => {
            event.preventDefault();
            void send({ column: index, operator: operator.value, value: takesValue(operator.value) ? value.value : "" });
          },
        },
      },
      h("div", { class: "sdb-popover-title" }, "Filter ", h("b", { text: column.name })),
      operator,
      value,
      problem,
      h(
        "div",
        { class: "sdb-popover-buttons" },
        h("button", {
          class: "sdb-button",
          text: "Clear",
          attrs: { type: "button", disabled: present ? null : true },
          on: { click: () => void send(null) },
        }),
        h("button", { class: "sdb-button sdb-primary", text: "Apply", attrs: { type: "submit" } }),
      ),
    );
    this.element.replaceChildren(form);
    sync();
    this.place(anchor);
    if (value.hidden) operator.focus();
    else value.select();
  }

  protected override closed(): void {
    this.done();
  }
}

function placeholder(kind: Kind): string {
  if (kind === "date") return "2013-01-31";
  if (kind === "timestamp") return "2013-01-31 12:00:00";
  if (kind === "time") return "12:00:00";
  if (kind === "boolean") return "true or false";
  if (kind === "binary") return "0x…";
  if (kind === "integer" || kind === "decimal" || kind === "float") return "number";
  return "text";
}

export class CellPopover extends Popover {
  constructor(
    host: HTMLElement,
    private readonly done: () => void,
  ) {
    super(host, "Cell");
  }

  async open(anchor: HTMLElement, column: GridColumn, value: Value | Promise<Value>): Promise<void> {
    this.close();
    const text = h("pre", { class: "sdb-cell-text", attrs: { tabindex: 0 } });
    const copy = h("button", {
      class: "sdb-icon-button",
      title: "Copy",
      attrs: { type: "button", "aria-label": "Copy the value" },
    });
    copy.append(icon("copy"));
    this.element.replaceChildren(
      h("div", { class: "sdb-popover-title" }, h("b", { text: column.name }), h("span", { text: column.type }), copy),
      text,
    );
    text.textContent = value instanceof Promise ? "…" : null;
    const show = (shown: Value) => {
      text.textContent = shown ?? "NULL";
      text.classList.toggle("sdb-null", shown === null);
      copy.addEventListener("click", () => {
        void copyText(shown ?? "").then(() => copy.replaceChildren(icon("check")));
      });
    };
    if (!(value instanceof Promise)) show(value);
    this.place(anchor);
    text.focus();
    if (value instanceof Promise) {
      try {
        show(await value);
      } catch (error) {
        text.textContent = failureOf(error).message;
      }
    }
  }

  protected override closed(): void {
    this.done();
  }
}
