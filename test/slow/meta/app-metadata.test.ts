/**
 * Application metadata on every store, with real processes: what is registered at one session is known at the other, survives sessions and
 * metas, is served while the store and all metas are away, and what came meanwhile is stored when they are back.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BoltChannel } from '@sofa-registry/runtime';
import { nodeClock, tcpNetwork } from '@sofa-registry/runtime/node';
import * as wire from '@sofa-registry/wire';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Cluster, type ClusterNode } from '../../../bench/src/cluster/cluster.ts';
import { eventually } from '../e2e/waiting.ts';
import { missingStore, SHARED_STORES, type SharedStore, type SharedStoreKind, startStore } from './stores.ts';

/** All stores with `META_LONG=1`. */
const KINDS = ['sqlite', ...(process.env['META_LONG'] === '1' ? SHARED_STORES : ['postgres'])] as const;
const SERVICE = 'com.example.Orders';
const KNOWN_LIMIT_MS = 20_000;

const clock = nodeClock();
const network = tcpNetwork({ clock });

async function call(node: ClusterNode, className: string, content: Buffer): Promise<Buffer> {
  const connection = await network.connect({ host: '127.0.0.1', port: node.ports.port });
  const channel = new BoltChannel(connection, { clock, handler: {} });
  try {
    return (await channel.call(className, wire.CODEC_PROTOBUF, content, 5000)).content;
  } finally {
    channel.end();
  }
}

async function register(node: ClusterNode, revision: string, application: string): Promise<void> {
  const services = new Map([[SERVICE, { id: `${SERVICE}:1.0`, params: new Map([['timeout', ['3000']]]) }]]);
  const body = { application, revision, clientVersion: '1', baseParams: new Map(), services };
  const answer = await call(node, wire.META_REGISTER, wire.encodeMetaRegister(body));
  expect(wire.decodeRegisterResponsePb(answer).success).toBe(true);
}

async function apps(node: ClusterNode): Promise<string> {
  const content = wire.encodeServiceAppMappingRequest({ serviceIds: [SERVICE] });
  const answer = await call(node, wire.SERVICE_APP_MAPPING_REQUEST, content);
  const known = wire.decodeServiceAppMappingResponse(answer).serviceAppMapping.get(SERVICE);
  return (known?.apps ?? []).toSorted().join();
}

async function status(node: ClusterNode, ...revisions: string[]): Promise<number> {
  const content = wire.encodeGetRevisionsRequest({ revisions });
  return wire.decodeGetRevisionsResponse(await call(node, wire.GET_REVISIONS_REQUEST, content)).statusCode;
}

describe.each(KINDS)('application metadata on %s', (kind) => {
  const missing = kind === 'sqlite' ? null : missingStore(kind);
  if (missing !== null) {
    console.warn(`*** meta: ${missing}`);
    test(missing, () => expect(missingStore(kind as SharedStoreKind)).toBe(missing));
    return;
  }
  let dir = '';
  let store: SharedStore | null = null;
  let cluster: Cluster;
  const metas = kind === 'sqlite' ? ['meta-1'] : ['meta-1', 'meta-2'];

  async function known(node: ClusterNode, wanted: string): Promise<number> {
    const began = performance.now();
    await eventually(
      `${node.name} knows ${wanted}`,
      async () => (await apps(node)) === wanted,
      KNOWN_LIMIT_MS,
    );
    return performance.now() - began;
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sofa-apps-'));
    store = kind === 'sqlite' ? null : await startStore(kind);
    const address = store === null ? {} : { store: store.url, metas: 2 };
    cluster = await Cluster.start({ data: 1, sessions: 2, dir, ...address });
  });

  afterAll(async () => {
    await cluster?.stop();
    await store?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('is known everywhere, and outlives every process', async () => {
    const [a, b] = cluster.of('session');
    await register(a, 'r1', 'orders');
    const ms = await known(b, 'orders');
    expect(await status(b, 'r1')).toBe(200);
    expect(await status(b, 'nobody')).toBe(404);
    await cluster.kill(...metas, 'data-1', 'session-1', 'session-2');
    cluster.revive(...metas, 'data-1', 'session-1', 'session-2');
    await cluster.healthy();
    await known(a, 'orders');
    await known(b, 'orders');
    expect(await status(a, 'r1')).toBe(200);
    console.log(`${kind}: known at the other session after ${ms.toFixed(0)} ms`);
  });

  test('is served while nothing but the sessions lives, and stored afterwards', async () => {
    const [a, b] = cluster.of('session');
    for (const member of store?.members ?? []) await member.kill();
    await cluster.kill(...metas);
    expect([await apps(a), await apps(b), await status(a, 'r1')]).toEqual(['orders', 'orders', 200]);
    await register(a, 'r2', 'billing');
    expect([await apps(a), await status(a, 'r2'), await status(b, 'r2')]).toEqual([
      'billing,orders',
      200,
      500,
    ]);
    // Together: one member alone has no majority and answers nobody.
    await Promise.all((store?.members ?? []).map((member) => member.restart()));
    cluster.revive(...metas);
    await cluster.healthy();
    await known(b, 'billing,orders');
    expect(await status(b, 'r1', 'r2')).toBe(200);
  });
});
