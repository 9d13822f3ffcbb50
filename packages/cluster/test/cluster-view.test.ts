import { epochOf, NO_SLOT_TABLE, type NodeRecord, type SlotTable } from '@sofa-registry/model';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ViewParts, ViewState } from '../src/cluster-view.ts';
import { METAS_KNOWN_MAX } from '../src/limits.ts';

const table = (epoch: number): SlotTable => ({
  epoch,
  slots: [{ id: 0, leader: 'data:1', leaderEpoch: epoch, followers: [] }],
});
const parts = (term: number, more: Partial<ViewParts> = {}): ViewParts => ({
  term,
  table: null,
  membersRevision: 0,
  members: null,
  docsRevision: 0,
  docs: null,
  ...more,
});
const node = (address: string): NodeRecord => ({
  role: 'data',
  processId: `${address}/1/1`,
  address,
  httpAddress: '',
  zone: '',
  dataCenter: 'dc',
  startedMs: 1,
  weight: 0,
  draining: false,
});

describe('the view of a node', () => {
  it('starts empty', () => {
    const view = new ViewState(['m:1'], () => 5);
    expect(view.table).toBe(NO_SLOT_TABLE);
    expect(view.heardMetaMsAgo).toBe(Infinity);
    expect(view.metas).toEqual(['m:1']);
  });

  it('takes what it is given and says what changed', () => {
    const view = new ViewState([], () => 0);
    const docs = [{ key: '__proto__', value: 'x', version: 3 }];
    const given = parts(2, {
      table: table(9),
      membersRevision: 4,
      members: [node('a:1')],
      docsRevision: 3,
      docs,
    });
    expect(view.apply(given)).toEqual({ table: true, members: true, docs: true });
    expect(view.docs.get('__proto__')).toEqual({ value: 'x', version: 3 });
    expect(view.members[0].address).toBe('a:1');
    expect(view.apply(parts(2))).toEqual({ table: false, members: false, docs: false });
    expect(view.members).toHaveLength(1);
  });

  it('refuses a deposed leader whole', () => {
    const view = new ViewState([], () => 0);
    view.apply(parts(5, { table: table(epochOf(5, 1)), members: [node('a:1')], membersRevision: 1 }));
    expect(view.apply(parts(4, { table: table(epochOf(5, 9)), members: [], membersRevision: 2 }))).toBeNull();
    expect(view.members).toHaveLength(1);
    expect(view.table.epoch).toBe(epochOf(5, 1));
  });

  it('never goes back to an older table, whatever the order of messages', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ term: fc.nat(5), counter: fc.nat(5) }), { maxLength: 30 }),
        (messages) => {
          const view = new ViewState([], () => 0);
          let highest = 0;
          let term = 0;
          for (const message of messages) {
            const epoch = epochOf(message.term, message.counter);
            view.apply(parts(message.term, { table: table(epoch) }));
            if (message.term >= term) {
              term = message.term;
              highest = Math.max(highest, epoch);
            }
            expect(view.table.epoch).toBe(highest);
          }
        },
      ),
    );
  });

  it('remembers metas behind the configured ones, a bounded number', () => {
    const view = new ViewState(['m:1'], () => 0);
    view.learnMetas(['m:2', '', 'm:1']);
    expect(view.metas).toEqual(['m:1', 'm:2']);
    view.learnMetas(Array.from({ length: 1000 }, (_, i) => `x:${i}`));
    expect(view.metas.length).toBeLessThanOrEqual(METAS_KNOWN_MAX + 1);
    expect(view.metas[0]).toBe('m:1');
  });
});
