/** A whole registry in this process with TLS on every port, at an IPv6 address: clients, HTTP, operators, and files that change. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  connect as connectSdk,
  type ConnectOptions,
  type Registry as SdkRegistry,
} from '@sofa-registry/client';
import { type MemoryLogger, memoryLogger } from '@sofa-registry/runtime';
import { httpCall, TlsIdentity } from '@sofa-registry/runtime/node';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type IssuedFiles, TestAuthority } from '../../../test/support/certificates.ts';
import { makePlan } from '../src/compose/plan.ts';
import { Registry } from '../src/compose/registry.ts';
import { loadConfig } from '../src/config/effective.ts';

const ZERO_PORTS = ['session', 'data', 'meta'].flatMap((role) => [`${role}.port=0`, `${role}.httpPort=0`]);
const ALICE = 'the-token-of-alice-0123456789';
const BOB = 'the-token-of-bob-0123456789ab';

type Role = 'meta' | 'data' | 'session';
let dir: string;
let authority: TestAuthority;
let node: IssuedFiles;
let registry: Registry;
let logger: MemoryLogger;
const clients: SdkRegistry[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sofa-secure-'));
  authority = new TestAuthority();
  node = authority.issue();
  logger = memoryLogger();
  use(authority, node);
  writeFileSync(join(dir, 'operators'), `# who may\nalice ${ALICE}\n`);
  writeFileSync(join(dir, 'cluster'), 'the-token-of-the-cluster-0123\n');
  const sets = [
    ...ZERO_PORTS,
    'store=memory:',
    'log.level=error',
    'bind=[::1]',
    `tls.certFile=${join(dir, 'node.crt')}`,
    `tls.keyFile=${join(dir, 'node.key')}`,
    `tls.caFile=${join(dir, 'ca.crt')}`,
    'tls.clients=mutual',
    'tls.http=required',
    `clusterTokenFile=${join(dir, 'cluster')}`,
    `operatorTokenFile=${join(dir, 'operators')}`,
    `audit.file=${join(dir, 'audit.jsonl')}`,
    // Files are looked at when the test says so.
    'reloadMs=3600000',
  ];
  const config = await loadConfig({ sets, env: {} });
  registry = new Registry(await makePlan(config, {}), config);
  await registry.start();
});
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));
afterAll(async () => {
  await registry?.stop();
  authority?.remove();
  rmSync(dir, { recursive: true, force: true });
});

/** Puts certificates in place, as a renewal would. */
function use(from: TestAuthority, { certFile, keyFile }: IssuedFiles): void {
  copyFileSync(certFile, join(dir, 'node.crt'));
  copyFileSync(keyFile, join(dir, 'node.key'));
  copyFileSync(from.caFile, join(dir, 'ca.crt'));
}

const httpOf = (role: Role): string => registry.plan.roles.find((plan) => plan.role === role)!.httpAddress;
const bearer = (token: string) => ({ authorization: `Bearer ${token}`, 'x-operator': 'somebody@somewhere' });

function call(role: Role, request: string, headers: Record<string, string> = {}, ca = authority.ca) {
  const [method, path] = request.split(' ');
  return httpCall({
    url: `https://${httpOf(role)}${path}`,
    method,
    headers,
    signal: AbortSignal.timeout(5000),
    tls: { identity: new TlsIdentity({ ca }), peerName: '' },
  });
}

async function sdk(tls: ConnectOptions['tls']): Promise<SdkRegistry> {
  const client = await connectSdk({ servers: [httpOf('session')], app: 'secure', tls, waitMs: 3000 });
  clients.push(client);
  return client;
}

async function listOf(client: SdkRegistry, dataId: string, length: number): Promise<readonly string[]> {
  for await (const list of client.subscribe({ dataId, scope: 'global' }))
    if (list.all.length === length) return list.all;
  throw new Error('closed');
}

describe('a registry with TLS at ::1', () => {
  it('shows IPv6 addresses in brackets everywhere', async () => {
    const status = JSON.parse((await call('session', 'GET /registry/v1/status')).body);
    for (const { address, httpAddress, processId } of status.members) {
      expect(address).toMatch(/^\[::1\]:\d+$/);
      expect(httpAddress).toMatch(/^\[::1\]:\d+$/);
      expect(processId.startsWith(`${address}/`)).toBe(true);
    }
    expect(status.members.map(({ role }: { role: string }) => role).toSorted()).toEqual([
      'data',
      'meta',
      'session',
    ]);
    const list = await call('session', 'GET /api/servers/query?zone=DEFAULT_ZONE');
    expect(list.body).toMatch(/^\[::1\]:\d+$/);
    const { address } = status.members.find(({ role }: { role: string }) => role === 'data');
    expect((await call('meta', `PUT /registry/v1/drain?node=${address}`, bearer(ALICE))).status).toBe(200);
    expect((await call('meta', `PUT /registry/v1/undrain?node=${address}`, bearer(ALICE))).status).toBe(200);
  });

  it('serves clients with a certificate, and nobody else', async () => {
    const own = authority.issue(['DNS:client']);
    const tls = { ca: authority.ca, cert: own.cert, key: own.key };
    const [provider, consumer] = [await sdk(tls), await sdk(tls)];
    await provider.publish({ dataId: 'tls.service' }, '10.0.0.1:1');
    expect(await listOf(consumer, 'tls.service', 1)).toEqual(['10.0.0.1:1']);
    await expect(sdk({ ca: authority.ca })).rejects.toThrow(/CERTIFICATE_REQUIRED|certificate of this side/);
    await expect(sdk({ ...tls, servername: 'elsewhere' })).rejects.toThrow('for another name');
    const stranger = new TestAuthority('stranger');
    try {
      await expect(sdk({ ...tls, ca: stranger.ca })).rejects.toThrow('not of an authority');
    } finally {
      stranger.remove();
    }
    await expect(sdk(undefined)).rejects.toMatchObject({ code: 'SR_CLIENT_UNREACHABLE' });
    await expect(sdk({ cert: own.cert })).rejects.toMatchObject({ code: 'SR_CLIENT_ARGUMENT' });
  });

  it('refuses an operator without the right token, writes down both, and shows them to operators only', async () => {
    expect((await call('meta', 'PUT /registry/v1/doc?key=persistent/x')).status).toBe(401);
    expect((await call('meta', 'PUT /registry/v1/doc?key=persistent/x', bearer(BOB))).status).toBe(401);
    expect((await call('meta', 'PUT /registry/v1/doc?key=persistent/x', bearer(ALICE))).status).toBe(200);
    expect((await call('data', 'GET /registry/v1/audit')).status).toBe(401);
    const shown = JSON.parse((await call('data', 'GET /registry/v1/audit?limit=3', bearer(ALICE))).body);
    const file = readFileSync(join(dir, 'audit.jsonl'), 'utf8').trim().split('\n');
    expect(file.slice(-3).map((line) => JSON.parse(line))).toEqual(shown);
    expect(shown).toMatchObject([
      { who: { operator: '', says: '' }, outcome: 'refused', status: 401, before: null, after: null },
      { who: { operator: '', says: 'somebody@somewhere' }, outcome: 'refused', status: 401 },
      {
        who: { operator: 'alice', says: 'somebody@somewhere', from: expect.stringMatching(/^::1:\d+$/) },
        role: 'meta',
        what: 'PUT /registry/v1/doc',
        input: 'key=persistent/x',
        outcome: 'done',
        status: 200,
        before: null,
        after: { value: '', version: expect.any(Number) },
      },
    ]);
    expect(JSON.stringify(shown) + file.join('')).not.toMatch(/the-token-of/);
  });

  it('takes over changed files; living connections stay, unusable files change nothing', async () => {
    const own = authority.issue(['DNS:client']);
    const early = await sdk({ ca: authority.ca, cert: own.cert, key: own.key });
    const publication = await early.publish({ dataId: 'reload.service' }, 'one');
    const next = new TestAuthority('next');
    try {
      const renewed = next.issue();
      copyFileSync(renewed.keyFile, join(dir, 'node.key'));
      registry.secrets.look(logger);
      expect(logger.lines.at(-1)).toMatchObject({
        message: 'changed files are not usable, the old stay in force',
        fields: {
          error: expect.stringMatching(
            /^tls\.keyFile = .*node\.key: it must hold the key of the certificate/,
          ),
        },
      });
      expect((await call('session', 'GET /health/live')).status).toBe(200);
      use(next, renewed);
      writeFileSync(join(dir, 'operators'), `bob ${BOB}\n`);
      registry.secrets.look(logger);
      await expect(call('session', 'GET /health/live')).rejects.toThrow('not of an authority');
      expect((await call('session', 'GET /health/live', {}, next.ca)).status).toBe(200);
      const renamed = next.issue(['DNS:client']);
      const late = await sdk({ ca: next.ca, cert: renamed.cert, key: renamed.key });
      await publication.update('two');
      expect(early.session).toBe(late.session);
      expect(await listOf(late, 'reload.service', 1)).toEqual(['two']);
      expect(
        (await call('meta', 'PUT /registry/v1/doc?key=persistent/y', bearer(ALICE), next.ca)).status,
      ).toBe(401);
      expect((await call('meta', 'PUT /registry/v1/doc?key=persistent/y', bearer(BOB), next.ca)).status).toBe(
        200,
      );
      const metrics = (await call('meta', 'GET /metrics', {}, next.ca)).body;
      expect(metrics).toMatch(/security_reloads_total\{outcome="used"\} 2/);
      expect(metrics).toMatch(/security_reloads_total\{outcome="refused"\} 1/);
      expect(metrics).toMatch(/security_certificate_expires_in_seconds 1\d{5}/);
    } finally {
      next.remove();
    }
  });
});

describe('a registry with a certificate and nothing else said', () => {
  it('takes plain text and TLS on each port, and keeps official clients working', async () => {
    const files = [
      `tls.certFile=${node.certFile}`,
      `tls.keyFile=${node.keyFile}`,
      `tls.caFile=${authority.caFile}`,
    ];
    const sets = [...ZERO_PORTS, 'store=memory:', 'log.level=error', ...files];
    const config = await loadConfig({ sets, env: {} });
    const both = new Registry(await makePlan(config, {}), config);
    await both.start();
    try {
      const session = both.plan.roles.find(({ role }) => role === 'session')!.httpAddress;
      const plain = await connectSdk({ servers: [session], app: 'plain' });
      const secure = await connectSdk({ servers: [session], app: 'secure', tls: { ca: authority.ca } });
      clients.push(plain, secure);
      await plain.publish({ dataId: 'both.service' }, 'of plain');
      await secure.publish({ dataId: 'both.service' }, 'of secure');
      for (const client of [plain, secure])
        expect((await listOf(client, 'both.service', 2)).toSorted()).toEqual(['of plain', 'of secure']);
      const lists = await fetch(`http://${session}/api/servers/queryWithWeight`);
      expect(await lists.text()).toMatch(/^127\.0\.0\.1:\d+\?weight=\d+$/);
    } finally {
      await Promise.all(clients.splice(0).map((client) => client.close()));
      await both.stop();
    }
  });
});
