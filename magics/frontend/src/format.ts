/** Numbers and times as people read them. */

const WHOLE = new Intl.NumberFormat("en-US");

export function whole(value: number): string {
  return WHOLE.format(value);
}

/** 336776 → "337k"; exact below 10,000. */
export function brief(value: number): string {
  if (value < 10_000) return whole(value);
  for (const [unit, size] of [
    ["T", 1e12],
    ["B", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const) {
    // from 999.5 on, three digits would round up to the next unit
    if (value >= size * 0.9995) return `${trimmed(value / size)}${unit}`;
  }
  return whole(value);
}

export function bytes(value: number): string {
  const units = ["B", "KB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : trimmed(value)} ${units[unit]}`;
}

function trimmed(value: number): string {
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  const text = value.toFixed(digits);
  return digits > 0 ? text.replace(/\.?0+$/, "") : text;
}

/** Seconds as an age: "just now", "4 min ago", "3 h ago", "2 days ago". */
export function age(seconds: number): string {
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86_400);
  return days === 1 ? "1 day ago" : `${days} days ago`;
}

export function plural(count: number, noun: string, many = `${noun}s`): string {
  return `${whole(count)} ${count === 1 ? noun : many}`;
}

export function percent(fraction: number): string {
  if (fraction === 0) return "0 %";
  if (fraction < 0.001) return "< 0.1 %";
  if (fraction > 0.999 && fraction < 1) return "> 99.9 %";
  return `${(fraction * 100).toFixed(fraction < 0.1 ? 1 : 0)} %`;
}
