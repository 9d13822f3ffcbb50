/** Hot path. Access codes of requests for a slot (wire: AccessCode, reference/data-and-slots.md 3.3). */
import { AccessCode } from '@sofa-registry/wire';
import type { HeldSlot } from './held-slot.ts';
import type { NodeState } from './node-state.ts';

/** The slot, if this node leads it; writes are accepted then, whether it is readable or not. */
export function ledSlot(state: NodeState, slotId: number): HeldSlot | null {
  const slot = slotId < state.slots.length ? state.slots[slotId] : null;
  return slot?.leads ? slot : null;
}

/** Why {@link ledSlot} gave null. */
export function refusalCode(state: NodeState, slotId: number, callerEpoch: number): AccessCode {
  if (slotId >= state.slots.length) return AccessCode.unSupported;
  return callerEpoch > state.tableEpoch ? AccessCode.misMatch : AccessCode.moved;
}

/** Code of a read or a comparison of a slot that this node leads. */
export function readCode(slot: HeldSlot): AccessCode {
  return slot.readable ? AccessCode.accept : AccessCode.migrating;
}

/** A caller with a newer table: get it, too. */
export function noteEpoch(state: NodeState, callerEpoch: number): void {
  if (callerEpoch > state.tableEpoch) state.cluster.beatSoon();
}
