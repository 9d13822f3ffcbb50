/**
 * The slots of this node over time: applies tables, decides when a gained slot answers, hands slots over (reference/data-and-slots.md
 * 6.2, 6.3; design section 5). State before data: a slot that is lost is unreachable before its data is dropped (I14).
 */
import { epochTerm, type Slot, type SlotTable } from '@sofa-registry/model';
import type { SlotReport } from '@sofa-registry/cluster';
import { SlotRole } from '@sofa-registry/wire';
import type { HeldSlot, SessionCensus } from './held-slot.ts';
import type { NodeState } from './node-state.ts';
import { OpLog } from './op-log.ts';

/** What happens around slots. */
export interface SlotEvents {
  /** The slot began to answer, or its sessions are all known now. */
  opened(slot: HeldSlot): void;
  /** This node leads the slot no more (or anew): nobody is to be told of it any more. */
  closed(slot: HeldSlot): void;
  /** The slot was promoted here: asks `oldLeader` for its last changes. False if there is no link to it. */
  handOver(slot: HeldSlot, oldLeader: string): boolean;
  /** A table was applied. */
  tableApplied(): void;
}

/** What the board asks about followed copies. */
export interface CopyChecks {
  /** The copy still counts as complete. */
  copyComplete(slot: HeldSlot): boolean;
  /** It may be given the leadership by a planned move. */
  copyInStep(slot: HeldSlot): boolean;
}

/** The board. */
export class SlotBoard {
  readonly #state: NodeState;
  readonly #events: SlotEvents;
  readonly #copies: CopyChecks;
  #sessions: ReadonlySet<string> | null = null;
  /** Sessions that were listed or connected and are no more, until when they may still come back (monotonic ms). */
  readonly #departed = new Map<string, number>();

  constructor(state: NodeState, events: SlotEvents, copies: CopyChecks) {
    this.#state = state;
    this.#events = events;
    this.#copies = copies;
  }

  /** Sessions that may hold publishers. */
  get census(): SessionCensus {
    const { view } = this.#state.cluster;
    this.#sessions ??= this.#present();
    // A meta that has just taken over a table may not have heard all sessions that hold publishers from before. One that made the
    // first table has nobody to wait for.
    const firstTable = view.expectedPublishers === 0 && epochTerm(view.table.epoch) === view.term;
    return {
      present: this.#sessions,
      departed: this.#departed,
      complete: view.warm || firstTable,
    };
  }

  /**
   * Members or links changed, or time went by: decide again about every slot that waits for sessions. Who left counts for one lease
   * more: so long its publishers would stay if this node had not lost them, and their clients come back elsewhere meanwhile.
   */
  takeCensus(): void {
    const before = this.#sessions ?? new Set<string>();
    const present = this.#present();
    const untilMs = this.#state.nowMs() + this.#state.tunables.leaseMs;
    for (const processId of before)
      if (!present.has(processId) && !this.#departed.has(processId)) this.#departed.set(processId, untilMs);
    for (const processId of present) this.#departed.delete(processId);
    this.#sessions = present;
    this.#assessAll();
  }

  /** Ceilings and hand-overs have their times. */
  #assessAll(): void {
    const nowMs = this.#state.nowMs();
    for (const [processId, untilMs] of this.#departed) if (nowMs >= untilMs) this.#departed.delete(processId);
    for (const slot of this.#state.slots) {
      if (slot.role !== 'leader' || slot.settled) continue;
      if (slot.handOverUntilMs > 0 && nowMs >= slot.handOverUntilMs) this.handOverDone(slot, false);
      else this.#assess(slot);
    }
  }

  /** A session's publishers of the slot are all here. */
  heard(slot: HeldSlot, processId: string): void {
    if (slot.hear(processId, this.#state.nowMs())) this.#assess(slot);
  }

  /** The old leader's last changes are here (`whole`), or will not come. */
  handOverDone(slot: HeldSlot, whole: boolean): void {
    if (slot.handOverUntilMs === 0) return;
    slot.handOverUntilMs = 0;
    if (whole) this.#state.metrics.handOvers.value++;
    else this.#state.metrics.handOversFailed.value++;
    slot.readable = slot.complete;
    if (slot.readable) this.#events.opened(slot);
    this.#assess(slot);
  }

  /** Another node, `heir`, leads the slot from `leaderEpoch` on: stop leading below it at once (I1). */
  fence(slot: HeldSlot, leaderEpoch: number, heir: string): void {
    if (leaderEpoch <= slot.fencedBelow) return;
    slot.fencedBelow = leaderEpoch;
    if (slot.role === 'leader' && !slot.leads) {
      slot.complete = slot.readable;
      slot.readable = false;
      slot.handedTo(heir, this.#relayUntilMs());
      this.#events.closed(slot);
    }
  }

  /** Applies a table if it is newer than the last one. */
  apply(table: SlotTable): void {
    const state = this.#state;
    if (table.epoch <= state.tableEpoch) return;
    const { slots, metrics } = state;
    if (table.slots.length !== slots.length) {
      metrics.badMessages.value++;
      state.ports.logger.error('slot table refused: other slot count', { slots: table.slots.length });
      return;
    }
    state.tableEpoch = table.epoch;
    for (let id = 0; id < slots.length; id++) this.#applySlot(slots[id], table.slots[id]);
    this.#events.tableApplied();
  }

  /** What beats say of the slots held. */
  reports(): SlotReport[] {
    const reports: SlotReport[] = [];
    for (const slot of this.#state.slots) {
      if (slot.role === 'none' || slot.store === null) continue;
      reports.push({
        slot: slot.id,
        role: roleCode(slot),
        leaderEpoch: slot.leaderEpoch,
        sequence: slot.store.sequence,
        complete: slot.role === 'leader' ? slot.readable && !slot.partial : this.#copies.copyInStep(slot),
      });
    }
    return reports;
  }

  #applySlot(slot: HeldSlot, placed: Slot): void {
    const { address } = this.#state.identity;
    const leads = placed.leader === address;
    const oldLeader = slot.leader;
    if (placed.leaderEpoch < slot.leaderEpoch && slot.role !== 'none') {
      this.#state.metrics.badMessages.value++;
      return;
    }
    slot.leader = placed.leader;
    slot.followers = placed.followers;
    if (!leads && slot.leads) slot.handedTo(placed.leader, this.#relayUntilMs());
    if (leads) this.#lead(slot, placed, oldLeader);
    else if (placed.followers.includes(address)) this.#follow(slot, placed);
    else if (slot.role !== 'none') this.#drop(slot, placed);
    else slot.leaderEpoch = placed.leaderEpoch;
  }

  #lead(slot: HeldSlot, placed: Slot, oldLeader: string): void {
    const state = this.#state;
    const nowMs = state.nowMs();
    const samePeriod = slot.role === 'leader' && slot.leaderEpoch === placed.leaderEpoch;
    if (!samePeriod) {
      // Led before under another epoch: others led in between, so the copy may have gaps.
      if (slot.role === 'leader') this.#events.closed(slot);
      const complete = slot.role === 'follower' && this.#copies.copyComplete(slot);
      const promoted = slot.role === 'follower';
      slot.store ??= state.newStore(slot.id);
      slot.handOverStream = slot.store.stream;
      slot.handOverSequence = slot.store.sequence;
      slot.store.stream = state.newStream();
      slot.store.log = null;
      slot.gain(placed.leaderEpoch, complete, nowMs);
      if (promoted && state.tunables.handOverMs > 0 && oldLeader !== '') {
        slot.handOverUntilMs = nowMs + state.tunables.handOverMs;
        slot.readable = false;
        // A dead one cannot be asked; one that only meta lost sight of has more to give, and must stop leading.
        if (!this.#events.handOver(slot, oldLeader)) this.handOverDone(slot, false);
      } else if (slot.readable) this.#events.opened(slot);
    }
    this.#keepLog(slot);
    if (!samePeriod) this.#assess(slot);
  }

  #follow(slot: HeldSlot, placed: Slot): void {
    if (slot.role === 'leader') {
      // Demoted, not dropped: the copy stays, and its log until the new leader has what it lacks.
      const complete = slot.leads ? slot.readable : slot.complete;
      slot.lose('follower');
      slot.complete = complete;
      this.#events.closed(slot);
    } else if (slot.role === 'none') {
      slot.store = this.#state.newStore(slot.id);
      slot.complete = false;
      slot.role = 'follower';
    }
    slot.leaderEpoch = placed.leaderEpoch;
  }

  #drop(slot: HeldSlot, placed: Slot): void {
    const { store } = slot;
    const led = slot.role === 'leader';
    slot.lose('none');
    slot.leaderEpoch = placed.leaderEpoch;
    slot.complete = false;
    slot.store = null;
    if (led) this.#events.closed(slot);
    if (store !== null) this.#state.store.dropSlot(store);
  }

  #keepLog(slot: HeldSlot): void {
    const { store } = slot;
    const { opLogOpsMax, opLogBytesMax } = this.#state.tunables;
    if (store === null) return;
    if (slot.followers.length === 0) store.log = null;
    else store.log ??= new OpLog({ opsMax: opLogOpsMax, bytesMax: opLogBytesMax }, store.sequence + 1);
  }

  #relayUntilMs(): number {
    return this.#state.nowMs() + this.#state.tunables.relayMs;
  }

  #present(): Set<string> {
    const processIds = new Set<string>();
    for (const member of this.#state.cluster.view.members)
      if (member.role === 'session') processIds.add(member.processId);
    const silentMs = this.#state.nowMs() - this.#state.tunables.linkSilentMs;
    for (const link of this.#state.links) if (link.provesAlive(silentMs)) processIds.add(link.processId);
    return processIds;
  }

  #assess(slot: HeldSlot): void {
    const { tunables, metrics, ports } = this.#state;
    const wasReadable = slot.readable;
    const nowMs = this.#state.nowMs();
    if (!slot.assess(this.census, nowMs, tunables)) return;
    if (!wasReadable) metrics.migratingMs.observe(nowMs - slot.gainedMs);
    if (slot.givenUp) metrics.slotsGivenUp.value++;
    else if (slot.partial) {
      metrics.slotsPassedPartial.value++;
      ports.logger.debug('slot answers although sessions are missing', { slot: slot.id });
    }
    this.#events.opened(slot);
  }
}

function roleCode(slot: HeldSlot): number {
  if (slot.role === 'follower') return SlotRole.follower;
  if (!slot.readable) return SlotRole.migratingLeader;
  return slot.partial ? SlotRole.partialLeader : SlotRole.leader;
}
