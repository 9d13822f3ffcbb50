/** Five processes that trust one authority and share a token: they work, strangers stay out, certificates and tokens change underneath. */
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type Registry } from '@sofa-registry/client';
import { httpCall, TlsIdentity } from '@sofa-registry/runtime/node';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFailed } from 'vitest';
import { freeRolePorts, RegistryProcess, type Role } from '../../../bench/src/harness/registry-process.ts';
import { TestAuthority } from '../../support/certificates.ts';
import { eventually } from './waiting.ts';

const CLUSTER_TOKEN = 'cluster-token-0123456789abcdef';
const NEXT_TOKEN = 'next-cluster-token-0123456789a';
const OPERATOR_TOKEN = 'operator-token-0123456789abcdef';
const HOST = '127.0.0.1';

type RolePorts = Awaited<ReturnType<typeof freeRolePorts>>;

interface Node {
  readonly name: string;
  readonly role: Role;
  readonly ports: RolePorts;
  process: RegistryProcess;
}

interface Member {
  readonly role: string;
  readonly address: string;
}

describe('a cluster of processes with mutual TLS and a token', () => {
  let dir: string;
  let authority: TestAuthority;
  let meta: RolePorts;
  const nodes: Node[] = [];
  const strangers: RegistryProcess[] = [];
  const clients: Registry[] = [];

  const path = (name: string): string => join(dir, name);

  /** A certificate of its own for a node. */
  function certify(name: string, from = authority): void {
    const { certFile, keyFile } = from.issue();
    copyFileSync(certFile, path(`${name}.crt`));
    copyFileSync(keyFile, path(`${name}.key`));
  }

  const secure = (name: string): string[] => [
    `tls.certFile=${path(`${name}.crt`)}`,
    `tls.keyFile=${path(`${name}.key`)}`,
    `tls.caFile=${authority.caFile}`,
    'tls.clients=required',
    `clusterTokenFile=${path('cluster.token')}`,
    `operatorTokenFile=${path('operator.token')}`,
    'reloadMs=100',
    'replicas=2',
  ];

  async function spawn(name: string, role: Role, sets: readonly string[]): Promise<Node> {
    const ports = { ...(await freeRolePorts()), meta };
    if (role === 'meta') ports.meta = meta;
    return { name, role, ports, process: RegistryProcess.spawn({ roles: [role], ports, sets }) };
  }

  const portsOf = ({ role, ports }: Node) => ports[role];
  const call = (node: Node, request: string, headers: Record<string, string> = {}, body?: string) => {
    const [method, url] = request.split(' ');
    return httpCall({
      url: `https://${HOST}:${portsOf(node).httpPort}${url}`,
      method,
      headers,
      body,
      signal: AbortSignal.timeout(5000),
      tls: { identity: new TlsIdentity({ ca: authority.ca }), peerName: '' },
    });
  };
  const metaNode = (): Node => nodes[0];
  const members = async (): Promise<Member[]> =>
    JSON.parse((await call(metaNode(), 'GET /registry/v1/status')).body).members;
  const metric = async (node: Node, name: string): Promise<number> => {
    const { body } = await call(node, 'GET /metrics');
    const line = body.split('\n').find((candidate) => candidate.startsWith(`sofa_registry_${name} `));
    return Number(line?.split(' ').at(-1) ?? 0);
  };

  async function client(node: Node, tls: { readonly ca: string } | undefined): Promise<Registry> {
    const opened = await connect({
      servers: [`${HOST}:${portsOf(node).httpPort}`],
      app: 'e2e-secure',
      tls,
      waitMs: 5000,
    });
    clients.push(opened);
    return opened;
  }

  const output = (): string =>
    [
      ...nodes.map(({ name, process }) => `--- ${name}\n${process.output}`),
      ...strangers.map((s) => s.output),
    ].join('\n');
  const scenario = (name: string, run: () => Promise<void>): void => {
    it(name, async () => {
      onTestFailed(() => console.error(output()));
      await run();
    });
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sofa-secure-e2e-'));
    authority = new TestAuthority();
    writeFileSync(path('cluster.token'), `${CLUSTER_TOKEN}\n`);
    writeFileSync(path('operator.token'), `alice ${OPERATOR_TOKEN}\n`);
    ({ meta } = await freeRolePorts());
    for (const [name, role] of [
      ['meta', 'meta'],
      ['data-1', 'data'],
      ['data-2', 'data'],
      ['session-1', 'session'],
      ['session-2', 'session'],
    ] as const) {
      certify(name);
      nodes.push(await spawn(name, role, secure(name)));
    }
    await Promise.all(nodes.map(({ process }) => process.healthy()));
  });
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((opened) => opened.close()));
    for (const stranger of strangers.splice(0)) await stranger.stop();
  });
  afterAll(async () => {
    for (const { process } of nodes.toReversed()) await process.stop();
    authority.remove();
    rmSync(dir, { recursive: true, force: true });
  });

  scenario('publishes and pushes over two sessions; plain text is refused to clients', async () => {
    const [first, second] = nodes.filter(({ role }) => role === 'session');
    const provider = await client(first, { ca: authority.ca });
    const consumer = await client(second, { ca: authority.ca });
    const ids = Array.from({ length: 20 }, (_, i) => `secure.service.${i}`);
    await Promise.all(ids.map((dataId) => provider.publish({ dataId }, `${dataId}/a`)));
    for (const dataId of ids) {
      const subscription = consumer.subscribe({ dataId, scope: 'global' });
      await eventually(
        `${dataId} is complete`,
        async () => subscription.current?.all.join() === `${dataId}/a`,
      );
    }
    expect(await metric(nodes[1], 'net_tls_accepted_total')).toBeGreaterThan(1);
    await expect(client(first, undefined)).rejects.toMatchObject({ code: 'SR_CLIENT_UNREACHABLE' });
  });

  scenario('an operator takes clients off at all sessions by asking one, and nobody else does', async () => {
    const [first, second] = nodes.filter(({ role }) => role === 'session');
    const provider = await client(first, { ca: authority.ca });
    const consumer = await client(second, { ca: authority.ca });
    await provider.publish({ dataId: 'secure.off' }, 'value');
    const subscription = consumer.subscribe({ dataId: 'secure.off', scope: 'global' });
    const shows = (values: string) =>
      eventually(`the list is ${values}`, () => subscription.current?.all.join() === values);
    await shows('value');
    const operator = { 'x-apiauth-token': OPERATOR_TOKEN };
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    const post = (path: string, headers: Record<string, string>) =>
      call(second, `POST /api/clientManager/${path}`, { ...form, ...headers }, `ips=${HOST}`);
    expect((await post('zone/clientOff', {})).status).toBe(401);
    expect((await post('zone/clientOff', operator)).body).toBe('{"success":true,"message":""}');
    await shows('');
    expect((await post('zone/clientOpen', operator)).body).toBe('{"success":true,"message":""}');
    await shows('value');
    // The same for good: handed to the leading meta, and all sessions of the zone say when they know.
    expect((await post('persistence/clientOff', {})).status).toBe(401);
    const { data } = JSON.parse((await post('persistence/clientOff', operator)).body) as { data: number };
    const known = await call(
      second,
      `GET /api/clientManager/persistence/checkVersion?version=${data}`,
      operator,
    );
    expect(known.body).toBe('{"success":true,"message":""}');
    const off = JSON.parse((await post('zone/queryClientOff', operator)).body) as {
      data: Record<string, unknown>;
    };
    expect(Object.values(off.data)).toEqual([
      { success: true, ips: [HOST] },
      { success: true, ips: [HOST] },
    ]);
    await shows('');
    await post('persistence/clientOpen', operator);
    await shows('value');
  });

  scenario(
    'a node without token, with a wrong one, of a foreign authority, or in plain text does not join',
    async () => {
      const foreign = new TestAuthority('foreign');
      certify('stranger');
      certify('foreign', foreign);
      writeFileSync(path('wrong.token'), 'a-wrong-token-0123456789abcdef\n');
      const before = (await members()).length;
      const base = secure('stranger');
      const without = (key: string) => base.filter((set) => !set.startsWith(key));
      const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
        [
          'no token',
          without('clusterToken'),
          /a cluster token: meta at \S+ asks for one \(clusterTokenFile\)/,
        ],
        [
          'wrong token',
          [...without('clusterToken'), `clusterTokenFile=${path('wrong.token')}`],
          /no connection to \S+ \(cluster token refused: \S+ the node there has another cluster token\)/,
        ],
        [
          'foreign authority',
          [
            ...without('tls.'),
            `tls.certFile=${path('foreign.crt')}`,
            `tls.keyFile=${path('foreign.key')}`,
            `tls.caFile=${authority.caFile}`,
          ],
          /closed the connection in the exchange of the cluster token|refused the certificate/,
        ],
        [
          'plain text',
          without('tls.'),
          /closed the connection in the exchange of the cluster token|cluster token/,
        ],
      ];
      try {
        for (const [what, sets, why] of cases) {
          const stranger = await spawn(what, 'session', sets);
          strangers.push(stranger.process);
          const scheme = what === 'plain text' ? 'http' : 'https';
          const ca = what === 'foreign authority' ? foreign.ca : authority.ca;
          const waiting = await eventually(`${what}: the node says what it waits for`, async () => {
            const { body } = await httpCall({
              url: `${scheme}://${HOST}:${portsOf(stranger).httpPort}/health/ready`,
              signal: AbortSignal.timeout(2000),
              tls: { identity: new TlsIdentity({ ca }), peerName: '' },
            }).catch(() => ({ body: '{}' }));
            const { ready, waitingFor = '' } = JSON.parse(body) as { ready?: boolean; waitingFor?: string };
            return ready === false && why.test(waitingFor) && waitingFor;
          });
          expect(waiting).toMatch(why);
          await eventually(`${what}: its log says so`, async () => why.test(stranger.process.output), 15_000);
        }
        expect(await members()).toHaveLength(before);
        expect(await metric(metaNode(), 'net_token_refused_total{reason="none"}')).toBeGreaterThan(0);
        expect(await metric(metaNode(), 'net_token_refused_total{reason="wrong"}')).toBeGreaterThan(0);
        expect(await metric(metaNode(), 'net_tls_failed_total')).toBeGreaterThan(0);
        expect(metaNode().process.output).toContain('a node was refused: it has another cluster token');
      } finally {
        foreign.remove();
      }
    },
  );

  scenario('an operator without token is refused and written down', async () => {
    const request = 'PUT /registry/v1/doc?key=operator/release-hold';
    expect((await call(metaNode(), request)).status).toBe(401);
    const auth = { authorization: `Bearer ${OPERATOR_TOKEN}` };
    expect((await call(metaNode(), request, auth)).status).toBe(200);
    expect((await call(nodes[3], 'PUT /opsapi/v1/server/group/quit', auth)).status).toBe(200);
    expect((await call(nodes[3], 'PUT /opsapi/v1/server/group/join', auth)).status).toBe(200);
    const entries = async (node: Node) => JSON.parse((await call(node, 'GET /registry/v1/audit', auth)).body);
    expect((await entries(metaNode())).slice(-2)).toMatchObject([
      { outcome: 'refused', status: 401, who: { operator: '' }, what: 'PUT /registry/v1/doc' },
      { outcome: 'done', status: 200, who: { operator: 'alice' }, before: null, after: { value: '' } },
    ]);
    expect((await entries(nodes[3])).slice(-2)).toMatchObject([
      { outcome: 'done', before: { draining: false }, after: { draining: true } },
      { outcome: 'done', before: { draining: true }, after: { draining: false } },
    ]);
  });

  scenario(
    'certificates and the token change under load; nobody loses a connection, new nodes need the new ones',
    async () => {
      const [first, second] = nodes.filter(({ role }) => role === 'session');
      const provider = await client(first, { ca: authority.ca });
      const consumer = await client(second, { ca: authority.ca });
      const lost: string[] = [];
      for (const each of [provider, consumer]) each.on('state', ({ state }) => void lost.push(state));
      const publication = await provider.publish({ dataId: 'secure.renewal' }, '0');
      const subscription = consumer.subscribe({ dataId: 'secure.renewal', scope: 'global' });
      await eventually('it is seen', async () => subscription.current?.all.join() === '0');
      for (const { name } of nodes) certify(name);
      writeFileSync(path('cluster.token'), `${CLUSTER_TOKEN}\n${NEXT_TOKEN}\n`);
      for (const node of nodes)
        await eventually(
          `${node.name} has taken both over`,
          async () => (await metric(node, 'security_reloads_total{outcome="used"}')) >= 2,
        );
      certify('late');
      writeFileSync(path('next.token'), `${NEXT_TOKEN}\n`);
      const late = await spawn('late', 'data', [
        ...secure('late').filter((set) => !set.startsWith('clusterToken')),
        `clusterTokenFile=${path('next.token')}`,
      ]);
      strangers.push(late.process);
      // Others connect to it with the old token, which it does not know, so it joins but leads nothing until they changed the order.
      writeFileSync(path('cluster.token'), `${NEXT_TOKEN}\n${CLUSTER_TOKEN}\n`);
      await eventually('it has joined', async () =>
        (await members()).some(({ address }) => address === `${HOST}:${portsOf(late).port}`),
      );
      for (let i = 1; i <= 20; i++) await publication.update(String(i));
      await eventually(
        'the last value is seen',
        async () => subscription.current?.all.join() === '20',
        20_000,
      );
      expect(lost).toEqual([]);
    },
  );

  scenario('no secret has been printed', async () => {
    const printed = output();
    expect(printed.length).toBeGreaterThan(1000);
    for (const secret of [CLUSTER_TOKEN, NEXT_TOKEN, OPERATOR_TOKEN, 'PRIVATE KEY']) {
      expect(printed).not.toContain(secret);
    }
    const [, body = ''] =
      /-----BEGIN PRIVATE KEY-----\s+(\S+)/.exec(readFileSync(path('meta.key'), 'utf8')) ?? [];
    expect(body.length).toBeGreaterThan(40);
    expect(printed).not.toContain(body);
  });
});
