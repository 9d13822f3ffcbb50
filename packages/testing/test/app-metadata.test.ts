/** Application-level discovery over sessions, metas and the store, with the messages of official clients (wire 5). */
import { DataServer } from '@sofa-registry/data';
import { MetaServer, type MetaTunables } from '@sofa-registry/meta';
import { parseAddress, SLOT_FUNCTION } from '@sofa-registry/model';
import { BoltChannel, ManualClock, memoryNetwork, noopLogger, seededRandom } from '@sofa-registry/runtime';
import { SessionServer, type SessionTunables } from '@sofa-registry/session';
import { MemoryStoreBackend, memoryStore } from '@sofa-registry/store';
import {
  CODEC_PROTOBUF,
  decodeGetRevisionsResponse,
  decodeMetaHeartbeatResponse,
  decodeRegisterResponsePb,
  decodeServiceAppMappingResponse,
  encodeGetRevisionsRequest,
  encodeMetaHeartbeatRequest,
  encodeMetaRegister,
  encodeServiceAppMappingRequest,
  GET_REVISIONS_REQUEST,
  META_HEARTBEAT_REQUEST,
  META_REGISTER,
  type MetaRegister,
  SERVICE_APP_MAPPING_REQUEST,
} from '@sofa-registry/wire';
import { afterEach, describe, expect, it } from 'vitest';

/** Metas over one store, a data node, sessions. */
class World {
  readonly clock = new ManualClock();
  readonly network = memoryNetwork({ clock: this.clock });
  backend = new MemoryStoreBackend({ clock: this.clock });
  readonly metas: MetaServer[] = [];
  readonly sessions: SessionServer[] = [];
  readonly #random = seededRandom(3);
  #numbers = 0;

  async start(settings: Partial<MetaTunables & SessionTunables> = {}): Promise<void> {
    await this.meta('meta-1', settings);
    await this.run(new DataServer(this.#ports(), this.#config('data-1', 9621)).start());
    await this.session('session-1', settings);
    await this.session('session-2', settings);
  }

  async meta(host: string, settings: Partial<MetaTunables> = {}): Promise<MetaServer> {
    const store = memoryStore(this.backend, { clock: this.clock, random: this.#random });
    await store.open();
    const server = new MetaServer({ ...this.#ports(), store }, { ...this.#config(host, 9611), ...settings });
    this.metas.push(server);
    await this.run(server.start());
    return server;
  }

  async session(host: string, settings: Partial<SessionTunables> = {}): Promise<SessionServer> {
    const ports = { ...this.#ports(), clientNetwork: this.network };
    const server = new SessionServer(ports, { ...this.#config(host, 9600), ...settings });
    this.sessions.push(server);
    await this.run(server.start());
    return server;
  }

  async run<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    promise.then(
      () => (settled = true),
      () => (settled = true),
    );
    for (let i = 0; i < 1000 && !settled; i++) await this.clock.advance(10);
    return promise;
  }

  async call(session: SessionServer, className: string, content: Buffer): Promise<Buffer> {
    const target = parseAddress(session.address);
    if (target === null) throw new Error('no address');
    const connection = await this.run(this.network.connect(target));
    const channel = new BoltChannel(connection, { clock: this.clock, proto: 1, handler: {} });
    const frame = await this.run(channel.call(className, CODEC_PROTOBUF, content, 5000));
    channel.end();
    return frame.content;
  }

  async register(session: SessionServer, revision: MetaRegister) {
    return decodeRegisterResponsePb(await this.call(session, META_REGISTER, encodeMetaRegister(revision)));
  }

  async revisions(session: SessionServer, ...revisions: string[]) {
    const content = encodeGetRevisionsRequest({ revisions });
    return decodeGetRevisionsResponse(await this.call(session, GET_REVISIONS_REQUEST, content));
  }

  async heartbeat(session: SessionServer, ...revisions: string[]) {
    const content = encodeMetaHeartbeatRequest({ revisions });
    return decodeMetaHeartbeatResponse(await this.call(session, META_HEARTBEAT_REQUEST, content)).statusCode;
  }

  /** Applications of a service; null for an unknown one. */
  async apps(session: SessionServer, service: string): Promise<readonly string[] | null> {
    const content = encodeServiceAppMappingRequest({ serviceIds: [service] });
    const answer = decodeServiceAppMappingResponse(
      await this.call(session, SERVICE_APP_MAPPING_REQUEST, content),
    );
    const found = answer.serviceAppMapping.get(service);
    return found === undefined || found.version === -1 ? null : found.apps.toSorted();
  }

  /** A counter of all metas. */
  counted(name: string): number {
    return this.metas
      .flatMap(({ metrics }) => metrics.families())
      .filter((family) => family.name === `sofa_registry_meta_${name}`)
      .reduce((sum, family) => sum + (family.samples()[0]?.value ?? 0), 0);
  }

  stop(): void {
    for (const server of [...this.sessions, ...this.metas]) server.kill();
  }

  #ports() {
    const random = seededRandom(++this.#numbers);
    return { clock: this.clock, network: this.network, random, logger: noopLogger() };
  }

  #config(host: string, port: number) {
    return {
      listen: { host, port },
      advertise: '',
      httpAddress: '',
      metas: ['meta-1:9611', 'meta-2:9611'],
      zone: 'Z',
      dataCenter: 'DefaultDataCenter',
      slotConfig: { slotCount: 16, replicas: 1, slotFunction: SLOT_FUNCTION },
    };
  }
}

function revision(
  id: string,
  application = 'orders',
  services: readonly string[] = ['com.Orders'],
): MetaRegister {
  return {
    application,
    revision: id,
    clientVersion: '1.0',
    baseParams: new Map([['serialization', ['hessian2']]]),
    services: new Map(services.map((name) => [name, { id: `${name}:1.0`, params: new Map([['t', ['1']]]) }])),
  };
}

let world: World;
afterEach(() => world.stop());

describe('application metadata', () => {
  it('registered at one session is answered by the other', async () => {
    world = new World();
    await world.start();
    const [a, b] = world.sessions;
    expect((await world.register(a, revision('r1'))).success).toBe(true);
    expect(await world.apps(a, 'com.Orders')).toEqual(['orders']);
    const found = await world.revisions(b, 'r1', 'nobody');
    expect([found.statusCode, [...found.revisions.keys()]]).toEqual([404, ['r1']]);
    expect(found.revisions.get('r1')).toEqual({ ...revision('r1'), clientVersion: '' });
    await world.clock.advance(2000);
    expect(await world.apps(b, 'com.Orders')).toEqual(['orders']);
    expect([await world.heartbeat(b, 'r1'), await world.heartbeat(b, 'r1', 'nobody')]).toEqual([200, 404]);
    expect((await world.revisions(b, 'r1')).statusCode).toBe(200);
    expect(await world.run(b.inspect.revisionIds())).toEqual(['r1']);
  });

  it('writes a revision once, however often and wherever it is registered', async () => {
    world = new World();
    await world.start();
    for (let i = 0; i < 100; i++) await world.register(world.sessions[i % 2], revision('r1'));
    await world.clock.advance(2000);
    expect(world.counted('revisions_stored_total')).toBe(1);
  });

  it('survives sessions, and a change of the meta leader', async () => {
    world = new World();
    await world.start();
    await world.register(world.sessions[0], revision('r1'));
    await world.clock.advance(2000);
    world.sessions[0].kill();
    world.metas[0].kill();
    await world.meta('meta-2');
    await world.clock.advance(15_000);
    const again = await world.session('session-1');
    await world.clock.advance(2000);
    expect(await world.apps(again, 'com.Orders')).toEqual(['orders']);
    expect((await world.revisions(again, 'r1')).statusCode).toBe(200);
    await world.register(again, revision('r2', 'billing'));
    await world.clock.advance(3000);
    expect(await world.apps(world.sessions[1], 'com.Orders')).toEqual(['billing', 'orders']);
  });

  it('is served from what a session knows while meta is away, and told to meta when it is back', async () => {
    world = new World();
    await world.start();
    const [a, b] = world.sessions;
    await world.register(a, revision('r1'));
    await world.clock.advance(2000);
    expect((await world.revisions(b, 'r1')).statusCode).toBe(200);
    world.metas[0].kill();
    await world.clock.advance(3000);
    expect([await world.apps(b, 'com.Orders'), (await world.revisions(b, 'r1')).statusCode]).toEqual([
      ['orders'],
      200,
    ]);
    expect((await world.register(a, revision('r2', 'billing', ['com.Orders', 'com.Bills']))).success).toBe(
      true,
    );
    expect(await world.apps(a, 'com.Bills')).toEqual(['billing']);
    expect((await world.revisions(a, 'r2')).statusCode).toBe(200);
    // Not known here and nobody can be asked: an error, not "there is none"; a heartbeat asks for a new registration.
    expect([(await world.revisions(b, 'r2')).statusCode, await world.heartbeat(b, 'r2')]).toEqual([500, 404]);
    await world.meta('meta-2');
    await world.clock.advance(20_000);
    expect(await world.apps(b, 'com.Bills')).toEqual(['billing']);
    expect((await world.revisions(b, 'r2')).statusCode).toBe(200);
  });

  it('is given back by sessions to a store that lost it', async () => {
    world = new World();
    await world.start();
    const [a, b] = world.sessions;
    await world.register(a, revision('r1'));
    await world.clock.advance(2000);
    world.metas[0].kill();
    world.backend = new MemoryStoreBackend({ clock: world.clock });
    await world.meta('meta-2');
    await world.clock.advance(30_000);
    expect(await world.apps(b, 'com.Orders')).toEqual(['orders']);
    expect((await world.revisions(b, 'r1')).statusCode).toBe(200);
  });

  it('forgets revisions that no client names any more, not those in use', async () => {
    world = new World();
    const times = { revisionExpireMs: 120_000, revisionCleanMs: 5000, revisionTouchMs: 10_000 };
    await world.start(times);
    const [a, b] = world.sessions;
    await world.register(a, revision('used'));
    await world.register(a, revision('unused', 'billing', ['com.Orders', 'com.Bills']));
    for (let i = 0; i < 20; i++) {
      await world.clock.advance(10_000);
      expect(await world.heartbeat(b, 'used')).toBe(200);
    }
    expect(world.counted('revisions_expired_total')).toBe(1);
    for (const session of [a, b]) {
      expect(await world.apps(session, 'com.Orders')).toEqual(['orders']);
      expect(await world.apps(session, 'com.Bills')).toBeNull();
    }
    expect((await world.revisions(b, 'used')).statusCode).toBe(200);
    expect(await world.heartbeat(b, 'unused')).toBe(404);
  });

  it('refuses what cannot be kept', async () => {
    world = new World();
    await world.start();
    const [a] = world.sessions;
    for (const bad of [
      revision(' '),
      revision('x'.repeat(300)),
      revision('r', ' '),
      revision('r', 'a', ['s'.repeat(1_100_000)]),
    ])
      expect((await world.register(a, bad)).success).toBe(false);
    expect(a.inspect.serviceApps().size).toBe(0);
  });
});
