/** Brings nodes what they lack of the leader's view: as part of an answer to a beat, or pushed a moment after a change. */
import { epochOf, type NodeRecord, type SlotTable } from '@sofa-registry/model';
import type { Timer } from '@sofa-registry/runtime';
import { View } from '@sofa-registry/wire';
import type { NodeLink } from './node-hub.ts';
import type { TermPorts } from './term-ports.ts';

/** Changes within so long go out together, ms: short, fail-over waits for it. */
const VIEW_COALESCE_MS = 5;

/** The view of the term. */
export interface ViewSource {
  readonly term: number;
  readonly table: SlotTable;
  readonly revision: number;
  readonly warm: boolean;
  records(): readonly NodeRecord[];
  /** True if the table must not reach this process yet. */
  holdsBack(processId: string): boolean;
}

/** The pusher. */
export class ViewPusher {
  readonly #ports: TermPorts;
  readonly #source: ViewSource;
  #timer: Timer | null = null;
  #closed = false;

  constructor(ports: TermPorts, source: ViewSource) {
    this.#ports = ports;
    this.#source = source;
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  /** Sends nodes what they lack, a moment later. */
  pushSoon(): void {
    if (this.#closed) return;
    this.#timer ??= this.#ports.clock.setTimer(VIEW_COALESCE_MS, () => {
      this.#timer = null;
      this.#push();
    });
  }

  /**
   * What the node at the other end lacks; marks it as sent. A table older than the node's goes out too: the node then offers its
   * own. A member list that is not complete yet (while listening) must not replace a complete one of the last leader.
   */
  partsFor(link: NodeLink) {
    const { docs } = this.#ports;
    const { table, revision, warm, term } = this.#source;
    const known = link.membersRevision;
    const withMembers = known !== revision && (warm || known <= 0 || known >= epochOf(term, 0));
    const withTable = link.tableEpoch !== table.epoch && !this.#source.holdsBack(link.processId);
    const withDocs = link.docsRevision !== docs.revision && docs.revision > 0;
    if (withTable) link.tableEpoch = table.epoch;
    if (withMembers) link.membersRevision = revision;
    if (withDocs) link.docsRevision = docs.revision;
    return {
      table: withTable ? table : null,
      membersRevision: revision,
      members: withMembers ? this.#source.records() : null,
      docsRevision: docs.revision,
      docs: withDocs ? [...docs.docs.values()] : null,
    };
  }

  /** Nodes that lack the same parts get the same bytes. */
  #push(): void {
    if (this.#closed || !this.#ports.leading()) return;
    const encoded = new Map<string, Buffer>();
    for (const link of this.#ports.hub.links) {
      if (link.processId === '') continue;
      const parts = this.partsFor(link);
      const key = [parts.table, parts.members, parts.docs].map((part) => part !== null).join();
      if (!key.includes('true')) continue;
      let content = encoded.get(key);
      if (content === undefined) {
        content = View.encode({ term: this.#source.term, ...parts });
        encoded.set(key, content);
      }
      this.#ports.hub.send(link, content);
    }
  }
}
