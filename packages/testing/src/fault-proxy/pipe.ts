/** One direction of a proxied connection: a bounded queue between two sockets that obeys the faults in force. */
import type { Socket } from 'node:net';
import { NO_RULE, type PipeRule } from './rule.ts';

/** Bytes held per direction; beyond it the sender is not read any more, as with a full TCP window. */
export const HELD_BYTES_MAX = 1024 * 1024;
/** Bytes a throttled pipe passes at once: a share of what it may pass per second. */
const THROTTLE_SLICES_PER_SECOND = 50;

/** Bytes, or how the sender ended. */
type Item =
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly dueMs: number }
  | { readonly kind: 'end' | 'reset'; readonly dueMs: number };

/** See above. @internal */
export class Pipe {
  /** Bytes passed on so far. */
  passedBytes = 0;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #queue: Item[] = [];
  #rule: PipeRule = NO_RULE;
  #heldBytes = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #nextSliceMs = 0;
  #cut = false;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on('data', (bytes: Buffer) => this.#take({ kind: 'bytes', bytes, dueMs: this.#dueMs() }));
    from.on('end', () => this.#take({ kind: 'end', dueMs: this.#dueMs() }));
    from.on('error', () => this.#take({ kind: 'reset', dueMs: this.#dueMs() }));
    to.on('drain', () => this.#pump());
  }

  /** Puts other faults in force. */
  set rule(rule: PipeRule) {
    this.#rule = rule;
    this.#pump();
  }

  /** From now on everything is swallowed and nothing is said: the other side has vanished. */
  cut(): void {
    this.#cut = true;
    this.#queue.length = 0;
    this.#heldBytes = 0;
    this.close();
    this.#from.resume();
  }

  /** Forgets its timer. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #dueMs(): number {
    return performance.now() + this.#rule.delayMs;
  }

  #take(item: Item): void {
    if (this.#cut) return;
    this.#queue.push(item);
    if (item.kind === 'bytes') this.#heldBytes += item.bytes.length;
    if (this.#heldBytes > HELD_BYTES_MAX) this.#from.pause();
    this.#pump();
  }

  #pump(): void {
    while (!this.#rule.drop && this.#queue.length > 0 && !this.#to.writableNeedDrain) {
      const item = this.#queue[0];
      const waitMs = Math.max(item.dueMs, this.#nextSliceMs) - performance.now();
      if (waitMs > 0) return this.#pumpLater(waitMs);
      if (item.kind === 'bytes') this.#pass(item.bytes, item.dueMs);
      else {
        this.#queue.shift();
        if (item.kind === 'end') this.#to.end();
        else this.#to.resetAndDestroy();
      }
    }
    if (this.#heldBytes <= HELD_BYTES_MAX / 2 && this.#from.isPaused()) this.#from.resume();
  }

  #pass(bytes: Buffer, dueMs: number): void {
    const { bytesPerSecond } = this.#rule;
    const most = Math.max(1, Math.ceil(bytesPerSecond / THROTTLE_SLICES_PER_SECOND));
    const now = bytes.length <= most ? bytes : bytes.subarray(0, most);
    if (now.length === bytes.length) this.#queue.shift();
    else this.#queue[0] = { kind: 'bytes', bytes: bytes.subarray(most), dueMs };
    this.#heldBytes -= now.length;
    this.passedBytes += now.length;
    if (bytesPerSecond !== Infinity)
      this.#nextSliceMs = performance.now() + (now.length * 1000) / bytesPerSecond;
    if (!this.#to.destroyed && this.#to.writable) this.#to.write(now);
  }

  #pumpLater(waitMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      this.#pump();
    }, Math.ceil(waitMs));
  }
}
