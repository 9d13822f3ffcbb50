/**
 * What a node knows of its cluster, and the rules by which a meta leader may change it. Pure: no time, no I/O.
 *
 * Rules. A lower term than the known one is refused whole. A table replaces the known one only if its epoch is higher (I2).
 * Lists and documents come whole and replace what was known. What is known stays while no leader is heard (design law 2).
 */
import { NO_SLOT_TABLE, type NodeRecord, type SlotTable } from '@sofa-registry/model';
import { METAS_KNOWN_MAX } from './limits.ts';

/** A watched document: an operator switch or setting (`switch/*`, `operator/*`). */
export interface WatchedDoc {
  readonly value: string;
  readonly version: number;
}

/** The cluster as a node knows it. One live object per node: read fields when needed, do not copy it. */
export interface ClusterView {
  /** Address of the meta leader last heard from; '' before the first. */
  readonly leader: string;
  /** Term of that leader; 0 before the first. */
  readonly term: number;
  /** False while that leader listens before it evicts or moves anything. */
  readonly warm: boolean;
  readonly table: SlotTable;
  /** Names the member list; not ordered between leaders. */
  readonly membersRevision: number;
  readonly members: readonly NodeRecord[];
  readonly docs: ReadonlyMap<string, WatchedDoc>;
  /** Addresses of all meta nodes known, the configured ones first. */
  readonly metas: readonly string[];
  /** Publishers there were in the whole cluster before everything restarted; 0 = no cold restart is going on. */
  readonly expectedPublishers: number;
  /** How long meta still waits for them, ms; 0 = no cold restart is going on. */
  readonly expectedForMs: number;
  /** Mean client connections of the sessions of this node's zone that take clients; 0 if there are none. */
  readonly meanWeight: number;
  /** Version of the newest change of the application index at the leader; 1 = none; 0 = not known yet. */
  readonly appIndexVersion: number;
  /** Ms since the last answer of a leader; Infinity before the first. */
  readonly heardMetaMsAgo: number;
}

/** Which parts of the view changed. */
export interface ViewChange {
  readonly table: boolean;
  readonly members: boolean;
  readonly docs: boolean;
}

/** The parts a leader sends, in an answer to a beat or on its own (`sr.View`). */
export interface ViewParts {
  readonly term: number;
  readonly table: SlotTable | null;
  readonly membersRevision: number;
  readonly members: readonly NodeRecord[] | null;
  readonly docsRevision: number;
  readonly docs: readonly { readonly key: string; readonly value: string; readonly version: number }[] | null;
}

/** The mutable view of one node. */
export class ViewState implements ClusterView {
  leader = '';
  term = 0;
  warm = false;
  table: SlotTable = NO_SLOT_TABLE;
  membersRevision = 0;
  members: readonly NodeRecord[] = [];
  docsRevision = 0;
  docs: ReadonlyMap<string, WatchedDoc> = new Map();
  metas: readonly string[];
  expectedPublishers = 0;
  expectedForMs = 0;
  meanWeight = 0;
  appIndexVersion = 0;
  /** Monotonic time of the last answer of a leader; negative before the first. */
  heardAtMs = -1;
  readonly #configured: readonly string[];
  readonly #nowMs: () => number;

  constructor(metas: readonly string[], nowMs: () => number) {
    this.#configured = metas;
    this.metas = metas;
    this.#nowMs = nowMs;
  }

  get heardMetaMsAgo(): number {
    return this.heardAtMs < 0 ? Infinity : this.#nowMs() - this.heardAtMs;
  }

  /**
   * Applies what a leader sent.
   * @returns what changed; null when the term is older than the known one and nothing was applied
   */
  apply(parts: ViewParts): ViewChange | null {
    if (parts.term < this.term) return null;
    this.term = parts.term;
    const table = parts.table !== null && parts.table.epoch > this.table.epoch;
    if (table) this.table = parts.table as SlotTable;
    const members = parts.members !== null;
    if (members) {
      this.members = parts.members as readonly NodeRecord[];
      this.membersRevision = parts.membersRevision;
    }
    const docs = parts.docs !== null;
    if (docs) {
      this.docs = new Map(parts.docs?.map((d) => [d.key, { value: d.value, version: d.version }]));
      this.docsRevision = parts.docsRevision;
    }
    return { table, members, docs };
  }

  /** Remembers meta addresses a leader named, behind the configured ones; at most {@link METAS_KNOWN_MAX} of them. */
  learnMetas(metas: readonly string[]): void {
    const known = new Set(this.#configured);
    for (const meta of metas.slice(0, METAS_KNOWN_MAX)) if (meta !== '') known.add(meta);
    if (known.size !== this.metas.length || [...known].some((meta, i) => meta !== this.metas[i])) {
      this.metas = [...known];
    }
  }
}
