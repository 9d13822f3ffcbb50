/** Contract: watches of documents. */
import { describe, expect, it } from 'vitest';
import { type DocChange, type DocEvent, type MetaStore, STORE_LIMITS } from '../src/index.ts';
import { type Suite, until } from './contract.ts';

/** Reads a watch in the background; what came is in `seen`. */
class Follower {
  readonly seen: DocChange[] = [];
  reset = false;
  ended = false;
  revision: number;
  private readonly abort = new AbortController();

  constructor(store: MetaStore, prefix: string, from: number) {
    this.revision = from;
    void this.run(store.docs.watch(prefix, from, this.abort.signal));
  }

  stop(): void {
    this.abort.abort();
  }

  private async run(events: AsyncIterable<DocEvent>): Promise<void> {
    for await (const event of events) {
      if (event.kind === 'reset') {
        this.reset = true;
        continue;
      }
      this.seen.push(...event.changes);
      this.revision = event.revision;
    }
    this.ended = true;
  }
}

export function describeWatch(suite: Suite, shared: boolean): void {
  const count = (f: Follower, n: number): Promise<true> =>
    until(suite.world, () => (f.seen.length >= n ? true : undefined));
  const short = (changes: readonly DocChange[]): string[] => changes.map((c) => `${c.key}=${c.value}`);

  describe('watch', () => {
    it('yields every change after the revision, in commit order, removals included', async () => {
      const store = await suite.world.open();
      await store.docs.put('before', 'x', { expect: 'any' });
      const { revision } = await store.docs.list('');
      const follower = new Follower(store, '', revision);
      await store.docs.put('a', '1', { expect: 'any' });
      await store.docs.put('a', '2', { expect: 'any' });
      await store.docs.remove('a', { expect: 'any' });
      await store.docs.put('b', '3', { expect: 'any' });
      const { version } = await store.docs.put('a', '4', { expect: 'any' });
      await count(follower, 5);
      expect(short(follower.seen)).toEqual(['a=1', 'a=2', 'a=null', 'b=3', 'a=4']);
      expect(follower.seen[4].version).toBe(version);
      expect(follower.revision).toBe(version);
    });

    it('starts at the beginning with revision 0', async () => {
      const store = await suite.world.open();
      await store.docs.put('a', '1', { expect: 'any' });
      await store.docs.put('b', '2', { expect: 'any' });
      const follower = new Follower(store, '', 0);
      await count(follower, 2);
      expect(short(follower.seen)).toEqual(['a=1', 'b=2']);
    });

    it('yields only keys with the prefix', async () => {
      const store = await suite.world.open();
      const follower = new Follower(store, 'p/', 0);
      for (const key of ['p/1', 'q/1', 'p', 'p/2']) await store.docs.put(key, 'v', { expect: 'any' });
      await count(follower, 2);
      expect(short(follower.seen)).toEqual(['p/1=v', 'p/2=v']);
    });

    it('resumes on another handle from where the first stopped, without loss or repetition', async () => {
      const store = await suite.world.open();
      const first = new Follower(store, '', 0);
      await store.docs.put('k', '1', { expect: 'any' });
      await count(first, 1);
      first.stop();
      await until(suite.world, () => (first.ended ? true : undefined));
      await store.docs.put('k', '2', { expect: 'any' });
      await store.docs.put('k', '3', { expect: 'any' });
      await store.close();
      const again = await suite.world.open();
      const second = new Follower(again, '', first.revision);
      await again.docs.put('k', '4', { expect: 'any' });
      await count(second, 3);
      expect(short(first.seen)).toEqual(['k=1']);
      expect(short(second.seen)).toEqual(['k=2', 'k=3', 'k=4']);
    });

    it('shows what concurrent writers did, each change once, in the order of their versions', async () => {
      const first = await suite.world.open();
      const stores = shared ? [first, await suite.world.open(), await suite.world.open()] : [first];
      const follower = new Follower(first, '', 0);
      const writer = async (store: MetaStore, id: number): Promise<number[]> => {
        const versions: number[] = [];
        for (let i = 0; i < 15; i += 1) {
          versions.push((await store.docs.put(`w${id}`, String(i), { expect: 'any' })).version);
        }
        return versions;
      };
      const written = await Promise.all([0, 1, 2].map((id) => writer(stores[id % stores.length], id)));
      const versions = written.flat().sort((a, b) => a - b);
      await count(follower, versions.length);
      expect(follower.seen.map((c) => c.version)).toEqual(versions);
      expect(follower.seen.filter((c) => c.key === 'w1').map((c) => c.value)).toEqual(
        Array.from({ length: 15 }, (_, i) => String(i)),
      );
    });

    it('tells a watcher that is too far behind to list again', async () => {
      const store = await suite.world.open();
      const { version } = await store.docs.put('k', 'first', { expect: 'any' });
      for (let i = 0; i <= STORE_LIMITS.docChangesMax; i += 1) {
        await store.docs.put('k', String(i), { expect: 'any' });
      }
      const follower = new Follower(store, '', version);
      await until(suite.world, () => (follower.ended ? true : undefined));
      expect(follower.reset).toBe(true);
      expect(follower.seen).toEqual([]);
      const { docs, revision } = await store.docs.list('');
      expect(docs.map((d) => d.value)).toEqual([String(STORE_LIMITS.docChangesMax)]);
      const next = new Follower(store, '', revision);
      await store.docs.put('k', 'next', { expect: 'any' });
      await count(next, 1);
      expect(short(next.seen)).toEqual(['k=next']);
    });

    it('remembers changes up to the bound', async () => {
      const store = await suite.world.open();
      const { version } = await store.docs.put('k', 'first', { expect: 'any' });
      for (let i = 0; i < STORE_LIMITS.docChangesMax; i += 1) {
        await store.docs.put('k', String(i), { expect: 'any' });
      }
      const follower = new Follower(store, '', version);
      await count(follower, STORE_LIMITS.docChangesMax);
      expect(follower.reset).toBe(false);
      expect(follower.seen).toHaveLength(STORE_LIMITS.docChangesMax);
    });

    it('forgets changes by bytes too', async () => {
      const store = await suite.world.open();
      const mb = 'x'.repeat(STORE_LIMITS.docBytesMax);
      const { version } = await store.docs.put('k', 'small', { expect: 'any' });
      const fits = Math.floor(STORE_LIMITS.docChangeBytesMax / mb.length);
      for (let i = 0; i < fits + 1; i += 1) await store.docs.put('k', mb, { expect: 'any' });
      const follower = new Follower(store, '', version);
      await until(suite.world, () => (follower.ended ? true : undefined));
      expect(follower.reset).toBe(true);
    });

    it('resets for a revision the store never had', async () => {
      const store = await suite.world.open();
      const { version } = await store.docs.put('k', 'v', { expect: 'any' });
      const future = new Follower(store, '', version + 1_000_000);
      const between = new Follower(store, '', version - 1);
      await until(suite.world, () => (future.ended && between.ended ? true : undefined));
      expect([future.reset, between.reset]).toEqual([true, true]);
    });

    it('ends when it is aborted and when the store is closed', async () => {
      const store = await suite.world.open();
      const aborted = new Follower(store, '', 0);
      const closed = new Follower(store, '', 0);
      await store.docs.put('k', 'v', { expect: 'any' });
      await count(aborted, 1);
      await count(closed, 1);
      aborted.stop();
      await until(suite.world, () => (aborted.ended ? true : undefined));
      expect(closed.ended).toBe(false);
      await store.close();
      await until(suite.world, () => (closed.ended ? true : undefined));
      expect([aborted.reset, closed.reset]).toEqual([false, false]);
    });

    if (shared) {
      it('hears of the writes of other processes', async () => {
        const [reader, writer] = [await suite.world.open(), await suite.world.open()];
        const follower = new Follower(reader, '', 0);
        await writer.docs.put('k', 'from afar', { expect: 'any' });
        await count(follower, 1);
        expect(short(follower.seen)).toEqual(['k=from afar']);
      });
    }
  });
}
