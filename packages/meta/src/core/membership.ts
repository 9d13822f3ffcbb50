/**
 * Who belongs to the cluster (F162, F167, F168, F179; data-and-slots 18.3 (12)). Pure: the shell tells what arrived and what time it
 * is; `tick` answers whom to ask and whom to evict.
 *
 * Rules. A node is a member from its first beat. It is suspect when its connection closed or three beats are missing. Then up to
 * three other members are asked when they last heard from it: one that did within 1.5 s keeps it a member, up to its lease
 * (20 s without a beat), and so does one about whom nobody can be asked, or one that a new leader never heard itself and of which
 * no peer ever heard: a leader that hears nobody may be what is cut off.
 * Otherwise it is evicted, about 2 s after its connection closed or 3 s after its last beat. A new process on the same address
 * replaces the old one at once. The guard holds back evictions of more than a share of the data nodes within one lease, but never
 * that of a single one.
 */
import { NEVER_HEARD_MS } from '@sofa-registry/cluster';
import type { NodeRecord, NodeRole } from '@sofa-registry/model';

/** Times and bounds, ms; see the settings of the same names. */
export interface MembershipConfig {
  readonly beatMs: number;
  readonly missedBeatsMax: number;
  readonly peerHeardMs: number;
  readonly closedGraceMs: number;
  readonly probeMs: number;
  readonly nodeLeaseMs: number;
  readonly membersMax: number;
}

/** Members asked about one suspect at a time. */
export const PROBE_PEERS_MAX = 3;

/** Without a tick for so many beats this process itself was stopped. */
const PAUSE_BEATS = 1.5;

/** One member. */
export interface Member {
  record: NodeRecord;
  /** False for a node known only from the table a former leader left. */
  heard: boolean;
  connected: boolean;
  lastBeatMs: number;
  /** When the connection closed; meaningless while connected. */
  closedMs: number;
  /** Publishers a session holds. */
  publishers: number;
  /** Last time peers were asked, and what they said. */
  probedMs: number;
  verdict: 'none' | 'alive' | 'dead';
  verdictMs: number;
}

/** What a beat meant. */
export interface BeatOutcome {
  /** 'stale': an older process of an address that a younger one has; 'full': no room. Both are refused. */
  readonly kind: 'joined' | 'known' | 'stale' | 'full';
  /** The member whose address the node took over. */
  readonly replaced: Member | null;
  /** True if anything but the weight of the record changed. */
  readonly changed: boolean;
}

/** A suspect and the members to ask about it. */
export interface ProbeOrder {
  readonly member: Member;
  readonly ask: readonly Member[];
}

/** What is to be done now. */
export interface TickOutcome {
  readonly probes: readonly ProbeOrder[];
  readonly evicted: readonly Member[];
  /** Data nodes that would be evicted but for the guard. */
  readonly held: readonly Member[];
}

/** The members. */
export class Membership {
  readonly #config: MembershipConfig;
  readonly #byProcess = new Map<string, Member>();
  readonly #byAddress = new Map<string, Member>();
  /** When data nodes were evicted within the last lease. */
  #evictions: number[] = [];
  #tickedMs = -Infinity;

  constructor(config: MembershipConfig) {
    this.#config = config;
  }

  /** All members, in order of joining. */
  all(): Iterable<Member> {
    return this.#byProcess.values();
  }

  /** Members of a role. */
  of(role: NodeRole): Member[] {
    return [...this.#byProcess.values()].filter((member) => member.record.role === role);
  }

  get(processId: string): Member | undefined {
    return this.#byProcess.get(processId);
  }

  /** The member of a role at an address. */
  at(role: NodeRole, address: string): Member | undefined {
    return this.#byAddress.get(`${role} ${address}`);
  }

  get size(): number {
    return this.#byProcess.size;
  }

  /** A data node that the table names, before it was heard from: it counts as alive until its lease says otherwise. */
  expect(record: NodeRecord, nowMs: number): void {
    if (this.at(record.role, record.address) !== undefined) return;
    const member = newMember(record, nowMs);
    member.heard = false;
    member.connected = false;
    this.#add(member);
  }

  /** A node said that it lives. */
  beat(record: NodeRecord, publishers: number, nowMs: number): BeatOutcome {
    const known = this.#byProcess.get(record.processId);
    if (known !== undefined && known.record.address === record.address) {
      const changed = !known.heard || differs(known.record, record);
      known.record = record;
      known.heard = true;
      known.connected = true;
      known.lastBeatMs = nowMs;
      known.publishers = publishers;
      known.verdict = 'none';
      return { kind: 'known', replaced: null, changed };
    }
    const before = known ?? this.at(record.role, record.address) ?? null;
    if (before !== null && before.heard && this.#outlives(before, record, nowMs)) {
      return { kind: 'stale', replaced: null, changed: false };
    }
    if (before === null && this.#byProcess.size >= this.#config.membersMax) {
      return { kind: 'full', replaced: null, changed: false };
    }
    if (before !== null) this.remove(before);
    const member = newMember(record, nowMs);
    member.publishers = publishers;
    this.#add(member);
    return { kind: 'joined', replaced: before, changed: true };
  }

  /** Its connection is gone. */
  closed(processId: string, nowMs: number): void {
    const member = this.#byProcess.get(processId);
    if (member === undefined || !member.connected) return;
    member.connected = false;
    member.closedMs = nowMs;
    member.probedMs = -Infinity;
  }

  remove(member: Member): void {
    const { processId, role, address } = member.record;
    if (this.#byProcess.get(processId) === member) this.#byProcess.delete(processId);
    const key = `${role} ${address}`;
    if (this.#byAddress.get(key) === member) this.#byAddress.delete(key);
  }

  /** Peers answered: the least span since any of them heard from the suspect, Infinity when never. */
  probed(processId: string, heardMsAgo: number, nowMs: number): void {
    const member = this.#byProcess.get(processId);
    if (member === undefined || !this.#suspect(member, nowMs)) return;
    // Whom this leader has not heard either may be bound to another meta; a peer without a link to it knows nothing.
    if (!member.heard && heardMsAgo >= NEVER_HEARD_MS) return;
    member.verdict = heardMsAgo <= this.#config.peerHeardMs ? 'alive' : 'dead';
    member.verdictMs = nowMs;
  }

  /**
   * Looks at all leases.
   * @param mayEvict false while the leader only listens
   * @param evictShare share of the data nodes that may be evicted within one lease, 0 to 1; an operator may say 1
   * @param pick a number in [0, 1), to choose whom to ask
   */
  tick(nowMs: number, mayEvict: boolean, evictShare: number, pick: () => number): TickOutcome {
    this.#forgivePause(nowMs);
    const probes: ProbeOrder[] = [];
    const doomed: Member[] = [];
    for (const member of this.#byProcess.values()) {
      if (!this.#suspect(member, nowMs)) continue;
      if (this.#dead(member, nowMs)) doomed.push(member);
      if (nowMs - member.probedMs < this.#config.probeMs) continue;
      member.probedMs = nowMs;
      const ask = this.#peersOf(member, nowMs, pick);
      // Whom nobody can be asked about keeps its lease: a leader that hears nobody may itself be what is cut off.
      if (ask.length > 0) probes.push({ member, ask });
    }
    if (!mayEvict) return { probes, evicted: [], held: [] };
    return { probes, ...this.#guard(doomed, evictShare, nowMs) };
  }

  /** If we ourselves were stopped for a while, nobody else is to blame for the silence: all times move on by as much. */
  #forgivePause(nowMs: number): void {
    const gapMs = nowMs - this.#tickedMs;
    this.#tickedMs = nowMs;
    if (gapMs < this.#config.beatMs * PAUSE_BEATS || gapMs === Infinity) return;
    for (const member of this.#byProcess.values()) {
      member.lastBeatMs = Math.min(nowMs, member.lastBeatMs + gapMs);
      member.closedMs = Math.min(nowMs, member.closedMs + gapMs);
    }
  }

  #guard(doomed: Member[], evictShare: number, nowMs: number): { evicted: Member[]; held: Member[] } {
    this.#evictions = this.#evictions.filter((atMs) => nowMs - atMs < this.#config.nodeLeaseMs);
    const population = this.of('data').length + this.#evictions.length;
    const allowed = Math.max(1, Math.floor(population * evictShare)) - this.#evictions.length;
    const data = doomed.filter((member) => member.record.role === 'data');
    data.sort((a, b) => a.lastBeatMs - b.lastBeatMs);
    const held = data.slice(Math.max(0, allowed));
    const evicted = doomed.filter((member) => !held.includes(member));
    for (const member of evicted) {
      if (member.record.role === 'data') this.#evictions.push(nowMs);
      this.remove(member);
    }
    return { evicted, held };
  }

  #suspect(member: Member, nowMs: number): boolean {
    if (member.heard && !member.connected) return true;
    return nowMs - member.lastBeatMs >= this.#config.beatMs * this.#config.missedBeatsMax;
  }

  #dead(member: Member, nowMs: number): boolean {
    const { nodeLeaseMs, closedGraceMs } = this.#config;
    if (nowMs - member.lastBeatMs >= nodeLeaseMs) return true;
    if (member.verdict !== 'dead') return false;
    return member.connected || !member.heard || nowMs - member.closedMs >= closedGraceMs;
  }

  /** Up to three members that are themselves beyond doubt. */
  #peersOf(suspect: Member, nowMs: number, pick: () => number): Member[] {
    const peers = [...this.#byProcess.values()].filter(
      (peer) =>
        peer !== suspect && peer.record.role !== 'meta' && peer.connected && !this.#suspect(peer, nowMs),
    );
    const ask: Member[] = [];
    // Every session has a link to every data node; among data nodes only those that share slots have one.
    const others = peers.filter((peer) => peer.record.role !== suspect.record.role);
    const same = peers.filter((peer) => peer.record.role === suspect.record.role);
    for (const group of [others, same]) {
      while (ask.length < PROBE_PEERS_MAX && group.length > 0) {
        ask.push(...group.splice(Math.floor(pick() * group.length), 1));
      }
    }
    return ask;
  }

  /** True if the member at the address is younger than the newcomer and lives: then the newcomer's beat is late. */
  #outlives(member: Member, record: NodeRecord, nowMs: number): boolean {
    return member.record.startedMs > record.startedMs && member.connected && !this.#suspect(member, nowMs);
  }

  #add(member: Member): void {
    this.#byProcess.set(member.record.processId, member);
    this.#byAddress.set(`${member.record.role} ${member.record.address}`, member);
  }
}

function newMember(record: NodeRecord, nowMs: number): Member {
  return {
    record,
    heard: true,
    connected: true,
    lastBeatMs: nowMs,
    closedMs: nowMs,
    publishers: 0,
    probedMs: -Infinity,
    verdict: 'none',
    verdictMs: 0,
  };
}

/** True if the records differ in more than the weight. */
function differs(a: NodeRecord, b: NodeRecord): boolean {
  return (
    a.draining !== b.draining ||
    a.zone !== b.zone ||
    a.httpAddress !== b.httpAddress ||
    a.dataCenter !== b.dataCenter ||
    a.startedMs !== b.startedMs
  );
}
