import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Publication } from '../src/index.ts';
import { type Arrived, entry, type FakeOptions, type FakeSession, type Verdict } from './fake-session.ts';
import { World } from './world.ts';

const HOSTS = ['a', 'b', 'c'];
const HELLOS: NonNullable<FakeOptions['hello']>[] = ['welcome', 'welcome', 'refuse', 'hangup'];

const step = fc.oneof(
  fc.record({ do: fc.constant('publish' as const), id: fc.nat(1) }),
  fc.record({ do: fc.constant('update' as const), id: fc.nat(1) }),
  fc.record({ do: fc.constant('close' as const), id: fc.nat(1) }),
  fc.record({ do: fc.constant('kill' as const), id: fc.nat(2) }),
  fc.record({ do: fc.constant('start' as const), id: fc.nat(2), hello: fc.nat(3) }),
  fc.record({ do: fc.constant('drain' as const), id: fc.nat(2) }),
  fc.record({ do: fc.constant('cut' as const), id: fc.nat(2) }),
  fc.record({ do: fc.constant('verdict' as const), id: fc.constant(0), verdict: fc.nat(3) }),
  fc.record({ do: fc.constant('push' as const), id: fc.nat(2) }),
  fc.record({ do: fc.constant('wait' as const), id: fc.nat(3000) }),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const VERDICTS: Verdict[] = [{}, null, { success: false }, 2];

/** Plays steps against a client, then lets everything recover. */
class Play {
  readonly world = new World();
  readonly sessions = new Map<string, FakeSession>();
  readonly all: FakeSession[] = [];
  readonly publications = new Map<number, Publication>();
  /** Calls of `publish` without outcome. */
  publishing = 0;
  version = 4096;

  async start(host: string, hello: NonNullable<FakeOptions['hello']>): Promise<void> {
    if (this.sessions.has(host)) return;
    const session = await this.world.session(host, { hello });
    this.sessions.set(host, session);
    this.all.push(session);
  }

  async take(registry: Awaited<ReturnType<World['connect']>>, one: Step): Promise<void> {
    const { world, sessions, publications } = this;
    const ignore = (): void => undefined;
    const session = sessions.get(HOSTS[one.id]);
    switch (one.do) {
      case 'publish':
        if (publications.has(one.id)) return;
        this.publishing++;
        void registry.publish({ dataId: `s${one.id}` }, 'first').then((made) => {
          this.publishing--;
          if (publications.has(one.id)) void made.close();
          else publications.set(one.id, made);
        });
        return;
      case 'update':
        publications
          .get(one.id)
          ?.update(`v${this.version++}`)
          .catch(ignore);
        return;
      case 'close':
        void publications.get(one.id)?.close();
        publications.delete(one.id);
        return;
      case 'kill':
        sessions.delete(HOSTS[one.id]);
        await session?.kill();
        return;
      case 'start':
        return this.start(HOSTS[one.id], HELLOS[one.hello]);
      case 'drain':
        session?.drain(100);
        return;
      case 'cut':
        for (const channel of session?.channels ?? []) channel.destroy('cut');
        return;
      case 'verdict':
        for (const any of sessions.values()) any.verdict = () => VERDICTS[one.verdict];
        return;
      case 'push':
        this.push(session);
        return;
      case 'wait':
        await world.clock.advance(one.id);
    }
  }

  /** The session's newest list to whoever subscribes there; now and then an old one. */
  push(session: FakeSession | undefined): void {
    const to = session?.arrived.findLast((arrived) => arrived.kind === 'subscriber');
    if (session === undefined || to === undefined || to.channel.closed) return;
    const version = this.version++ - (this.version % 3) * 5;
    session.push(to, { version, entries: [entry('p', String(version))] }).catch(() => undefined);
  }

  async recover(): Promise<void> {
    for (const session of this.sessions.values()) session.verdict = () => ({});
    await this.start('a', 'welcome');
    await this.world.clock.advance(30_000);
  }
}

/** Registrations the sessions hold: what they accepted over connections that are open, the newest of each. */
function held(sessions: readonly FakeSession[]): Map<string, Arrived> {
  const newest = new Map<string, Arrived>();
  for (const session of sessions) {
    for (const arrived of session.arrived) {
      if (arrived.channel.closed || !arrived.accepted) continue;
      if (arrived.eventType === 'UNREGISTER') newest.delete(arrived.registerId);
      else newest.set(arrived.registerId, arrived);
    }
  }
  return newest;
}

it('whatever fails meanwhile, in the end one session holds exactly what is published, and lists only got newer', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60, size: 'max' }), async (steps) => {
      const play = new Play();
      for (const host of HOSTS) await play.start(host, 'welcome');
      const registry = await play.world.connect(HOSTS);
      const shown: number[] = [];
      registry.subscribe({ dataId: 'followed' }, (list) => void shown.push(list.version));
      for (const one of steps) {
        await play.take(registry, one);
        await play.world.clock.settle();
      }
      await play.recover();
      expect(registry.state).toBe('connected');
      expect(play.publishing).toBe(0);
      const open = play.all.flatMap((session) => [...session.channels]);
      expect(open).toHaveLength(1);
      const publishers = [...held(play.all).values()].filter((arrived) => arrived.kind === 'publisher');
      const seen = publishers.map(({ registerId, version, values }) => [registerId, version, values]);
      const wanted = [...play.publications.values()].map((one) => [
        one.registerId,
        one.version,
        [...one.values],
      ]);
      const byId = (one: unknown[], two: unknown[]): number => (String(one[0]) < String(two[0]) ? -1 : 1);
      expect(seen.sort(byId)).toEqual(wanted.sort(byId));
      expect([...play.publications.values()].every((one) => one.acked)).toBe(true);
      expect(shown).toEqual([...new Set(shown)].sort((one, two) => one - two));
      const again = [...held(play.all).values()].filter((arrived) => arrived.kind === 'subscriber');
      expect(again.map((arrived) => arrived.dataId)).toEqual(['followed']);

      await play.world.run(registry.close());
      await play.world.clock.advance(1000);
      expect(play.all.flatMap((session) => [...session.channels])).toEqual([]);
    }),
    { numRuns: 150 },
  );
});
