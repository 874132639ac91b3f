/** Questions to the kernel over a widget's custom messages; see requests.py for the other end. */

export interface Model {
  get(name: string): unknown;
  on(name: string, callback: (...args: never[]) => void): void;
  off(name: string, callback: (...args: never[]) => void): void;
  send(content: unknown): void;
}

/** What went wrong, for people. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly hint: string | null = null,
  ) {
    super(message);
  }
}

export function failureOf(error: unknown): Failure {
  if (error instanceof Failure) return error;
  return new Failure(error instanceof Error ? error.message : String(error));
}

/** True for what a cancelled question is rejected with: nobody waits for it any more. */
export function isCancelled(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

interface Answer {
  event?: unknown;
  view?: unknown;
  id?: unknown;
  ok?: unknown;
  error?: { message: string; hint: string | null };
}

const SLOW_MILLISECONDS = 4000;

/** One view's line to the kernel: views of one model hear each other's answers and ignore them. */
export class Kernel {
  private readonly view = `${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
  private readonly waiting = new Map<number, Waiting>();
  private last = 0;
  private slowTimer: ReturnType<typeof setTimeout> | undefined;
  private slow = false;
  private heard = 0;
  /** Called when the kernel has been silent for a while with questions open, and when it speaks again. */
  onSilence: (silent: boolean) => void = () => {};
  /** Called with what the kernel says unasked, to every view. */
  onEvent: (event: Record<string, unknown>) => void = () => {};

  constructor(private readonly model: Model) {
    model.on("msg:custom", this.receive as never);
  }

  ask<T>(op: string, args: Record<string, unknown> = {}, signal?: AbortSignal): Promise<T> {
    signal?.throwIfAborted();
    const id = ++this.last;
    return new Promise<T>((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      signal?.addEventListener("abort", () => {
        if (!this.waiting.delete(id)) return;
        this.model.send({ view: this.view, cancel: id });
        this.watch();
        reject(signal.reason);
      });
      this.model.send({ view: this.view, id, op, args });
      this.watch();
    });
  }

  close(): void {
    this.model.off("msg:custom", this.receive as never);
    clearTimeout(this.slowTimer);
    this.waiting.clear();
    this.model.send({ view: this.view, closed: true });
  }

  private readonly receive = (answer: Answer): void => {
    if (answer === null || typeof answer !== "object") return;
    if (answer.event !== undefined) this.onEvent(answer as Record<string, unknown>);
    if (answer.view !== this.view) return;
    this.heard = Date.now();
    const waiting = typeof answer.id === "number" ? this.waiting.get(answer.id) : undefined;
    if (waiting !== undefined) {
      this.waiting.delete(answer.id as number);
      if (answer.error) waiting.reject(new Failure(answer.error.message, answer.error.hint));
      else waiting.resolve(answer.ok);
    }
    this.setSlow(false);
    this.watch();
  };

  private watch(): void {
    clearTimeout(this.slowTimer);
    if (this.waiting.size === 0) {
      this.setSlow(false);
      return;
    }
    const asked = Date.now();
    this.slowTimer = setTimeout(() => {
      if (this.heard < asked) this.setSlow(true);
    }, SLOW_MILLISECONDS);
  }

  private setSlow(slow: boolean): void {
    if (slow === this.slow) return;
    this.slow = slow;
    this.onSilence(slow);
  }
}
