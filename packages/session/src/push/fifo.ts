/** First in, first out, without moving what waits at each take. Hot path. */

/** Taken items that are kept before the array is cut. */
const SPENT_MAX = 4096;

/** The line. */
export class Fifo<T> {
  #items: T[] = [];
  #from = 0;

  get size(): number {
    return this.#items.length - this.#from;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The oldest item; undefined if there is none. */
  take(): T | undefined {
    if (this.#from === this.#items.length) return undefined;
    const item = this.#items[this.#from++];
    if (this.#from === this.#items.length) {
      this.#items = [];
      this.#from = 0;
    } else if (this.#from >= SPENT_MAX && this.#from * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#from);
      this.#from = 0;
    }
    return item;
  }
}
