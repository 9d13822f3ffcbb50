/**
 * The word a leader leaves to the next one when it stops in good order, and how the next one uses it: it expects those who are named,
 * and has nothing more to listen for once all of them have beaten. The word counts once.
 */
import { errorText } from '@sofa-registry/store';
import { decodeHandover, encodeHandover, HANDOVER_DOC } from './core/handover.ts';
import type { Membership } from './core/membership.ts';
import type { TermPorts } from './term-ports.ts';

/** The handovers of one term: the one it was given, and the one it gives. */
export class Handover {
  readonly #ports: TermPorts;
  readonly #term: number;
  readonly #members: Membership;
  /** Processes not heard yet; null when no word was left. */
  #awaited: Set<string> | null = null;

  constructor(ports: TermPorts, term: number, members: Membership) {
    this.#ports = ports;
    this.#term = term;
    this.#members = members;
  }

  /** True once everybody the last leader knew has been heard of. */
  get complete(): boolean {
    return this.#awaited?.size === 0;
  }

  /** Reads whom the last leader named, if it stopped in good order. @throws StoreError */
  async take(): Promise<void> {
    const { clock, store } = this.#ports;
    const { docs } = store;
    const doc = await docs.get(HANDOVER_DOC);
    if (doc === null) return;
    await docs.remove(HANDOVER_DOC, { expect: doc.version, fence: { term: this.#term } });
    for (const node of decodeHandover(doc.value)) this.#members.expect(node, clock.monoMs());
    this.#awaited = new Set([...this.#members.all()].map(({ record }) => record.processId));
  }

  /** A process has beaten, was replaced, or has left. */
  heardOf(processId: string): void {
    this.#awaited?.delete(processId);
  }

  /** Names who is there, before the lock is released. Best effort. */
  async give(): Promise<void> {
    const { store, logger } = this.#ports;
    const nodes = [...this.#members.all()]
      .filter(({ record, heard, connected }) => record.role !== 'meta' && heard && connected)
      .map(({ record }) => record);
    try {
      const write = { expect: 'any', fence: { term: this.#term } } as const;
      await store.docs.put(HANDOVER_DOC, encodeHandover(nodes), write);
    } catch (error) {
      logger.info('meta: no word was left to the next leader', { error: errorText(error) });
    }
  }
}
