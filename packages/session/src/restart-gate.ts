/**
 * After a restart of the whole cluster (design section 5, law 3): meta remembers how many publishers there were, and first
 * pushes wait until nearly as many are back or the hold ends, so that no client's list is replaced by a partial one. Pure.
 *
 * Meta sums what the sessions report and tells 0 when the cluster is not restarting, or not any more; a session that holds
 * nearly all of them itself knows at once.
 */

/** Options of {@link RestartGate}. */
export interface RestartGateOptions {
  readonly holdMs: number;
  /** Share of the expected publishers that ends the wait. */
  readonly backShare: number;
}

/** The gate. */
export class RestartGate {
  readonly #options: RestartGateOptions;
  #openedMs = 0;
  #closed = false;
  #decided = false;

  constructor(options: RestartGateOptions) {
    this.#options = options;
  }

  /** True while first pushes wait. */
  get closed(): boolean {
    return this.#closed;
  }

  /** The session starts to serve. Closes the gate if a restart is going on; a new cluster (expected 0) never waits. */
  start(nowMs: number, expectedPublishers: number): void {
    if (this.#decided) return;
    this.#decided = true;
    this.#openedMs = nowMs;
    this.#closed = expectedPublishers > 0 && this.#options.holdMs > 0;
  }

  /** @returns true if the gate has opened just now */
  check(nowMs: number, expectedPublishers: number, ownPublishers: number): boolean {
    if (!this.#closed) return false;
    const back = ownPublishers >= this.#options.backShare * expectedPublishers;
    if (!back && nowMs < this.#openedMs + this.#options.holdMs) return false;
    this.#closed = false;
    return true;
  }

  /** Opens the gate by hand (operator override). */
  open(): void {
    this.#closed = false;
  }
}
