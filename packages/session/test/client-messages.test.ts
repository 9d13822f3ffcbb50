import {
  type AppList,
  BoltStatus,
  CODEC_HESSIAN,
  CODEC_PROTOBUF,
  CONFIGURATOR_REGISTER,
  type GetRevisionsResponse,
  messageOf,
  type MetaHeartbeatResponse,
  META_HEARTBEAT_REQUEST,
  META_REGISTER,
  GET_REVISIONS_REQUEST,
  MULTI_RECEIVED_DATA,
  packBoxes,
  PUBLISHER_REGISTER,
  PUBLISHER_REGISTER_PB,
  RECEIVED_CONFIG_DATA_PB,
  RECEIVED_DATA_PB,
  type RegisterResponse,
  SERVICE_APP_MAPPING_REQUEST,
  type ServiceAppMappingResponse,
  SUBSCRIBER_REGISTER,
  SYNC_CONFIG_REQUEST,
  SYNC_CONFIG_REQUEST_PB,
  type SyncConfigResponse,
} from '@sofa-registry/wire';
import type { RpcError } from '@sofa-registry/runtime';
import { afterEach, describe, expect, it } from 'vitest';
import { idOf, TestCluster } from './support/test-cluster.ts';
import { base, type TestClient } from './support/test-client.ts';

let cluster: TestCluster;
afterEach(() => cluster.session.kill());

async function statusOf(
  client: TestClient,
  className: string,
  codec: number,
  content: Buffer,
): Promise<number> {
  try {
    await cluster.run(client.channel.call(className, codec, content, 1000));
    return 0;
  } catch (error) {
    return (error as RpcError).status;
  }
}

const encode = (className: string, value: unknown): Buffer =>
  messageOf(className)?.encode(value as never) as Buffer;

describe('registrations', () => {
  it('echoes a version beyond 2^53 bit for bit, in both codecs', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const version = 9_007_199_254_740_993n;
    for (const pb of [false, true]) {
      const answer = await cluster.run(
        client.publish({ dataId: 's', registId: `p${pb}`, version }, ['x'], pb),
      );
      expect([answer.success, answer.version, answer.registId]).toEqual([true, version, `p${pb}`]);
    }
  });

  it('fills in zone and instance, and takes a null payload as none', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p', zone: null, instanceId: ' ' }, []));
    const [held] = cluster.session.inspect.publishers(idOf('s'));
    expect([held.zone, held.instanceId, held.payload.length]).toEqual([
      'DEFAULT_ZONE',
      'DEFAULT_INSTANCE_ID',
      1,
    ]);
    expect(held.clientAddress).toBe(cluster.session.inspect.connections()[0]);
  });

  it.each([
    ['no dataId', { dataId: '' }],
    ['no group', { group: null }],
    ['no registId', { registId: '' }],
    ['no timestamp', { timestamp: null }],
    ['separator in the dataId', { dataId: 'a#@#b' }],
    ['64 KiB dataId', { dataId: 'x'.repeat(65_536) }],
    ['endless registId', { registId: 'x'.repeat(5000) }],
  ])('refuses for good, so that the client gives up: %s', async (_name, change) => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const answer = await cluster.run(client.publish({ dataId: 's', registId: 'p', ...change }, ['x']));
    expect([answer.success, answer.refused]).toEqual([true, true]);
    expect(answer.message).toContain('failed');
    expect(cluster.session.inspect.counts().publishers).toBe(0);
    expect(cluster.metric('refused_total', 'invalid') + cluster.metric('refused_total', 'dataInfoId')).toBe(
      1,
    );
  });

  it('needs a version for subscribers and configurators, not for publishers', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    expect(
      (await cluster.run(client.subscribe({ dataId: 's', registId: 's1', version: null }))).refused,
    ).toBe(true);
    const answer = await cluster.run(client.publish({ dataId: 's', registId: 'p1', version: null }, ['x']));
    expect([answer.success, answer.version]).toEqual([true, 0]);
  });

  it('acknowledges an older registration and an older unregistration without effect', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    await cluster.run(client.publish({ dataId: 's', registId: 'p', version: 5 }, ['new']));
    const older = await cluster.run(client.publish({ dataId: 's', registId: 'p', version: 4 }, ['old']));
    expect([older.success, older.version]).toEqual([true, 4]);
    const removal = await cluster.run(client.unpublish({ dataId: 's', registId: 'p', version: 3 }));
    expect(removal.success).toBe(true);
    expect(cluster.session.inspect.publishers(idOf('s'))[0].payload).toEqual(packBoxes(['new']));
    expect(cluster.metric('older_total', 'publisher')).toBe(2);
  });

  it('forwards the unregistration of a publisher it never knew, and ends with nothing held', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    cluster.data[0].publishElsewhere(idOf('s'), {
      registerId: 'p',
      version: 1,
      stamp: 1,
      zone: 'z',
      appName: '',
      clientAddress: '',
      clientTimestamp: 0,
      attributes: null,
      payload: packBoxes(['x']),
    });
    expect((await cluster.run(client.unpublish({ dataId: 's', registId: 'p', version: 2 }))).success).toBe(
      true,
    );
    expect(cluster.data[0].live(idOf('s'))).toEqual([]);
    expect(cluster.session.inspect.dataInfoIds()).toEqual([]);
  });

  it('tells apart a publish and its unregistration in the same millisecond', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const both = Promise.all([
      client.publish({ dataId: 's', registId: 'p', version: 1 }, ['x']),
      client.unpublish({ dataId: 's', registId: 'p', version: 1 }),
    ]);
    await cluster.run(both);
    expect(cluster.data[0].live(idOf('s'))).toEqual([]);
    expect(cluster.session.inspect.counts().publishers).toBe(0);
  });

  it('takes other event types as success without effect', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const answer = await cluster.run(
      client.publish({ dataId: 's', registId: 'p', eventType: 'WHATEVER' }, ['x']),
    );
    expect(answer.success).toBe(true);
    expect(cluster.session.inspect.counts().publishers).toBe(0);
  });

  it('acknowledges a blocked publisher and does not store it', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const attributes = new Map([['!Blocked', 'yes']]);
    expect(
      (await cluster.run(client.publish({ dataId: 's', registId: 'p', attributes }, ['x']))).success,
    ).toBe(true);
    const blank = new Map([['!Blocked', ' ']]);
    await cluster.run(client.publish({ dataId: 's', registId: 'q', attributes: blank }, ['x']));
    expect(cluster.session.inspect.publishers(idOf('s')).map((each) => each.registerId)).toEqual(['q']);
    expect(cluster.metric('blocked_total')).toBe(1);
  });

  it('treats __proto__ as a name like any other', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const name = '__proto__';
    const attributes = new Map([[name, 'x']]);
    await cluster.run(client.subscribe({ dataId: name, registId: name, group: name }));
    await cluster.run(
      client.publish({ dataId: name, registId: name, group: name, zone: name, attributes }, ['x']),
    );
    await cluster.clock.advance(300);
    expect(client.list(name)).toEqual(['x']);
    expect(client.pushes.at(-1)?.zones).toEqual([name]);
    expect(({} as Record<string, unknown>).x).toBeUndefined();
  });

  it('gives a registerId to the newest of two connections; the late close of the old one takes nothing', async () => {
    cluster = await TestCluster.start();
    const old = await cluster.client();
    const fresh = await cluster.client();
    await cluster.run(old.publish({ dataId: 's', registId: 'p' }, ['x']));
    await cluster.run(old.subscribe({ dataId: 's', registId: 's1' }));
    await cluster.run(fresh.publish({ dataId: 's', registId: 'p' }, ['x']));
    await cluster.run(fresh.subscribe({ dataId: 's', registId: 's1' }));
    old.channel.destroy('gone');
    await cluster.clock.advance(5000);
    expect(cluster.data[0].live(idOf('s'))).toEqual(['p']);
    expect(cluster.session.inspect.counts()).toEqual({
      publishers: 1,
      subscribers: 1,
      watchers: 0,
      connections: 1,
    });
    expect(fresh.list('s1')).toEqual(['x']);
  });

  it('leaves a registerId with the newer of two connections when the older repeats itself late; a newer registration moves it', async () => {
    cluster = await TestCluster.start();
    const old = await cluster.client();
    const fresh = await cluster.client();
    const register = async (client: TestClient, timestamp: number) => {
      const wanted = { dataId: 's', timestamp };
      expect((await cluster.run(client.publish({ ...wanted, registId: 'p' }, ['x']))).success).toBe(true);
      expect((await cluster.run(client.subscribe({ ...wanted, registId: 's1' }))).success).toBe(true);
    };
    await register(fresh, 5000);
    await register(old, 5000);
    expect(cluster.metric('older_total', 'publisher')).toBe(1);
    old.channel.destroy('gone');
    await cluster.clock.advance(5000);
    expect(cluster.data[0].live(idOf('s'))).toEqual(['p']);
    await cluster.run((await cluster.client()).publish({ dataId: 's', registId: 'p2' }, ['y']));
    expect(fresh.list('s1')).toEqual(['x', 'y']);

    const between = await cluster.client();
    const last = await cluster.client();
    await register(last, 5000);
    await register(between, 5001);
    last.channel.destroy('gone');
    await cluster.clock.advance(5000);
    expect(cluster.data[0].live(idOf('s'))).toEqual(['p', 'p2']);
    expect(between.list('s1')).toEqual(['x', 'y']);
  });

  it('answers every registration over a limit, truthfully, and counts it', async () => {
    cluster = await TestCluster.start({
      registrationsPerConnectionMax: 2,
      registrationsMax: 3,
      payloadBytesMax: 100,
      accessRatePerSecond: 6,
    });
    const client = await cluster.client();
    const other = await cluster.client();
    const publish = (from: TestClient, registId: string, value = 'x') =>
      cluster.run(from.publish({ dataId: 's', registId }, [value]));
    expect((await publish(client, 'a', 'y'.repeat(200))).success).toBe(false);
    expect((await publish(client, 'a')).success).toBe(true);
    expect((await publish(client, 'b')).success).toBe(true);
    expect((await publish(client, 'c')).success).toBe(false);
    expect((await publish(other, 'c')).success).toBe(true);
    expect((await publish(other, 'd')).message).toContain('session holds 3');
    expect((await publish(other, 'e')).message).toContain('too many registrations per second');
    for (const limit of ['payload', 'registrationsPerConnection', 'registrations', 'accessRate']) {
      expect(cluster.metric('refused_total', limit)).toBe(1);
    }
    await cluster.clock.advance(1000);
    expect((await publish(client, 'b')).success).toBe(true);
    expect((await cluster.run(client.unpublish({ dataId: 's', registId: 'b' }))).success).toBe(true);
    expect((await publish(client, 'c2')).success).toBe(true);
  });

  it('tells operators once of a registration that its client repeats in vain', async () => {
    cluster = await TestCluster.start({ payloadBytesMax: 100 });
    const client = await cluster.client();
    const big = { dataId: 's', registId: 'big' };
    for (let i = 0; i < 20; i++) {
      expect((await cluster.run(client.publish(big, ['y'.repeat(200)]))).success).toBe(false);
      await cluster.clock.advance(500);
    }
    const [refused, ...more] = cluster.session.inspect.refused();
    expect(more).toEqual([]);
    expect(refused).toMatchObject({ dataId: 's', registerId: 'big', appName: 'app', times: 20 });
    expect(refused.reason).toContain('at most 100');
    const told = cluster.logger.lines.filter(({ message }) => message.includes('refused'));
    expect(told).toHaveLength(1);
    expect((await cluster.run(client.publish(big, ['y']))).success).toBe(true);
    await cluster.clock.advance(60_000);
    expect(cluster.session.inspect.refused()).toEqual([]);
  });

  it('counts what a connection holds exactly, through re-registration, removal and moves', async () => {
    cluster = await TestCluster.start({ registrationsPerConnectionMax: 2 });
    const client = await cluster.client();
    const other = await cluster.client();
    const subscribe = async (from: TestClient, registId: string, version = 1, scope = 'zone') =>
      (await cluster.run(from.subscribe({ dataId: 's', registId, version, scope }))).success;
    for (let version = 1; version < 10; version += 2) {
      expect(await subscribe(client, 'a', version)).toBe(true);
      expect(await subscribe(client, 'a', version, 'global')).toBe(true);
      const removal = { dataId: 's', registId: 'a', version: version + 1, eventType: 'UNREGISTER' };
      await cluster.run(client.subscribe(removal));
    }
    expect(await subscribe(client, 'b')).toBe(true);
    expect(await subscribe(client, 'c')).toBe(true);
    expect(await subscribe(client, 'd')).toBe(false);
    expect(await subscribe(other, 'b')).toBe(true);
    expect(await subscribe(client, 'd')).toBe(true);
    expect(await subscribe(client, 'e')).toBe(false);
  });

  it('stays exact with 10,000 publishers of one id', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const consumer = await cluster.client();
    await cluster.run(consumer.subscribe({ dataId: 's', registId: 's1' }));
    const all = Array.from({ length: 10_000 }, (_, i) =>
      client.publish({ dataId: 's', registId: `p${i}` }, [`v${i}`]),
    );
    const answers = await cluster.run(Promise.all(all));
    expect(answers.every((answer) => answer.success)).toBe(true);
    await cluster.clock.advance(4000);
    expect(consumer.list('s1')).toHaveLength(10_000);
    expect(cluster.data[0].live(idOf('s'))).toHaveLength(10_000);
  });
});

describe('codecs and classes', () => {
  it('answers unknown classes with 0x0002 and wrong or broken content with 0x0012, and goes on', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    expect(await statusOf(client, 'java.lang.Object', CODEC_HESSIAN, Buffer.alloc(0))).toBe(
      BoltStatus.serverException,
    );
    expect(await statusOf(client, '', CODEC_HESSIAN, Buffer.alloc(0))).toBe(BoltStatus.serverException);
    const pb = encode(PUBLISHER_REGISTER_PB, {
      ...base({ dataId: 's', registId: 'p' }),
      dataBoxes: packBoxes(['x']),
    });
    expect(await statusOf(client, PUBLISHER_REGISTER_PB, CODEC_HESSIAN, pb)).toBe(
      BoltStatus.serverDeserialException,
    );
    expect(await statusOf(client, PUBLISHER_REGISTER, CODEC_PROTOBUF, pb)).toBe(
      BoltStatus.serverDeserialException,
    );
    expect(await statusOf(client, PUBLISHER_REGISTER, 77, pb)).toBe(BoltStatus.serverDeserialException);
    for (const bytes of ['', '43', '4d7a', '6f90', 'ffffffffffff', '566c7fffffff']) {
      const status = await statusOf(client, PUBLISHER_REGISTER, CODEC_HESSIAN, Buffer.from(bytes, 'hex'));
      expect(status).toBe(BoltStatus.serverDeserialException);
    }
    expect(cluster.metric('bad_requests_total', 'undecodable')).toBe(9);
    expect(cluster.metric('bad_requests_total', 'unknownClass')).toBe(2);
    expect((await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['x']))).success).toBe(true);
  });

  it('answers SyncConfig with its own data centre in both codecs', async () => {
    cluster = await TestCluster.start({ dataCenter: 'dcX' });
    const client = await cluster.client();
    const request = { dataCenter: 'other', zone: 'z' };
    for (const [name, codec] of [
      [SYNC_CONFIG_REQUEST, CODEC_HESSIAN],
      [SYNC_CONFIG_REQUEST_PB, CODEC_PROTOBUF],
    ] as const) {
      const answer = await cluster.run(client.send<SyncConfigResponse>(name, codec, encode(name, request)));
      expect([answer.success, answer.availableSegments]).toEqual([true, ['dcX']]);
    }
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }));
    expect(client.pushes[0].segment).toBe('dcX');
  });

  it('pushes one configuration without content per configurator registration', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const message = base({ dataId: 'c', registId: 'w1', version: 0 });
    const answer = await cluster.run(
      client.send<RegisterResponse>(
        CONFIGURATOR_REGISTER,
        CODEC_HESSIAN,
        encode(CONFIGURATOR_REGISTER, message),
      ),
    );
    expect([answer.success, answer.version]).toEqual([true, 0]);
    expect(client.configPushes).toHaveLength(1);
    expect(client.configPushes[0]).toMatchObject({
      dataId: 'c',
      configuratorRegistIds: ['w1'],
      dataBox: null,
    });
    expect(Number(client.configPushes[0].version)).toBeGreaterThan(2 ** 40);
    expect(cluster.session.inspect.watchers(idOf('c'))[0].pushedVersion).toBeGreaterThan(0);
    client.channel.destroy('gone');
    await cluster.clock.advance(10);
    expect(cluster.session.inspect.counts().watchers).toBe(0);
  });

  it('marks a connection as protobuf with its first SubscriberRegisterPb: codec byte 1, ReceivedDataPb', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client(2);
    await cluster.run(client.publish({ dataId: 's', registId: 'p' }, ['x'], true));
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1' }, true));
    await cluster.run(client.subscribe({ dataId: 't', registId: 's2' }));
    expect(client.pushes.map((push) => [push.className, push.codec])).toEqual([
      [RECEIVED_DATA_PB, CODEC_HESSIAN],
      [RECEIVED_DATA_PB, CODEC_HESSIAN],
    ]);
    const message = base({ dataId: 'c', registId: 'w1', version: 0 });
    await cluster.run(
      client.send(CONFIGURATOR_REGISTER, CODEC_HESSIAN, encode(CONFIGURATOR_REGISTER, message)),
    );
    expect(client.configPushes).toHaveLength(1);
    expect(client.configClasses).toEqual([RECEIVED_CONFIG_DATA_PB]);
  });

  it('pushes multi segments to acceptMulti with scope global, and refuses other scopes on Hessian', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const message = {
      ...base({ dataId: 's', registId: 's1' }),
      scope: 'zone',
      acceptEncoding: null,
      acceptMulti: true,
    };
    const content = encode(SUBSCRIBER_REGISTER, message);
    expect(await statusOf(client, SUBSCRIBER_REGISTER, CODEC_HESSIAN, content)).toBe(
      BoltStatus.serverException,
    );
    await cluster.run(client.subscribe({ dataId: 's', registId: 's1', scope: 'global', acceptMulti: true }));
    expect(client.otherClasses).toEqual([MULTI_RECEIVED_DATA]);
    await cluster.run(
      client.subscribe({ dataId: 't', registId: 's2', scope: 'zone', acceptMulti: true }, true),
    );
    expect(client.list('s2')).toEqual([]);
  });
});

describe('application revisions', () => {
  it('keeps revisions, maps services and answers 404 for what it does not know', async () => {
    cluster = await TestCluster.start();
    const client = await cluster.client();
    const send = <T>(name: string, value: unknown) =>
      cluster.run(client.send<T>(name, CODEC_PROTOBUF, encode(name, value)));
    const revision = {
      application: 'app',
      revision: 'r1',
      clientVersion: '9',
      baseParams: new Map([['k', ['v']]]),
      services: new Map([['svc', { id: 'svc', params: new Map() }]]),
    };
    expect((await send<RegisterResponse>(META_REGISTER, revision)).success).toBe(true);
    expect((await send<RegisterResponse>(META_REGISTER, { ...revision, application: ' ' })).success).toBe(
      false,
    );
    const apps = await send<ServiceAppMappingResponse>(SERVICE_APP_MAPPING_REQUEST, {
      serviceIds: ['svc', 'none'],
    });
    expect([apps.statusCode, apps.serviceAppMapping.get('svc')?.apps]).toEqual([200, ['app']]);
    expect(apps.serviceAppMapping.get('none') as AppList).toEqual({ version: -1, apps: [] });
    const found = await send<GetRevisionsResponse>(GET_REVISIONS_REQUEST, { revisions: ['r1', 'r2'] });
    expect([found.statusCode, found.revisions.get('r1')?.application]).toEqual([404, 'app']);
    expect(found.revisions.get('r1')?.clientVersion).toBe('');
    expect(
      (await send<MetaHeartbeatResponse>(META_HEARTBEAT_REQUEST, { revisions: ['r1'] })).statusCode,
    ).toBe(200);
    expect(
      (await send<MetaHeartbeatResponse>(META_HEARTBEAT_REQUEST, { revisions: ['r2'] })).statusCode,
    ).toBe(404);
    for (const name of [SERVICE_APP_MAPPING_REQUEST, GET_REVISIONS_REQUEST, META_HEARTBEAT_REQUEST]) {
      expect(await statusOf(client, name, CODEC_PROTOBUF, Buffer.alloc(0))).toBe(BoltStatus.serverException);
    }
  });
});

describe('the client port', () => {
  it('closes garbage, a truncated frame is just waited for, and others do not notice', async () => {
    cluster = await TestCluster.start();
    const good = await cluster.client();
    const garbage = await cluster.run(cluster.network.connect({ host: 'session', port: 9600 }));
    let closed = '';
    garbage.attach({
      data: () => undefined,
      drained: () => undefined,
      closed: (reason) => (closed = reason),
    });
    garbage.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    await cluster.clock.advance(10);
    expect(closed).not.toBe('');
    const partial = await cluster.run(cluster.network.connect({ host: 'session', port: 9600 }));
    partial.attach({ data: () => undefined, drained: () => undefined, closed: () => undefined });
    partial.write(Buffer.from([1, 1, 0, 1]));
    await cluster.clock.advance(10);
    partial.destroy('dropped mid-frame');
    await cluster.clock.advance(1000);
    expect((await cluster.run(good.publish({ dataId: 's', registId: 'p' }, ['x']))).success).toBe(true);
    expect(cluster.session.inspect.counts().connections).toBe(1);
  });

  it('closes a silent connection after 45 s, an SDK after three beats but not before 3 s', async () => {
    cluster = await TestCluster.start();
    const official = await cluster.client();
    const sdk = await cluster.client();
    const welcome = await cluster.run(sdk.hello(200));
    expect(welcome).toMatchObject({
      server: 'session:9600',
      zone: 'ZONEA',
      dataCenter: 'DefaultDataCenter',
      beatMs: 200,
    });
    await cluster.clock.advance(2900);
    expect(sdk.closedReason).toBeNull();
    await cluster.clock.advance(700);
    expect(sdk.closedReason).not.toBeNull();
    await cluster.clock.advance(40_000);
    expect(official.closedReason).toBeNull();
    await cluster.clock.advance(2000);
    expect(official.closedReason).not.toBeNull();
  });

  it('refuses connections over the limit', async () => {
    cluster = await TestCluster.start({ connectionsMax: 1 });
    const first = await cluster.client();
    const second = await cluster.client();
    await cluster.clock.advance(10);
    expect([first.closedReason, second.closedReason === null]).toEqual([null, false]);
    expect(cluster.metric('refused_total', 'connections')).toBe(1);
  });
});
