/** Records and ids for tests. */
import { type PublisherRecord, slotOf, toDataInfoId } from '@sofa-registry/model';
import { packBoxes, type WriteItem, WriteOp } from '@sofa-registry/wire';

export const SLOT_COUNT = 4;

export function record(
  registerId: string,
  version: number,
  stamp: number,
  text = 'x',
  zone = 'Z',
): PublisherRecord {
  return {
    registerId,
    version,
    stamp,
    zone,
    appName: 'app',
    clientAddress: '10.0.0.1:1',
    clientTimestamp: 0,
    attributes: null,
    payload: text === '' ? packBoxes([]) : packBoxes([text]),
  };
}

/** A dataInfoId of the slot. */
export function idOf(slot: number, n = 0): string {
  for (let i = 0; ; i++) {
    const id = toDataInfoId(`service-${n}-${i}`, 'I', 'G');
    if (slotOf(id, SLOT_COUNT) === slot) return id;
  }
}

export function publish(dataInfoId: string, value: PublisherRecord): WriteItem {
  return {
    op: WriteOp.publish,
    slot: slotOf(dataInfoId, SLOT_COUNT),
    dataInfoId,
    registerId: value.registerId,
    version: value.version,
    stamp: value.stamp,
    record: value,
  };
}

export function removal(
  op: typeof WriteOp.unpublish | typeof WriteOp.clientOff,
  dataInfoId: string,
  registerId: string,
  version: number,
  stamp: number,
): WriteItem {
  return { op, slot: slotOf(dataInfoId, SLOT_COUNT), dataInfoId, registerId, version, stamp, record: null };
}
