/**
 * Peers that mean harm, on every port of the processes a user starts: garbage, lengths that lie, frames that never end, nested and
 * endless Hessian, floods of silent connections, HTTP that is none. Meanwhile every change of an honest publisher reaches its subscriber,
 * no list is empty, no process ends, and what was refused is counted.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as openSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Registry } from '@sofa-registry/client';
import * as wire from '@sofa-registry/wire';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Cluster } from '../../../bench/src/cluster/cluster.ts';
import { eventually } from './waiting.ts';

const HOST = '127.0.0.1';
const SERVICE = { dataId: 'honest', group: 'G' };
const TICK_MS = 20;
/** More than is read of what a refused peer is sent. */
const ANSWER_CHARS_MAX = 1_000;
const CLOSED_LIMIT_MS = 20_000;
const MB = 1024 * 1024;

let dir = '';
let cluster: Cluster;
let honest: Registry[] = [];
let ticker: ReturnType<typeof setInterval> | undefined;
let said = 0;
const heard: number[] = [];
const short: number[] = [];
const failures: string[] = [];

interface Peer {
  readonly socket: Socket;
  answer: string;
  closed: boolean;
}

function open(port: number): Promise<Peer> {
  return new Promise((resolve, reject) => {
    const socket = openSocket({ host: HOST, port });
    const peer: Peer = { socket, answer: '', closed: false };
    socket.on('data', (chunk) => {
      if (peer.answer.length < ANSWER_CHARS_MAX) peer.answer += chunk.toString('latin1');
    });
    socket.on('close', () => {
      peer.closed = true;
    });
    socket.once('connect', () => resolve(peer));
    socket.on('error', reject);
  });
}

/** Opens connections, has each say something, waits for what must become of them, and ends them. */
async function attack(
  port: number,
  count: number,
  say: (index: number) => readonly Buffer[],
  until?: (peers: readonly Peer[]) => boolean,
): Promise<Peer[]> {
  const peers = await Promise.all(Array.from({ length: count }, () => open(port)));
  peers.forEach(({ socket }, index) => {
    for (const bytes of say(index)) socket.write(bytes);
  });
  if (until !== undefined)
    await eventually(`port ${port} judges ${count} peers`, () => until(peers), CLOSED_LIMIT_MS);
  for (const { socket } of peers) socket.destroy();
  return peers;
}

const allClosed = (peers: readonly Peer[]): boolean => peers.every(({ closed }) => closed);

const ports = (kind: 'port' | 'httpPort'): number[] => cluster.nodes.map((node) => node.ports[kind]);

/** Head of a Bolt v1 request that announces so much. */
function head(contentLength: number, classLength = 40): Buffer {
  const bytes = Buffer.alloc(22);
  bytes.set([1, 1, 0, 1, 1, 0, 0, 0, 7, 1]);
  bytes.writeInt32BE(3000, 10);
  bytes.writeInt16BE(classLength, 14);
  bytes.writeInt32BE(contentLength, 18);
  return bytes;
}

function request(className: string, content: Buffer): Buffer {
  return wire.encodeRequest({ requestId: 1, codec: wire.CODEC_HESSIAN, timeoutMs: 3000, className, content });
}

async function counted(name: string, labels: string): Promise<number> {
  return (await cluster.metric('session', name)).get(labels) ?? 0;
}

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sofa-hostile-'));
  cluster = await Cluster.start({ data: 1, sessions: 1, dir, proxied: false });
  const servers = cluster.of('session').map(({ ports: { httpPort } }) => `${HOST}:${httpPort}`);
  honest = [await connect({ servers, app: 'honest' }), await connect({ servers, app: 'honest' })];
  const publisher = await honest[0].publish(SERVICE, '0');
  honest[1].subscribe(SERVICE, ({ all }) => {
    if (all.length === 1) heard.push(Number(all[0]));
    else if (heard.length > 0) short.push(all.length);
  });
  await eventually('the first list', () => heard.length > 0);
  ticker = setInterval(() => {
    publisher.update(String(++said)).catch((error: unknown) => failures.push(String(error)));
  }, TICK_MS);
});

afterAll(async () => {
  clearInterval(ticker);
  await Promise.all(honest.map((registry) => registry.close()));
  await cluster?.stop();
  if (dir !== '') rmSync(dir, { recursive: true, force: true });
});

test('garbage closes its own connection', async () => {
  const noise = randomBytes(64 * 1024);
  noise[0] = 0xff;
  for (const port of ports('port')) await attack(port, 20, () => [noise], allClosed);
  for (const port of ports('httpPort')) await attack(port, 20, () => [noise], allClosed);
});

test('a length above the limit is not waited for', async () => {
  const lies = [head(0x7fff_ffff), head(100 * MB), head(-1), head(10, -1)];
  for (const port of ports('port')) await attack(port, lies.length, (i) => [lies[i]], allClosed);
});

test('frames that never end hold a bounded part of the memory: the oldest go, and are counted', async () => {
  const [port] = cluster.of('session').map((node) => node.ports.port);
  const most = [head(8_000_000), Buffer.alloc(4_000_000)];
  const peers = await attack(
    port,
    40,
    () => most,
    (all) => all.filter(({ closed }) => closed).length >= 20,
  );
  expect(peers.filter(({ closed }) => closed).length).toBeLessThan(40);
  expect(await counted('sofa_registry_bolt_channels_closed_total', 'kind="crowded"')).toBeGreaterThan(19);
});

test('nested, endless and unknown Hessian is answered with an error, or closes its connection', async () => {
  const deepLists = Buffer.alloc(20_000, 0x57);
  const deepMaps = Buffer.alloc(200_000, 0x48);
  const hugeList = Buffer.from([0x58, 0x49, 0x7f, 0xff, 0xff, 0xff]);
  const wildReference = Buffer.from([0x51, 0x49, 0x7f, 0xff, 0xff, 0xff]);
  const hugeClass = Buffer.concat([
    Buffer.from([0x43, 0x03, 0x61, 0x2e, 0x62]),
    Buffer.from([0x49, 0x7f, 0xff, 0xff, 0xff]),
  ]);
  const bodies = [
    deepLists,
    deepMaps,
    hugeList,
    wildReference,
    hugeClass,
    randomBytes(100_000),
    Buffer.alloc(0),
  ];
  const classes = [
    'com.alipay.sofa.registry.core.model.PublisherRegister',
    'com.alipay.sofa.registry.core.model.SubscriberRegister',
    'com.alipay.sofa.registry.core.model.ConfiguratorRegister',
    'com.alipay.sofa.registry.core.model.SyncConfigRequest',
    'java.lang.Runtime',
    'x'.repeat(200),
  ];
  const judged = (all: readonly Peer[]): boolean =>
    all.every(({ closed, answer }) => closed || answer !== '');
  for (const port of ports('port')) {
    for (const className of classes)
      await attack(port, bodies.length, (i) => [request(className, bodies[i])], judged);
  }
});

test('silent connections cost nobody else anything', async () => {
  for (const port of [...ports('port'), ...ports('httpPort')]) {
    const before = heard.length;
    await attack(
      port,
      300,
      () => [Buffer.from([1])],
      () => heard.length > before + 5,
    );
  }
});

test('HTTP that is none, too long or too much is refused with its status', async () => {
  const get = (path: string, more = ''): Buffer =>
    Buffer.from(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${more}\r\n`);
  const post = (more: string, body: string): Buffer =>
    Buffer.from(`POST /api/clients/off HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${more}\r\n\r\n${body}`);
  const wanted: [Buffer, RegExp][] = [
    [get('/../../etc/passwd'), /^HTTP\/1\.1 404/],
    [get('/__proto__'), /^HTTP\/1\.1 404/],
    [get(`/${'a'.repeat(100_000)}`), /^HTTP\/1\.1 431/],
    [get('/', 'x: y\r\n'.repeat(20_000)), /^HTTP\/1\.1 431/],
    [post('content-length: 9999999999', 'a'), /^HTTP\/1\.1 413/],
    [post('transfer-encoding: chunked', 'ZZZ\r\n'), /^HTTP\/1\.1 400/],
    [Buffer.from('GET / HTTP/9.9\r\n\r\n'), /^HTTP\/1\.1 (400|505)/],
  ];
  for (const port of cluster.of('session').map((node) => node.ports.httpPort)) {
    const peers = await attack(port, wanted.length, (i) => [wanted[i][0]], allClosed);
    peers.forEach(({ answer }, i) => expect(answer).toMatch(wanted[i][1]));
  }
});

test('meanwhile every process lived, and the honest ones were served', async () => {
  clearInterval(ticker);
  await eventually('the last change', () => heard.at(-1) === said);
  expect({ short, failures }).toEqual({ short: [], failures: [] });
  expect(heard).toEqual([...heard].sort((a, b) => a - b));
  expect(cluster.nodes.filter((node) => node.process.exited).map(({ name }) => name)).toEqual([]);
  for (const node of cluster.nodes) expect(await cluster.get(node, '/health/ready')).toBeTruthy();
  expect(cluster.errorLines).toEqual([]);
  expect(await counted('sofa_registry_bolt_channels_closed_total', 'kind="wire"')).toBeGreaterThan(20);
});
