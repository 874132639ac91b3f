/** The bar between the tree and the details: dragged, or moved with the arrows. */

import { h, setAttribute, whileDragging } from "./dom";

const STEP = 24;

export function splitter(side: HTMLElement): HTMLElement {
  const bar = h("div", {
    class: "sdb-splitter",
    attrs: { role: "separator", tabindex: 0, "aria-orientation": "vertical", "aria-label": "Width of the tree" },
  });
  const resize = (width: number) => {
    const whole = side.parentElement?.clientWidth ?? 0;
    if (whole === 0) return;
    const share = Math.min(Math.max(width / whole, 0.2), 0.8);
    side.style.setProperty("--sdb-share", `${(share * 100).toFixed(2)}%`);
    setAttribute(bar, "aria-valuenow", Math.round(share * 100));
  };
  bar.addEventListener("mousedown", (event) => {
    event.preventDefault();
    const from = event.clientX;
    const width = side.clientWidth;
    whileDragging((move) => resize(width + move.clientX - from));
  });
  bar.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    event.stopPropagation();
    resize(side.clientWidth + (event.key === "ArrowRight" ? STEP : -STEP));
  });
  setAttribute(bar, "aria-valuemin", 20);
  setAttribute(bar, "aria-valuemax", 80);
  setAttribute(bar, "aria-valuenow", 42);
  return bar;
}
