/** On a slot that changed hands, what one session has lost does not leave before the other sessions were heard (I6). */
import { WriteOp } from '@sofa-registry/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestCluster } from './support/cluster.ts';
import { idOf, record, removal } from './support/records.ts';
import { TestSession } from './support/session.ts';

const FIRST = 'data:1';
const NEXT = 'data:2';
const ID = idOf(1);
let cluster: TestCluster;
let left: TestSession;
let joined: TestSession;

/** A client of `left` has registered `client`, and the leader of all slots has died; both sessions are linked to the next one. */
beforeEach(async () => {
  cluster = new TestCluster();
  cluster.setTable(() => [FIRST, NEXT]);
  await cluster.startData(FIRST);
  await cluster.startData(NEXT);
  left = new TestSession(cluster, 'S1');
  joined = new TestSession(cluster, 'S2');
  cluster.setMembers([left.node, joined.node]);
  for (const session of [left, joined]) {
    await session.connect(FIRST);
    await session.sync();
  }
  await left.register(ID, record('client', 1, 0));
  await left.register(ID, record('other', 1, 0));
  await joined.fetch([ID]);
  await cluster.clock.advance(1000);
  await cluster.killData(FIRST);
  cluster.setTable(() => [NEXT, FIRST]);
  await left.connect(NEXT);
  await joined.connect(NEXT);
});
afterEach(() => cluster.stop());

const held = () => cluster.nodes.get(NEXT)?.state.slots[1].store?.data.get(ID)?.publishers;

/** The client's connection to `left` closed; `how` the leader hears of it. */
async function lose(how: 'told' | 'listed'): Promise<void> {
  const record = left.own.get(ID)?.get('client');
  left.own.get(ID)?.delete('client');
  if (how === 'listed') await left.sync();
  else await left.write([removal(WriteOp.clientOff, ID, 'client', 1, record?.stamp ?? 0)]);
}

describe.each(['told', 'listed'] as const)(
  'a publisher that left its session, %s before the other session was heard',
  (how) => {
    it('stays when its client is at the other session', async () => {
      await lose(how);
      expect(held()?.has('client')).toBe(true);
      joined.keep(ID, record('client', 1, joined.hybrid.next()));
      await joined.sync();
      await left.sync();
      expect(cluster.nodes.get(NEXT)?.state.slots[1].settled).toBe(true);
      expect(held()?.get('client')?.owner.processId).toBe('S2');
      await joined.refresh();
      expect(joined.ids(ID)).toEqual(['client', 'other']);
      for (const { removed } of joined.notices) expect(removed).toEqual([]);
    });

    it('leaves once all sessions were heard and none has it', async () => {
      await lose(how);
      await joined.sync();
      await left.sync();
      expect([...(held()?.keys() ?? [])]).toEqual(['other']);
      expect(joined.ids(ID)).toEqual(['other']);
    });

    it('leaves when the last ceiling passes, though the other session is never heard', async () => {
      await left.sync();
      await lose(how);
      await cluster.clock.advance(20_000);
      expect(held()?.has('client')).toBe(true);
      await cluster.clock.advance(11_000);
      expect(held()?.has('client')).toBe(false);
    });
  },
);

it('the lease of a dead session does not end on a slot before the living ones were heard', async () => {
  cluster.setMembers([joined.node]);
  left.channel?.destroy('died');
  await cluster.clock.advance(29_000);
  expect(held()?.size).toBe(2);
  joined.keep(ID, record('client', 1, joined.hybrid.next()));
  await joined.sync();
  await cluster.clock.advance(10_000);
  expect([...(held()?.keys() ?? [])]).toEqual(['client']);
});
