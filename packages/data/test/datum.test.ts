/** A datum's list of publishers in its three forms, and where payloads lie. */
import { packBoxes } from '@sofa-registry/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Datum } from '../src/datum.ts';
import { Origins } from '../src/origins.ts';
import { Owner } from '../src/owner.ts';
import { PayloadSlabs } from '../src/payload-slabs.ts';
import { StoredPublisher } from '../src/stored-publisher.ts';
import { record } from './support/records.ts';

const slabs = new PayloadSlabs();
const owner = new Owner('A', 0, 3);

function stored(registerId: string, version = 1, text = registerId): StoredPublisher {
  const value = record(registerId, version, 5, text);
  slabs.keep(value.payload);
  return new StoredPublisher(value, new Origins(4).of(value, owner), slabs);
}

describe('publishers of a datum', () => {
  it('behave like a map, whether there are none, one or many', () => {
    const step = fc.record({ put: fc.boolean(), id: fc.constantFrom('a', 'b', 'c', 'd') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const datum = new Datum('x', 1, 0);
        const model = new Map<string, StoredPublisher>();
        steps.forEach(({ put, id }, version) => {
          if (put) {
            const value = stored(id, version);
            datum.put(value);
            model.set(id, value);
          } else {
            datum.remove(id);
            model.delete(id);
          }
          const { publishers } = datum;
          expect(publishers.size).toBe(model.size);
          expect(new Set(publishers.keys())).toEqual(new Set(model.keys()));
          expect(new Set(publishers.values())).toEqual(new Set(model.values()));
          for (const name of ['a', 'b', 'c', 'd']) {
            expect(publishers.get(name)).toBe(model.get(name));
            expect(publishers.has(name)).toBe(model.has(name));
          }
        });
      }),
    );
  });

  it('may be removed while they are walked through', () => {
    const datum = new Datum('x', 1, 0);
    for (const id of ['a', 'b', 'c']) datum.put(stored(id));
    const seen: string[] = [];
    for (const { registerId } of datum.publishers.values()) {
      seen.push(registerId);
      datum.remove(registerId);
    }
    expect(seen).toEqual(['a', 'b', 'c']);
    expect(datum.publishers.size).toBe(0);
  });
});

describe('a stored publisher', () => {
  it('gives back what was kept, for payloads of every size', () => {
    for (const size of [0, 1, 2, 300, 4096, 4097, 70_000]) {
      const value = {
        ...record('r', 2 ** 40, 1_700_000_000_000 * 4096, '', 'ZONE'),
        clientTimestamp: 1_732_000_000_123,
        payload: size === 0 ? packBoxes([]) : packBoxes(['x'.repeat(size)]),
      };
      slabs.keep(value.payload);
      const kept = new StoredPublisher(value, new Origins(4).of(value, owner), slabs);
      expect(kept.payload.equals(value.payload)).toBe(true);
      expect(kept.bytes).toBe(value.payload.length);
      expect(kept.sameContent(value)).toBe(true);
      const again = new StoredPublisher({ ...value, stamp: 7 }, new Origins(4).of(value, owner), kept);
      expect(again.payload.equals(value.payload)).toBe(true);
      expect({ ...value, payload: null }).toEqual({
        registerId: kept.registerId,
        version: kept.version,
        stamp: kept.stamp,
        zone: kept.zone,
        appName: kept.appName,
        clientAddress: kept.clientAddress,
        clientTimestamp: kept.clientTimestamp,
        attributes: null,
        payload: null,
      });
    }
  });

  it('shares what a client has in common, and only that', () => {
    const origins = new Origins(2);
    const one = record('a', 1, 1);
    expect(origins.of(one, owner)).toBe(origins.of({ ...record('b', 2, 2) }, owner));
    expect(origins.of({ ...one, zone: 'OTHER' }, owner)).toMatchObject({ zone: 'OTHER', owner });
    const other = new Owner('B', 0, 5);
    expect(origins.of(one, other)).toMatchObject({ owner: other, zone: one.zone });
    for (let i = 0; i < 10; i++) {
      const clientAddress = `10.0.0.1:${i}`;
      expect(origins.of({ ...one, clientAddress }, owner)).toMatchObject({ clientAddress });
    }
  });
});
