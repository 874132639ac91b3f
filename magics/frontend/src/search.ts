/** The search box and its hits: a combobox, so that the arrows choose while the typing goes on. */

import { debounced, h, highlighted, setAttribute, uniqueId } from "./dom";
import { icon, kindIcon, type IconName } from "./icons";
import { failureOf, isCancelled, type Kernel } from "./kernel";
import type { HitInfo } from "./nodes";

const DEBOUNCE_MILLISECONDS = 120;
const LIMIT = 100;

interface Actions {
  open(hit: HitInfo): void;
  reveal(path: string[]): void;
  active(searching: boolean): void;
  /** The user goes down from an empty box into the tree. */
  leave(): void;
}

export class Search {
  readonly field: HTMLElement;
  readonly results: HTMLElement;
  private readonly input: HTMLInputElement;
  private readonly list: HTMLElement;
  private readonly count: HTMLElement;
  private readonly id = uniqueId("hits");
  private hits: HitInfo[] = [];
  private at = -1;
  private asked: AbortController | null = null;
  private readonly later = debounced(DEBOUNCE_MILLISECONDS, () => void this.run());

  constructor(
    private readonly kernel: Kernel,
    private readonly actions: Actions,
  ) {
    this.input = h("input", {
      class: "sdb-search-input",
      attrs: {
        type: "text",
        role: "combobox",
        placeholder: "Search tables, columns and comments",
        "aria-label": "Search the catalog",
        "aria-autocomplete": "list",
        "aria-expanded": false,
        "aria-controls": this.id,
        autocomplete: "off",
        spellcheck: false,
      },
      on: { input: () => this.changed(), keydown: (event) => this.keyed(event) },
    });
    const clear = h(
      "button",
      {
        class: "sdb-icon-button sdb-search-clear",
        title: "Clear (Esc)",
        attrs: { type: "button", "aria-label": "Clear the search" },
        on: {
          click: () => {
            this.clear();
            this.input.focus();
          },
        },
      },
      icon("close"),
    );
    this.field = h("div", { class: "sdb-search" }, icon("search"), this.input, h("kbd", { text: "/", attrs: { "aria-hidden": true } }), clear);
    this.list = h("div", { class: "sdb-hits", attrs: { id: this.id, role: "listbox", "aria-label": "Search results" } });
    this.count = h("div", { class: "sdb-hits-count", attrs: { role: "status" } });
    this.results = h("div", { class: "sdb-results" }, this.count, this.list);
  }

  focus(): void {
    this.input.focus();
    this.input.select();
  }

  clear(): void {
    this.input.value = "";
    this.changed();
  }

  destroy(): void {
    this.later.cancel();
    this.asked?.abort();
  }

  private changed(): void {
    const searching = this.input.value.trim() !== "";
    this.field.classList.toggle("sdb-filled", this.input.value !== "");
    this.actions.active(searching);
    setAttribute(this.input, "aria-expanded", searching);
    if (searching) {
      this.later();
      return;
    }
    this.later.cancel();
    this.asked?.abort();
    this.show([], []);
    this.count.textContent = "";
  }

  private async run(): Promise<void> {
    const text = this.input.value.trim();
    this.asked?.abort();
    const asked = (this.asked = new AbortController());
    try {
      const hits = await this.kernel.ask<HitInfo[]>("search", { text, limit: LIMIT }, asked.signal);
      if (asked.signal.aborted) return;
      this.count.textContent =
        hits.length === 0 ? `Nothing is named like “${text}”` : hits.length === LIMIT ? `First ${LIMIT} hits` : hits.length === 1 ? "1 hit" : `${hits.length} hits`;
      this.show(hits, text.toLowerCase().split(/[\s.]+/));
    } catch (error) {
      if (isCancelled(error)) return;
      const failure = failureOf(error);
      this.show([], []);
      this.count.textContent = failure.hint ? `${failure.message}: ${failure.hint}` : failure.message;
    }
  }

  private show(hits: HitInfo[], words: string[]): void {
    this.hits = hits;
    this.list.replaceChildren(...hits.map((hit, index) => this.row(hit, index, words)));
    this.list.scrollTop = 0;
    this.choose(hits.length > 0 ? 0 : -1);
  }

  private row(hit: HitInfo, index: number, words: string[]): HTMLElement {
    const name = hit.path.at(-1) ?? "";
    const above = hit.path.slice(0, -1);
    const path = h("span", { class: "sdb-hit-path sdb-clip" });
    for (const [place, part] of above.entries()) {
      if (place > 0) path.append(h("i", { text: " › " }));
      path.append(...highlighted(part, words));
    }
    const glyph = hit.kind === "column" ? kindIcon(hit.value_kind ?? "other") : icon((hit.kind === "source" ? "cylinder" : hit.kind) as IconName, "sdb-soft");
    return h(
      "div",
      {
        class: "sdb-hit",
        title: [hit.path.join("."), hit.comment].filter(Boolean).join("\n"),
        attrs: { id: `${this.id}-${index}`, role: "option", "aria-selected": false },
        on: {
          mousedown: (event) => event.preventDefault(),
          click: () => {
            this.choose(index);
            this.actions.open(hit);
          },
          dblclick: () => this.actions.reveal(hit.path),
        },
      },
      glyph,
      h(
        "span",
        { class: "sdb-hit-text" },
        h(
          "span",
          { class: "sdb-hit-name" },
          h("span", { class: "sdb-clip" }, ...highlighted(name, words)),
          hit.comment !== null && h("span", { class: "sdb-comment sdb-clip" }, ...highlighted(hit.comment, words)),
        ),
        path,
      ),
      hit.type !== null && h("span", { class: "sdb-meta sdb-type", text: hit.type }),
    );
  }

  private choose(index: number): void {
    this.list.children[this.at]?.setAttribute("aria-selected", "false");
    this.at = index;
    const row = this.list.children[index];
    row?.setAttribute("aria-selected", "true");
    setAttribute(this.input, "aria-activedescendant", row?.id);
    if (!(row instanceof HTMLElement)) return;
    const { offsetTop, offsetHeight } = row;
    if (offsetTop < this.list.scrollTop) this.list.scrollTop = offsetTop;
    else if (offsetTop + offsetHeight > this.list.scrollTop + this.list.clientHeight) {
      this.list.scrollTop = offsetTop + offsetHeight - this.list.clientHeight;
    }
  }

  private keyed(event: KeyboardEvent): void {
    const last = this.hits.length - 1;
    const hit = this.hits[this.at];
    switch (event.key) {
      case "ArrowDown":
        if (this.input.value.trim() === "") this.actions.leave();
        else this.choose(this.at >= last ? 0 : this.at + 1);
        break;
      case "ArrowUp":
        this.choose(this.at <= 0 ? last : this.at - 1);
        break;
      case "PageDown":
        this.choose(Math.min(this.at + 8, last));
        break;
      case "PageUp":
        this.choose(Math.max(this.at - 8, Math.min(0, last)));
        break;
      case "Enter":
        this.later.flush();
        if (hit !== undefined && (event.ctrlKey || event.metaKey)) this.actions.reveal(hit.path);
        else if (hit !== undefined) this.actions.open(hit);
        break;
      case "Escape":
        if (this.input.value === "") this.actions.leave();
        else this.clear();
        break;
      default:
        event.stopPropagation();
        return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
