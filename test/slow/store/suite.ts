/** The contract and the faults, on a real server. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { isStoreError, type MetaStore, openStore, type StoreOptions } from '@sofa-registry/store';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeMetaStore, type StoreWorld } from '../../../packages/store/test/contract.ts';
import { codeOf } from '../../../packages/store/test/contract-lease.ts';
import { eventually, realPorts, sleep } from './real-time.ts';
import { freePort, missingServer, type RealServer, type ServerKind, startServer } from './servers.ts';

/** Figures of a kind of store. */
export interface SuiteFigures {
  /** Shortest lease the store keeps exactly, ms. */
  readonly ttlMs: number;
  /** Steps of its clock that tell ages apart, ms. */
  readonly ageStepMs: number;
}

let clusters = 0;

/** A call must be answered, or given up, within this (12.5, 6) plus what a busy test machine needs. */
const FAIL_FAST_MS = 2_500;

/** Registers the whole suite, or one visible line that says what was left out. */
export function describeRealStore(kind: ServerKind, figures: SuiteFigures): void {
  const missing = missingServer(kind);
  if (missing !== null) {
    console.warn(`*** ${missing}`);
    describe(`MetaStore on ${kind}`, () => {
      it(missing, () => expect(missingServer(kind)).toBe(missing));
    });
    return;
  }
  let server: RealServer;
  beforeAll(async () => {
    server = await startServer(kind);
  });
  afterAll(async () => {
    await server.stop();
  });
  describe(`${kind} when it is empty`, () => {
    it('lets many processes create the schema at once', async () => {
      const stores = await Promise.all(
        Array.from({ length: 8 }, () => openStore({ url: server.url, cluster: 'first' }, realPorts())),
      );
      const codes = await Promise.all(stores.map((s) => codeOf(s.docs.put('k', 'v', { expect: 'absent' }))));
      expect(codes.filter((code) => code === 'done')).toHaveLength(1);
      for (const store of stores) await store.close();
    });
  });
  describeMetaStore(kind, true, () => Promise.resolve(realWorld(server, figures)));
  describeFaults(kind, () => server, figures);
}

function realWorld(server: RealServer, figures: SuiteFigures): StoreWorld {
  const opened: MetaStore[] = [];
  const cluster = `test-${clusters++}`;
  return {
    ...figures,
    monoMs: () => performance.now(),
    pass: sleep,
    async open(other) {
      const name = other === undefined ? cluster : `${cluster}-${other}`;
      const store = await openStore({ url: server.url, cluster: name, pollMs: 100 }, realPorts());
      opened.push(store);
      return store;
    },
    async stop() {
      for (const store of opened) await store.close();
    },
  };
}

/** Runs a call that must fail fast; gives its code and how long it took. */
async function timed(call: Promise<unknown>): Promise<{ code: string; ms: number }> {
  const start = performance.now();
  const code = await codeOf(call);
  return { code, ms: performance.now() - start };
}

function describeFaults(kind: ServerKind, server: () => RealServer, { ttlMs }: SuiteFigures): void {
  describe(`${kind} under faults`, () => {
    const opened: MetaStore[] = [];
    const children: ChildProcess[] = [];
    let cluster = '';
    const options = (): StoreOptions => ({ url: server().url, cluster, pollMs: 100 });
    const open = async (): Promise<MetaStore> => {
      const store = await openStore(options(), realPorts());
      opened.push(store);
      return store;
    };
    const works = (store: MetaStore): Promise<true> =>
      eventually('the store to work again', 30_000, async () =>
        (await codeOf(store.docs.put('probe', 'x', { expect: 'any' }))) === 'done' ? true : undefined,
      );
    beforeAll(() => {
      cluster = `faults-${clusters++}`;
    });
    afterEach(async () => {
      cluster = `faults-${clusters++}`;
      for (const child of children.splice(0)) child.kill('SIGKILL');
      for (const store of opened.splice(0)) await store.close();
    });
    /** Another process that holds the lock and answers commands over IPC. */
    const holder = async (): Promise<{ child: ChildProcess; ask: (command: object) => Promise<unknown> }> => {
      const child = fork(join(import.meta.dirname, 'holder.ts'), [JSON.stringify(options())], {
        execArgv: ['--conditions=development'],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      children.push(child);
      await once(child, 'message');
      const ask = async (command: object): Promise<unknown> => {
        const answer = once(child, 'message');
        child.send(command);
        return (await answer)[0] as unknown;
      };
      return { child, ask };
    };

    it("gives 16 processes' worth of contenders one holder, over many expiries", async () => {
      const stores = await Promise.all(Array.from({ length: 16 }, () => open()));
      let last = 0;
      for (let round = 0; round < 4; round += 1) {
        const winners = await eventually('a winner', 30_000, async () => {
          const infos = await Promise.all(
            stores.map((s, i) => s.lease.tryAcquire(`10.0.0.${i}:9610`, ttlMs)),
          );
          const mine = infos.filter((info) => info.mine && info.term > last);
          return mine.length > 0 ? mine : undefined;
        });
        expect(winners).toHaveLength(1);
        expect(winners[0].term).toBeGreaterThan(last);
        last = winners[0].term;
        await eventually('the lock to run out', 30_000, async () =>
          (await stores[round].lease.observe()).owner === null ? true : undefined,
        );
      }
    });

    it('fails fast while the server is dead, and works again with the same handle', async () => {
      const store = await open();
      const { version } = await store.docs.put('k', 'v', { expect: 'any' });
      await server().kill();
      for (let round = 0; round < 2; round += 1) {
        for (const call of [
          () => store.ping(),
          () => store.docs.get('k'),
          () => store.docs.put('k', 'w', { expect: version }),
          () => store.lease.tryAcquire('10.0.0.1:9610', 10_000),
          () => store.clientAddresses.scan(0, 10),
        ]) {
          const { code, ms } = await timed(call());
          expect(code).toMatch(/^SR_STORE_(UNAVAILABLE|UNKNOWN)$/);
          expect(ms).toBeLessThan(FAIL_FAST_MS);
        }
      }
      expect(await codeOf(openStore(options(), realPorts()))).toBe('SR_STORE_UNAVAILABLE');
      await server().restart();
      await works(store);
      expect((await store.docs.get('k'))?.value).toBe('v');
    });

    it('fails fast while the server is frozen; writes are unknown, and never half done', async () => {
      const store = await open();
      const { version } = await store.docs.put('k', 'v', { expect: 'any' });
      await server().freeze();
      const read = await timed(store.docs.get('k'));
      const write = await timed(store.docs.put('k', 'w', { expect: version }));
      const opening = await timed(openStore(options(), realPorts()));
      server().thaw();
      expect(read.code).toBe('SR_STORE_UNAVAILABLE');
      expect(write.code).toMatch(/^SR_STORE_(UNAVAILABLE|UNKNOWN)$/);
      expect(opening.code).toBe('SR_STORE_UNAVAILABLE');
      for (const { ms } of [read, write, opening]) expect(ms).toBeLessThan(FAIL_FAST_MS);
      await works(store);
      const doc = await store.docs.get('k');
      const { docs } = await store.docs.list('k');
      expect(docs).toEqual([doc]);
      expect(doc?.value === 'w' ? doc.version > version : doc?.version === version).toBe(true);
    });

    it('lets a watch go on without loss after the server was killed', async () => {
      const [reader, writer] = [await open(), await open()];
      const seen: (string | null)[] = [];
      const reading = (async () => {
        for await (const event of reader.docs.watch('w', 0)) {
          if (event.kind === 'changes') seen.push(...event.changes.map((c) => c.value));
          else seen.push('reset');
        }
      })();
      await writer.docs.put('w', '1', { expect: 'any' });
      await eventually('the first change', 10_000, () => (seen.length === 1 ? true : undefined));
      await server().kill();
      await server().restart();
      await works(writer);
      await writer.docs.put('w', '2', { expect: 'any' });
      await writer.docs.put('w', '3', { expect: 'any' });
      await eventually('the later changes', 20_000, () => (seen.length >= 3 ? true : undefined));
      expect(seen).toEqual(['1', '2', '3']);
      await reader.close();
      await reading;
    });

    it('keeps terms and versions rising over a crash of the server', async () => {
      const store = await open();
      const lease = await store.lease.tryAcquire('10.0.0.1:9610', ttlMs);
      const { version } = await store.docs.put('k', 'v', { expect: 'any', fence: lease });
      const { seq } = await store.interfaces.upsert([{ interfaceName: 'i', appName: 'a' }]);
      await server().kill();
      await server().restart();
      await works(store);
      const again = await eventually('a new term', 30_000, async () => {
        const info = await store.lease.tryAcquire('10.0.0.1:9610', ttlMs).catch(() => undefined);
        return info?.mine ? info : undefined;
      });
      expect(again.term).toBeGreaterThanOrEqual(lease.term);
      expect((await store.docs.put('k', 'w', { expect: version })).version).toBeGreaterThan(version);
      expect((await store.interfaces.upsert([{ interfaceName: 'j', appName: 'a' }])).seq).toBeGreaterThan(
        seq,
      );
    });

    it('fences a holder that was stopped past its ttl and then writes on its open connection', async () => {
      const paused = await holder();
      const old = (await paused.ask({ acquire: ttlMs })) as { term: number };
      expect(await paused.ask({ put: 'in time', term: old.term })).toBe('done');
      paused.child.kill('SIGSTOP');
      const store = await open();
      const fresh = await eventually('the lock', 30_000, async () => {
        const info = await store.lease.tryAcquire('10.0.0.2:9610', 60_000);
        return info.mine ? info : undefined;
      });
      expect(fresh.term).toBeGreaterThan(old.term);
      await store.docs.put('table', 'of the new leader', { expect: 'any', fence: fresh });
      paused.child.kill('SIGCONT');
      expect(await paused.ask({ put: 'too late', term: old.term })).toBe('SR_STORE_FENCED');
      expect(await paused.ask({ renew: old.term })).toBe('SR_STORE_LEASE_LOST');
      expect((await store.docs.get('table'))?.value).toBe('of the new leader');
    });

    it('is not blocked by a writer that was stopped in the middle of its writes', async () => {
      const paused = await holder();
      const old = (await paused.ask({ acquire: ttlMs })) as { term: number };
      // It writes fenced documents without pause; wherever the signal hits, the next leader must get through.
      expect(await paused.ask({ storm: old.term })).toBe('started');
      await sleep(300);
      paused.child.kill('SIGSTOP');
      const store = await open();
      const fresh = await eventually('the lock', 20_000, async () => {
        const info = await store.lease.tryAcquire('10.0.0.2:9610', 60_000).catch((error: unknown) => {
          expect(isStoreError(error)).toBe(true);
          return undefined;
        });
        return info?.mine ? info : undefined;
      });
      await eventually('a write', 10_000, async () =>
        (await codeOf(store.docs.put('table', 'new', { expect: 'any', fence: fresh }))) === 'done'
          ? true
          : undefined,
      );
      paused.child.kill('SIGCONT');
      await sleep(500);
      expect((await store.docs.get('table'))?.value).toBe('new');
    });

    it('hands the lock of a killed process on after its ttl', async () => {
      const dying = await holder();
      const old = (await dying.ask({ acquire: ttlMs })) as { term: number };
      dying.child.kill('SIGKILL');
      const store = await open();
      const fresh = await eventually('the lock', 30_000, async () => {
        const info = await store.lease.tryAcquire('10.0.0.1:9610', 60_000);
        return info.mine ? info : undefined;
      });
      expect(fresh.term).toBeGreaterThan(old.term);
    });

    it('says in one line that the address is wrong', async () => {
      const bad = server().url.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${await freePort()}`);
      const { code, ms } = await timed(openStore({ url: bad, cluster }, realPorts()));
      expect(code).toBe('SR_STORE_UNAVAILABLE');
      expect(ms).toBeLessThan(FAIL_FAST_MS);
    });
  });
}
