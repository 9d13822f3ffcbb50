import { RollingDigest } from '@sofa-registry/model';
import { NO_BOXES } from '@sofa-registry/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClientConnection } from '../src/client-connection.ts';
import { RegistrationStore } from '../src/registry/registration-store.ts';
import type { SessionPublisher } from '../src/registry/registrations.ts';

const SLOTS = 4;

function connection(name: string): ClientConnection {
  return { address: name, publishers: null, watchers: null, registrations: 0 } as unknown as ClientConnection;
}

describe('registration store', () => {
  it('refuses ids that cannot be taken apart again, and takes special names', () => {
    const store = new RegistrationStore(SLOTS);
    expect(store.claim('a#@#b', 'i', 'g')).toBeNull();
    expect(store.claim('a', 'i', '')).toBeNull();
    expect(store.claim('x'.repeat(70_000), 'i', 'g')).toBeNull();
    for (const name of ['__proto__', 'constructor', 'toString']) {
      expect(store.claim(name, '__proto__', name)?.dataId).toBe(name);
      expect(store.find(`${name}#@#__proto__#@#${name}`)?.group).toBe(name);
    }
  });

  it('keeps digests, counts and indexes exact through any sequence', () => {
    const step = fc.record({
      id: fc.nat(4),
      register: fc.nat(3),
      client: fc.nat(2),
      act: fc.constantFrom('put', 'put', 'remove', 'close', 'hide'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const store = new RegistrationStore(SLOTS);
        let clients = [connection('c0'), connection('c1'), connection('c2')];
        const model = new Map<string, SessionPublisher>();
        let stamp = 0;
        for (const { id, register, client, act } of steps) {
          const key = `d${id} p${register}`;
          const held = model.get(key);
          if (act === 'put') {
            const service = store.claim(`d${id}`, 'i', 'g');
            if (service === null) throw new Error('refused');
            const publisher: SessionPublisher = {
              registerId: `p${register}`,
              version: 1,
              stamp: ++stamp,
              zone: 'z',
              appName: '',
              clientAddress: '',
              clientTimestamp: 0,
              attributes: null,
              payload: NO_BOXES,
              service,
              connection: clients[client],
              hidden: false,
            };
            expect(store.putPublisher(publisher)).toBe(held);
            model.set(key, publisher);
          } else if (act === 'remove' && held !== undefined) {
            store.removePublisher(held);
            model.delete(key);
          } else if (act === 'hide' && held !== undefined) store.hide(held);
          else if (act === 'close') {
            store.orphan(clients[client]);
            clients = clients.map((each, i) => (i === client ? connection(`c${stamp}`) : each));
          }
        }
        expect(store.counts.publishers).toBe(model.size);
        const digests = Array.from({ length: SLOTS }, () => new RollingDigest());
        for (const { service, registerId, version, stamp: at, hidden } of model.values()) {
          if (!hidden) digests[service.slot].add(service.hash, registerId, version, at);
        }
        expect(store.slots.map((slot) => slot.publishers.toHex())).toEqual(
          digests.map((digest) => digest.toHex()),
        );
        for (const client of clients) {
          const owned = [...model.values()].filter((each) => each.connection === client);
          expect([...(client.publishers ?? [])].every((each) => owned.includes(each))).toBe(true);
          expect(client.publishers?.size ?? 0).toBe(owned.length);
          expect(client.registrations).toBe(owned.length);
        }
        expect([...store.services.keys()].length).toBe(
          new Set([...model.values()].map((each) => each.service)).size,
        );
        for (const publisher of model.values()) store.removePublisher(publisher);
        expect(store.services.size).toBe(0);
        expect(store.slots.every((slot) => slot.services.size === 0 && slot.publishers.count === 0)).toBe(
          true,
        );
      }),
      { numRuns: 200 },
    );
  });
});
