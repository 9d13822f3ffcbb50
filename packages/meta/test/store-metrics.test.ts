import { ManualClock, seededRandom } from '@sofa-registry/runtime';
import { MemoryStoreBackend, memoryStore } from '@sofa-registry/store';
import { expect, it } from 'vitest';
import { storeMetrics } from '../src/index.ts';

it('counts calls of the store, errors by code, lost answers, and their time', async () => {
  const clock = new ManualClock();
  const backend = new MemoryStoreBackend({ clock });
  const { set, observer } = storeMetrics();
  const store = memoryStore(backend, { random: seededRandom(1), clock, observer });
  const values = (name: string): Record<string, number> =>
    Object.fromEntries(
      (
        set
          .families()
          .find((family) => family.name === `sofa_registry_store_${name}`)
          ?.samples() ?? []
      ).map(({ labelValues, value, count }) => [labelValues.join(' '), count ?? value]),
    );
  await store.open();
  await store.docs.put('k', 'v', { expect: 'absent' });
  await expect(store.docs.put('k', 'w', { expect: 'absent' })).rejects.toThrow();
  backend.setDropAnswers(true);
  const lost = expect(store.docs.put('k', 'w', { expect: 'any' })).rejects.toMatchObject({
    outcome: 'unknown',
  });
  await clock.advance(5000);
  await lost;
  backend.setDropAnswers(false);
  backend.setAvailable(false);
  await expect(store.docs.get('k')).rejects.toThrow();
  expect(values('operations_total')).toEqual({
    'memory open': 1,
    'memory doc_write': 3,
    'memory doc_get': 1,
  });
  expect(values('errors_total')).toEqual({
    'memory doc_write SR_STORE_CONFLICT': 1,
    'memory doc_write SR_STORE_UNKNOWN': 1,
    'memory doc_get SR_STORE_UNAVAILABLE': 1,
  });
  expect(values('unknown_outcomes_total')).toEqual({ memory: 1 });
  expect(values('operation_ms')).toEqual({ '': 5 });
  await store.close();
});
