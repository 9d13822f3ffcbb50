/**
 * After a restart of the whole cluster (design section 5, law 3): meta remembers how many publishers there were, and first
 * pushes wait until they are back or the hold ends, so that no client's list is replaced by a partial one. Pure.
 *
 * Meta sums what the sessions report; it tells 0 when the cluster is not restarting, or when nearly all are back. Nearly all is
 * not all: the gate then waits until no publisher has come for a moment, so that the last ones are not missing in their lists.
 * A session that holds all of them itself knows at once. While it tells clients to come again, for they register faster than it takes,
 * neither is true: some of those that it holds are new, and who knocks was here before. Nor while data nodes do not take what it has:
 * their lists lack it.
 */

/** Options of {@link RestartGate}. */
export interface RestartGateOptions {
  /** Share of the expected publishers that counts as nearly all. */
  readonly backShare: number;
  /** Time without a new publisher that ends the wait once nearly all are back. */
  readonly settleMs: number;
}

/** The gate. */
export class RestartGate {
  readonly #options: RestartGateOptions;
  #untilMs = 0;
  #closed = false;
  #decided = false;
  #publishers = 0;
  #grownMs = 0;

  constructor(options: RestartGateOptions) {
    this.#options = options;
  }

  /** True while first pushes wait. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * The session starts to serve. Closes the gate if a restart is going on; a new cluster (expected 0) never waits.
   * @param holdMs longest wait, as meta told it: the end of the hold is one decision of meta, kept when meta falls silent
   */
  start(nowMs: number, expectedPublishers: number, holdMs: number): void {
    if (this.#decided) return;
    this.#decided = true;
    this.#untilMs = nowMs + holdMs;
    this.#grownMs = nowMs;
    this.#closed = expectedPublishers > 0 && holdMs > 0;
  }

  /**
   * @param unsettledMs when a registration was last put off, or a write of one found no leader: lists lack it, so nothing is settled
   * @returns true if the gate has opened just now
   */
  check(nowMs: number, expectedPublishers: number, ownPublishers: number, unsettledMs = -Infinity): boolean {
    if (!this.#closed) return false;
    if (ownPublishers > this.#publishers) {
      this.#publishers = ownPublishers;
      this.#grownMs = nowMs;
    }
    const { backShare, settleMs } = this.#options;
    const quiet = nowMs >= unsettledMs + settleMs;
    const all = quiet && expectedPublishers > 0 && ownPublishers >= expectedPublishers;
    const nearlyAll = ownPublishers >= backShare * expectedPublishers;
    const settled = quiet && nearlyAll && nowMs >= this.#grownMs + settleMs;
    if (!all && !settled && nowMs < this.#untilMs) return false;
    this.#closed = false;
    return true;
  }

  /** Opens the gate by hand (operator override). */
  open(): void {
    this.#closed = false;
  }
}
