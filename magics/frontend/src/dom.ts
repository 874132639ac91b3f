/** Building DOM. Text only ever becomes text nodes: no data reaches an HTML parser. */

type Child = Node | string | number | null | undefined | false;

interface Properties {
  class?: string;
  text?: string;
  title?: string | undefined;
  attrs?: Record<string, string | number | boolean | null | undefined>;
  style?: Record<string, string>;
  on?: { [K in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[K]) => void };
}

export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (properties.class) element.className = properties.class;
  if (properties.text !== undefined) element.textContent = properties.text;
  if (properties.title) element.title = properties.title;
  for (const [name, value] of Object.entries(properties.attrs ?? {})) setAttribute(element, name, value);
  for (const [name, value] of Object.entries(properties.style ?? {})) element.style.setProperty(name, value);
  for (const [type, listener] of Object.entries(properties.on ?? {})) {
    element.addEventListener(type, listener as EventListener);
  }
  append(element, children);
  return element;
}

export function append(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

export function setAttribute(
  element: Element,
  name: string,
  value: string | number | boolean | null | undefined,
): void {
  if (value === null || value === undefined) element.removeAttribute(name);
  else element.setAttribute(name, String(value));
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag: string, attrs: Record<string, string | number>, ...children: Node[]): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attrs)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** `text` with every case-insensitive occurrence of `words` in <mark>. */
export function highlighted(text: string, words: string[]): Node[] {
  const folded = text.toLowerCase();
  // Folding may change a string's length (İ): marks would be off, so there are none then.
  if (folded.length !== text.length) return [document.createTextNode(text)];
  const marked = new Array<boolean>(text.length).fill(false);
  for (const word of words) {
    if (word === "") continue;
    for (let at = folded.indexOf(word); at >= 0; at = folded.indexOf(word, at + word.length)) {
      marked.fill(true, at, at + word.length);
    }
  }
  const nodes: Node[] = [];
  for (let start = 0; start < text.length; ) {
    let end = start;
    while (end < text.length && marked[end] === marked[start]) end++;
    const part = text.slice(start, end);
    nodes.push(marked[start] ? h("mark", { text: part }) : document.createTextNode(part));
    start = end;
  }
  return nodes;
}

let counter = 0;

/** An id that no other element of the page has, however often a widget is shown. */
export function uniqueId(prefix: string): string {
  counter += 1;
  return `sdb-${prefix}-${counter}-${Math.random().toString(36).slice(2, 8)}`;
}

export function debounced(milliseconds: number, act: () => void): { (): void; cancel(): void; flush(): void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = () => {
    timer = undefined;
    act();
  };
  const call = () => {
    clearTimeout(timer);
    timer = setTimeout(run, milliseconds);
  };
  call.cancel = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  call.flush = () => {
    if (timer === undefined) return;
    clearTimeout(timer);
    run();
  };
  return call;
}

/** Put text on the clipboard; also where the asynchronous API is refused (plain http, old browsers). */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // fall through to the command below, which needs no secure context
  }
  const area = h("textarea", { style: { position: "fixed", opacity: "0", top: "0", left: "0" } });
  const focused = document.activeElement;
  area.value = text;
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus({ preventScroll: true });
  if (!copied) throw new Error("The browser did not allow writing to the clipboard.");
}

/**
 * Keep plain keys that are typed inside `root` from JupyterLab, where a letter is a command on the cell;
 * combinations with Ctrl, Alt or Meta still get there, so that saving works everywhere.
 */
export function keepKeys(root: HTMLElement): void {
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && !event.altKey) event.stopPropagation();
  });
}

/** Call `move` with every movement of the mouse until its button is let go. */
export function whileDragging(move: (event: MouseEvent) => void): void {
  const end = () => {
    document.removeEventListener("mousemove", move);
    document.removeEventListener("mouseup", end);
  };
  document.addEventListener("mousemove", move);
  document.addEventListener("mouseup", end);
}
