/** A virtual tree after WAI-ARIA's tree pattern: only the rows in sight are elements; one of them is in the tab order. */

import { append, h, setAttribute, uniqueId } from "./dom";
import { icon } from "./icons";
import { type Failure, failureOf, isCancelled } from "./kernel";

const ROW = 26;
const OVERSCAN = 8;
const TYPE_AHEAD_MILLISECONDS = 700;

export interface TreeNode<D> {
  label: string;
  data: D;
  parent: TreeNode<D> | null;
  level: number;
  /** Place among its siblings, from 0. */
  index: number;
  expandable: boolean;
  expanded: boolean;
  /** null: not loaded. */
  children: TreeNode<D>[] | null;
  loading: boolean;
  failure: Failure | null;
}

export function treeNode<D>(
  label: string,
  data: D,
  parent: TreeNode<D> | null,
  index: number,
  expandable: boolean,
): TreeNode<D> {
  return {
    label,
    data,
    parent,
    level: parent === null ? 1 : parent.level + 1,
    index,
    expandable,
    expanded: false,
    children: null,
    loading: false,
    failure: null,
  };
}

export interface TreeOptions<D> {
  label: string;
  load(node: TreeNode<D>): Promise<TreeNode<D>[]>;
  /** The content of a row right of its twisty; what is spoken for it goes into `aria-label`. */
  draw(node: TreeNode<D>): { content: Node[]; spoken: string; title: string | undefined };
  select(node: TreeNode<D>): void;
  /** What stands below a node whose children could not be loaded. */
  failed(node: TreeNode<D>, failure: Failure): TreeNode<D>[];
  /** Keys the tree itself does not know; true if it was one. */
  key?(event: KeyboardEvent, node: TreeNode<D>): boolean;
}

export class Tree<D> {
  readonly element: HTMLElement;
  private readonly canvas: HTMLElement;
  private readonly id = uniqueId("tree");
  private readonly rows = new Map<TreeNode<D>, HTMLElement>();
  private readonly stale = new Set<TreeNode<D>>();
  private readonly observer: ResizeObserver;
  private roots: TreeNode<D>[] = [];
  private visible: TreeNode<D>[] = [];
  private places = new Map<TreeNode<D>, number>();
  private active: TreeNode<D> | null = null;
  private selected: TreeNode<D> | null = null;
  private typed = "";
  private typedAt = -Infinity;
  private frame = 0;
  private hidden: ReturnType<typeof setTimeout> | undefined;
  private rowCount = 0;
  private wantsFocus = false;

  constructor(private readonly options: TreeOptions<D>) {
    this.canvas = h("div", { class: "sdb-tree-canvas", attrs: { role: "presentation" } });
    this.element = h(
      "div",
      {
        class: "sdb-tree",
        attrs: { role: "tree", "aria-label": options.label },
        on: {
          scroll: () => this.schedule(),
          keydown: (event) => this.keyed(event),
          click: (event) => this.clicked(event),
          dblclick: (event) => this.doubleClicked(event),
        },
      },
      this.canvas,
    );
    this.observer = new ResizeObserver(() => this.schedule());
    this.observer.observe(this.element);
  }

  destroy(): void {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.hidden);
    this.observer.disconnect();
  }

  get nodes(): readonly TreeNode<D>[] {
    return this.roots;
  }

  setRoots(roots: TreeNode<D>[]): void {
    this.roots = roots;
    this.flatten();
  }

  /** Show what changed in the tree's shape. */
  flatten(): void {
    const visible: TreeNode<D>[] = [];
    const visit = (nodes: TreeNode<D>[]) => {
      for (const node of nodes) {
        visible.push(node);
        if (node.expanded && node.children !== null) visit(node.children);
      }
    };
    visit(this.roots);
    this.visible = visible;
    this.places = new Map(visible.map((node, place) => [node, place]));
    if (this.active !== null && !this.places.has(this.active)) {
      let near: TreeNode<D> | null = this.active;
      while (near !== null && !this.places.has(near)) near = near.parent;
      this.wantsFocus = this.element.contains(document.activeElement);
      this.active = near;
    }
    this.active ??= visible[0] ?? null;
    this.schedule();
  }

  /** Draw a node again: what it says has changed. */
  touch(node: TreeNode<D>): void {
    this.stale.add(node);
    this.schedule();
  }

  async expand(node: TreeNode<D>): Promise<void> {
    if (!node.expandable) return;
    node.expanded = true;
    this.touch(node);
    if (node.children === null || node.failure !== null) await this.load(node);
    else this.flatten();
  }

  /** Ask for a node's children, again if they are there; an error stays with the node. */
  async load(node: TreeNode<D>): Promise<void> {
    if (node.loading) return;
    node.loading = true;
    node.failure = null;
    this.touch(node);
    try {
      node.children = await this.options.load(node);
    } catch (error) {
      if (!isCancelled(error)) {
        node.failure = failureOf(error);
        node.children = this.options.failed(node, node.failure);
      }
    } finally {
      node.loading = false;
      this.touch(node);
      this.flatten();
    }
  }

  collapse(node: TreeNode<D>): void {
    node.expanded = false;
    this.touch(node);
    this.flatten();
  }

  focus(node: TreeNode<D> | null = this.active): void {
    if (node !== null) this.activate(node, true);
  }

  select(node: TreeNode<D>): void {
    const before = this.selected;
    this.selected = node;
    if (before !== null) this.touch(before);
    this.activate(node, false);
    this.touch(node);
    this.options.select(node);
  }

  private activate(node: TreeNode<D>, focus: boolean): void {
    const before = this.active;
    this.active = node;
    if (before !== null) this.touch(before);
    this.touch(node);
    this.reveal(node);
    this.wantsFocus ||= focus;
    this.draw();
  }

  private reveal(node: TreeNode<D>): void {
    const place = this.places.get(node);
    if (place === undefined) return;
    const top = place * ROW;
    const { scrollTop, clientHeight } = this.element;
    this.canvas.style.height = `${this.visible.length * ROW}px`;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + ROW > scrollTop + clientHeight) this.element.scrollTop = top + ROW - clientHeight;
  }

  // -- drawing

  private schedule(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  /** Hidden for a moment, as while JupyterLab changes its theme: too short for the observer to notice. */
  private drawLater(): void {
    clearTimeout(this.hidden);
    this.hidden = setTimeout(() => {
      if (this.element.clientHeight > 0) this.schedule();
    }, 250);
  }

  private draw(): void {
    if (!this.element.isConnected) return;
    if (this.element.clientHeight === 0) this.drawLater();
    cancelAnimationFrame(this.frame);
    this.canvas.style.height = `${this.visible.length * ROW}px`;
    const first = Math.max(Math.floor(this.element.scrollTop / ROW) - OVERSCAN, 0);
    const last = Math.ceil((this.element.scrollTop + this.element.clientHeight) / ROW) + OVERSCAN;
    const shown = new Set(this.visible.slice(first, last));
    if (this.active !== null) shown.add(this.active);
    for (const [node, element] of this.rows) {
      if (shown.has(node) && this.places.has(node)) continue;
      element.remove();
      this.rows.delete(node);
    }
    for (const node of shown) {
      const place = this.places.get(node);
      if (place === undefined) continue;
      let element = this.rows.get(node);
      if (element === undefined) {
        element = h("div", { class: "sdb-tree-row", attrs: { role: "treeitem", id: `${this.id}-${this.rowCount++}` } });
        this.rows.set(node, element);
        this.canvas.append(element);
        this.fill(element, node);
      } else if (this.stale.has(node)) this.fill(element, node);
      element.style.transform = `translateY(${place * ROW}px)`;
      element.dataset["place"] = String(place);
    }
    this.stale.clear();
    if (this.wantsFocus && this.active !== null) {
      this.rows.get(this.active)?.focus({ preventScroll: true });
      this.wantsFocus = false;
    }
  }

  private fill(element: HTMLElement, node: TreeNode<D>): void {
    const { content, spoken, title } = this.options.draw(node);
    const twisty = node.loading
      ? h("span", { class: "sdb-spinner" })
      : node.expandable
        ? icon("chevron", `sdb-twisty${node.expanded ? " sdb-open" : ""}`)
        : h("span", { class: "sdb-twisty" });
    element.replaceChildren(h("span", { class: "sdb-tree-twisty" }, twisty));
    append(element, content);
    element.style.setProperty("--sdb-level", String(node.level - 1));
    element.title = title ?? "";
    element.classList.toggle("sdb-chosen", node === this.selected);
    setAttribute(element, "tabindex", node === this.active ? 0 : -1);
    setAttribute(element, "aria-label", spoken);
    setAttribute(element, "aria-level", node.level);
    setAttribute(element, "aria-posinset", node.index + 1);
    setAttribute(element, "aria-setsize", (node.parent === null ? this.roots : node.parent.children)?.length ?? 1);
    setAttribute(element, "aria-expanded", node.expandable ? node.expanded : null);
    setAttribute(element, "aria-selected", node === this.selected);
    setAttribute(element, "aria-busy", node.loading ? true : null);
  }

  // -- mouse and keyboard

  private nodeAt(event: Event): TreeNode<D> | undefined {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>(".sdb-tree-row") : null;
    return row === null ? undefined : this.visible[Number(row.dataset["place"])];
  }

  private clicked(event: MouseEvent): void {
    const node = this.nodeAt(event);
    if (node === undefined || !(event.target instanceof Element)) return;
    const onTwisty = event.target.closest(".sdb-tree-twisty") !== null;
    this.wantsFocus = true;
    if (onTwisty && node.expandable) {
      this.activate(node, true);
      this.toggle(node);
      return;
    }
    this.select(node);
    if (node.level < 3 && !node.expanded) void this.expand(node);
  }

  private doubleClicked(event: MouseEvent): void {
    const node = this.nodeAt(event);
    const onTwisty = event.target instanceof Element && event.target.closest(".sdb-tree-twisty") !== null;
    if (node !== undefined && !onTwisty && node.level >= 3) this.toggle(node);
  }

  private toggle(node: TreeNode<D>): void {
    if (node.expanded) this.collapse(node);
    else void this.expand(node);
  }

  private keyed(event: KeyboardEvent): void {
    const node = this.active;
    if (node === null || event.altKey) return;
    if (this.options.key?.(event, node)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    if (event.ctrlKey || event.metaKey) return;
    if (this.navigated(event, node)) this.typedAt = -Infinity;
    else if (!this.typedAhead(event, node)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  private navigated(event: KeyboardEvent, node: TreeNode<D>): boolean {
    const place = this.places.get(node) ?? 0;
    const page = Math.max(Math.floor(this.element.clientHeight / ROW) - 1, 1);
    const go = (to: number) => {
      const target = this.visible[Math.min(Math.max(to, 0), this.visible.length - 1)];
      if (target !== undefined) this.activate(target, true);
    };
    switch (event.key) {
      case "ArrowDown":
        go(place + 1);
        return true;
      case "ArrowUp":
        go(place - 1);
        return true;
      case "PageDown":
        go(place + page);
        return true;
      case "PageUp":
        go(place - page);
        return true;
      case "Home":
        go(0);
        return true;
      case "End":
        go(this.visible.length - 1);
        return true;
      case "ArrowRight":
        if (node.expandable && !node.expanded) void this.expand(node);
        else if (node.expanded && node.children?.[0] !== undefined) this.activate(node.children[0], true);
        return true;
      case "ArrowLeft":
        if (node.expanded) this.collapse(node);
        else if (node.parent !== null) this.activate(node.parent, true);
        return true;
      case "Enter":
        this.select(node);
        if (node.level < 3 && !node.expanded) void this.expand(node);
        this.focus(node);
        return true;
      case "*":
        for (const sibling of (node.parent === null ? this.roots : node.parent.children) ?? []) void this.expand(sibling);
        return true;
      default:
        return false;
    }
  }

  /** Letters move to the next row that begins with them; a space, where none were typed, opens and closes. */
  private typedAhead(event: KeyboardEvent, node: TreeNode<D>): boolean {
    if (event.key.length !== 1) return false;
    const fresh = event.timeStamp - this.typedAt > TYPE_AHEAD_MILLISECONDS;
    if (event.key === " " && fresh) {
      if (node.expandable) this.toggle(node);
      return true;
    }
    this.typed = fresh ? event.key : this.typed + event.key;
    this.typedAt = event.timeStamp;
    const wanted = this.typed.toLowerCase();
    const start = (this.places.get(node) ?? 0) + (this.typed.length === 1 ? 1 : 0);
    for (let step = 0; step < this.visible.length; step++) {
      const candidate = this.visible[(start + step) % this.visible.length]!;
      if (candidate.label.toLowerCase().startsWith(wanted)) {
        this.activate(candidate, true);
        break;
      }
    }
    return true;
  }
}
