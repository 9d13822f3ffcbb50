/** The parts of the inside's security by themselves: who may call, what is written down, what settings and files may say. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { memoryLogger } from '@sofa-registry/runtime';
import { httpCall, NetMetrics, nodeClock, TlsDoor, TlsIdentity } from '@sofa-registry/runtime/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type IssuedFiles, TestAuthority } from '../../../test/support/certificates.ts';
import { Operators } from '../src/compose/operators.ts';
import { makePlan } from '../src/compose/plan.ts';
import { Secrets } from '../src/compose/secrets.ts';
import { clusterTokensIn, operatorsIn } from '../src/compose/token-files.ts';
import { loadConfig } from '../src/config/effective.ts';
import { type AuditEntry, AuditLog, AUDIT_VALUE_UNITS_MAX, auditValue } from '../src/http/audit.ts';
import { type Access, Gate, type GateOptions } from '../src/http/gate.ts';
import { HttpPort } from '../src/http/http-port.ts';

const TOKEN = 'an-operator-token-0123456789';
let dir: string;
let authority: TestAuthority;
let node: IssuedFiles;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'sofa-security-'));
  authority = new TestAuthority();
  node = authority.issue();
});
afterAll(() => {
  authority.remove();
  rmSync(dir, { recursive: true, force: true });
});

function file(name: string, text: string): string {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
}

describe('the gate', () => {
  let nowMs = 0;
  const gate = (tokens: boolean, more: Partial<GateOptions> = {}): Gate =>
    new Gate({
      operators: new Operators(tokens ? [{ name: 'alice', token: TOKEN }] : []),
      reads: tokens ? 'open' : 'local',
      secretsNeedTls: false,
      nowMs: () => nowMs,
      ...more,
    });
  const request = (remoteAddress: string, token = '', encrypted = false) =>
    ({
      socket: { remoteAddress, remotePort: 1, localAddress: '10.0.0.1', encrypted },
      headers: token === '' ? {} : { authorization: `Bearer ${token}` },
    }) as never;
  const outcome = (of: Gate, access: Access, asked: never): string => {
    try {
      return `let through as ${of.check(access, asked).name}`;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  it.each([
    ['open', '10.0.0.9', '', 'let through as ', 'let through as '],
    ['read', '10.0.0.9', '', 'SR_HTTP_REMOTE', 'let through as '],
    ['read', '127.0.0.1', '', 'let through as ', 'let through as '],
    ['operator', '10.0.0.9', '', 'SR_HTTP_REMOTE', 'SR_HTTP_TOKEN'],
    ['operator', '10.0.0.9', TOKEN, 'SR_HTTP_REMOTE', 'let through as alice'],
    ['operator', '10.0.0.9', `${TOKEN}x`, 'SR_HTTP_REMOTE', 'SR_HTTP_TOKEN'],
    ['operator', '127.0.0.1', '', 'let through as local', 'SR_HTTP_TOKEN'],
    ['operator', '::ffff:127.0.0.1', '', 'let through as local', 'SR_HTTP_TOKEN'],
    ['operator', '::1', '', 'let through as local', 'SR_HTTP_TOKEN'],
    ['operator', '::ffff:10.0.0.9', '', 'SR_HTTP_REMOTE', 'SR_HTTP_TOKEN'],
    ['read', '10.0.0.1', '', 'let through as ', 'let through as '],
    ['operator', '10.0.0.1', '', 'let through as local', 'SR_HTTP_TOKEN'],
  ] as const)(
    '%s from %s with "%s": without tokens %s, with them %s',
    (access, from, token, without, withOne) => {
      expect(outcome(gate(false), access, request(from, token))).toBe(without);
      expect(outcome(gate(true), access, request(from, token))).toBe(withOne);
    },
  );

  it('asks everybody for the token where looking needs it', () => {
    const strict = gate(true, { reads: 'token' });
    expect(outcome(strict, 'read', request('127.0.0.1'))).toBe('SR_HTTP_TOKEN');
    expect(outcome(strict, 'read', request('10.0.0.9', TOKEN))).toBe('let through as alice');
    expect(outcome(gate(false, { reads: 'open' }), 'read', request('10.0.0.9'))).toBe('let through as ');
    expect(outcome(gate(true, { reads: 'local' }), 'read', request('10.0.0.9', TOKEN))).toBe(
      'let through as alice',
    );
  });

  it('takes tokens of other machines over TLS only, where there is TLS', () => {
    const secure = gate(true, { secretsNeedTls: true });
    expect(outcome(secure, 'operator', request('10.0.0.9', TOKEN))).toBe('SR_HTTP_PLAIN');
    expect(outcome(secure, 'operator', request('10.0.0.9', TOKEN, true))).toBe('let through as alice');
    expect(outcome(secure, 'operator', request('127.0.0.1', TOKEN))).toBe('let through as alice');
  });

  it('refuses an address after ten wrong tokens in a minute, and no other', () => {
    const guarded = gate(true);
    for (let i = 0; i < 10; i++)
      expect(outcome(guarded, 'operator', request('10.0.0.9', `wrong-${i}`))).toBe('SR_HTTP_TOKEN');
    expect(outcome(guarded, 'operator', request('10.0.0.9', TOKEN))).toBe('SR_HTTP_MANY');
    expect(outcome(guarded, 'operator', request('10.0.0.8', TOKEN))).toBe('let through as alice');
    nowMs += 60_000;
    expect(outcome(guarded, 'operator', request('10.0.0.9', TOKEN))).toBe('let through as alice');
    // Without a token there is nothing to guess with.
    for (let i = 0; i < 20; i++) outcome(guarded, 'operator', request('10.0.0.9'));
    expect(outcome(guarded, 'operator', request('10.0.0.9', TOKEN))).toBe('let through as alice');
  });
});

describe('the audit', () => {
  const entry = (i: number): AuditEntry => ({
    time: '2026-01-01T00:00:00.000Z',
    node: '127.0.0.1:9610',
    role: 'meta',
    who: { operator: 'alice', from: '127.0.0.1:1', says: '' },
    what: `PUT /${i}`,
    input: 'x'.repeat(500),
    outcome: 'done',
    status: 200,
    before: null,
    after: i,
  });
  const numbers = (text: string): number[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as AuditEntry).after as number);

  it('keeps the newest in memory and rotates its file', async () => {
    const path = join(dir, 'rotating.jsonl');
    const log = new AuditLog({ file: path, fileBytesMax: 4096, filesMax: 3, entriesMax: 5 });
    for (let i = 0; i < 40; i++) await log.record(entry(i));
    expect(log.newest(100).map(({ after }) => after)).toEqual([35, 36, 37, 38, 39]);
    expect(log.newest(2).map(({ after }) => after)).toEqual([38, 39]);
    const files = readdirSync(dir)
      .filter((name) => name.startsWith('rotating'))
      .toSorted();
    expect(files).toEqual(['rotating.jsonl', 'rotating.jsonl.1', 'rotating.jsonl.2']);
    const kept = files.toReversed().flatMap((name) => numbers(readFileSync(join(dir, name), 'utf8')));
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => 40 - kept.length + i));
    for (const name of files) expect(readFileSync(join(dir, name)).length).toBeLessThanOrEqual(4096);
    const again = new AuditLog({ file: path, fileBytesMax: 4096, filesMax: 3, entriesMax: 5 });
    await again.record(entry(40));
    expect(numbers(readFileSync(path, 'utf8')).at(-1)).toBe(40);
  });

  it('goes on when the file cannot be written, and says so', async () => {
    const logger = memoryLogger();
    const log = new AuditLog({
      file: join(dir, 'none', 'x'),
      fileBytesMax: 4096,
      filesMax: 2,
      entriesMax: 5,
    });
    log.useLogger(logger);
    await log.record(entry(1));
    expect(log.newest(5)).toHaveLength(1);
    expect(logger.lines.map(({ level, message }) => [level, message])).toEqual([
      ['info', 'operator call'],
      ['error', 'the audit file cannot be written'],
    ]);
  });

  it('bounds what stands in an entry', () => {
    expect(auditValue({ a: 1 })).toEqual({ a: 1 });
    expect(auditValue(undefined)).toBeNull();
    expect(String(auditValue('y'.repeat(100_000)))).toHaveLength(AUDIT_VALUE_UNITS_MAX + 3);
  });
});

describe('token files', () => {
  it('hold tokens, names and comments', () => {
    expect(operatorsIn(`# people\nalice ${TOKEN}\n\n  ${TOKEN}2  \n`, 'f')).toEqual([
      { name: 'alice', token: TOKEN },
      { name: 'operator', token: `${TOKEN}2` },
    ]);
    expect(clusterTokensIn(`${TOKEN}\n${TOKEN}-old\n`, 'f')).toEqual([TOKEN, `${TOKEN}-old`]);
  });

  it.each([
    ['short', /^operatorTokenFile = f, line 1: it must be a token of at least 16 characters/],
    ['a b c-0123456789-0123', /line 1/],
    ['# nothing\n', /it must be a token/],
  ])('refuse %s without repeating it', (text, message) => {
    expect(() => operatorsIn(text, 'f')).toThrow(message);
    expect(() => operatorsIn(text, 'f')).not.toThrow('short');
  });
});

describe('settings', () => {
  const secrets = async (...sets: string[]): Promise<string> => {
    try {
      await Secrets.load(await loadConfig({ sets, env: {} }));
      return 'accepted';
    } catch (error) {
      return (error as Error).message;
    }
  };
  const tls = (): string[] => [
    `tls.certFile=${node.certFile}`,
    `tls.keyFile=${node.keyFile}`,
    `tls.caFile=${authority.caFile}`,
  ];

  it('of TLS are whole or not there', async () => {
    expect(await secrets(...tls())).toBe('accepted');
    const [cert, key, ca] = tls();
    expect(await secrets(cert)).toBe(
      'tls.keyFile = "" (from default): it must be given together with tls.certFile',
    );
    expect(await secrets(cert, key)).toContain('tls.caFile = "" (from default): it must be given together');
    expect(await secrets(cert, key, 'tls.tiers=off')).toBe('accepted');
    expect(await secrets(cert, key, 'tls.tiers=off', 'tls.clients=mutual')).toContain('tls.caFile');
    expect(await secrets(ca)).toContain('tls.caFile = ');
    expect(await secrets('tls.http=required')).toContain(
      'tls.http = "required" (from --set): it must be left out or off, or given together with tls.certFile',
    );
    expect(await secrets('clusterTokenMode=required')).toContain('given together with clusterTokenFile');
    expect(await secrets('tls.clients=sometimes')).toContain('one of off, optional, required, mutual');
  });

  it('name the key and the rule of a file that is not what it should be', async () => {
    const [cert, key, ca] = tls();
    expect(await secrets(`tls.certFile=${join(dir, 'none.crt')}`, key, ca)).toContain('none.crt: ENOENT');
    const bad = file('bad.pem', 'nonsense');
    expect(await secrets(`tls.certFile=${bad}`, key, ca)).toBe(
      `tls.certFile = ${bad}: it must hold a certificate in PEM form (-----BEGIN CERTIFICATE-----)`,
    );
    expect(await secrets(cert, key, `tls.caFile=${bad}`)).toContain('tls.caFile = ');
    const other = authority.issue();
    expect(await secrets(cert, `tls.keyFile=${other.keyFile}`, ca)).toContain('tls.keyFile = ');
    const old = authority.issue(undefined, -1);
    expect(await secrets(`tls.certFile=${old.certFile}`, `tls.keyFile=${old.keyFile}`, ca)).toContain(
      'it must hold a valid certificate: this one expired on',
    );
    expect(await secrets(`clusterTokenFile=${join(dir, 'none')}`)).toContain('clusterTokenFile = ');
    expect(await secrets(`operatorTokenFile=${file('short', 'tooshort')}`)).toMatch(
      /line 1: it must be a token/,
    );
  });

  it('never show a secret', async () => {
    const env = {
      SOFA_REGISTRY_OPERATOR_TOKEN: TOKEN,
      SOFA_REGISTRY_CLUSTER_TOKEN: `${TOKEN}-of-the-cluster`,
    };
    const shown = (await loadConfig({ env })).printable();
    expect(JSON.stringify(shown)).not.toContain(TOKEN);
    const valueOf = (key: string) => shown.find((row) => row.key === key)?.value;
    expect([valueOf('operatorToken'), valueOf('clusterToken'), valueOf('storePassword')]).toEqual([
      '(set)',
      '(set)',
      '(unset)',
    ]);
    const refused = await loadConfig({ env: { SOFA_REGISTRY_CLUSTER_TOKEN: 'cat' } }).catch(String);
    expect(refused).toContain(
      'clusterToken = *** (from SOFA_REGISTRY_CLUSTER_TOKEN): it must be at least 16',
    );
    const flag = await loadConfig({ sets: [`clusterToken=${TOKEN}`], env: {} }).catch(String);
    expect(flag).toContain('never on the command line');
    expect(flag).not.toContain(TOKEN);
  });
});

describe('places', () => {
  const plan = async (...sets: string[]) =>
    (await makePlan(await loadConfig({ sets: ['roles=session', ...sets], env: {} }), {})).roles[0];

  it('of a role may differ from those of the process, ports included', async () => {
    expect(
      await plan(
        'bind=0.0.0.0',
        'advertise=registry.example',
        'session.advertise=10.0.0.1:19600',
        'session.httpBind=127.0.0.1',
        'session.httpAdvertise=proxy.example:443',
      ),
    ).toMatchObject({
      listen: { host: '0.0.0.0', port: 9600 },
      advertise: '10.0.0.1:19600',
      http: { host: '127.0.0.1', port: 9603 },
      httpAddress: 'proxy.example:443',
    });
    expect(await plan('session.bind=10.0.0.7', 'session.advertise=name')).toMatchObject({
      listen: { host: '10.0.0.7', port: 9600 },
      advertise: 'name:9600',
      http: { host: '10.0.0.7', port: 9603 },
      httpAddress: 'name:9603',
    });
    expect(await plan('session.bind=10.0.0.7')).toMatchObject({ advertise: '10.0.0.7:9600' });
  });

  it('are IPv6 addresses in one form, with or without brackets', async () => {
    for (const bind of ['::1', '[::1]', '0:0:0:0:0:0:0:1', '[0:0::1]'])
      expect(await plan(`bind=${bind}`)).toMatchObject({
        listen: { host: '::1', port: 9600 },
        advertise: '[::1]:9600',
        httpAddress: '[::1]:9603',
      });
    expect(await plan('bind=::', 'advertise=2001:DB8::5')).toMatchObject({
      listen: { host: '::', port: 9600 },
      advertise: '[2001:db8::5]:9600',
    });
    expect(await plan('session.advertise=[2001:DB8::5]:19600')).toMatchObject({
      advertise: '[2001:db8::5]:19600',
    });
    const config = await loadConfig({ sets: ['metas=[2001:DB8:0::1]:9610,m2:9610'], env: {} });
    expect((await makePlan(config, {})).metas).toEqual(['127.0.0.1:9610', '[2001:db8::1]:9610', 'm2:9610']);
  });

  it.each([
    ['bind=[::1', 'one address'],
    ['advertise=name:9600', 'a host name or address without a port'],
    ['session.advertise=a:b:c', 'host or host:port'],
    ['data.httpBind=a,b', 'one address'],
    ['metas=::1:9610', 'a list of host:port'],
  ])('%s is refused', async (set, rule) => {
    await expect(plan(set)).rejects.toThrow(rule);
  });
});

describe('an HTTP port behind a TLS door', () => {
  const clock = nodeClock();

  async function open(accept: 'either' | 'tls') {
    const identity = new TlsIdentity({ cert: node.cert, key: node.key });
    const metrics = new NetMetrics();
    const common = { identity, accept, askCertificate: false, clock, logger: memoryLogger(), metrics };
    const port = await HttpPort.open(
      { host: '127.0.0.1', port: 0 },
      'x.httpPort',
      10,
      (ready) => new TlsDoor({ ...common, ready }),
    );
    port.serve(
      (request, response) => {
        const { encrypted = false } = request.socket as { encrypted?: boolean };
        request.resume().on('end', () => response.end(`${request.method} ${request.url} ${encrypted}`));
      },
      () => Promise.reject(new Error('not needed')),
    );
    const call = (scheme: 'http' | 'https', body?: string) =>
      httpCall({
        url: `${scheme}://127.0.0.1:${port.address.port}/path`,
        method: body === undefined ? 'GET' : 'POST',
        body,
        signal: AbortSignal.timeout(5000),
        tls: { identity: new TlsIdentity({ ca: authority.ca }), peerName: '' },
      });
    return { port, call };
  }

  it('answers both where both are taken', async () => {
    const { port, call } = await open('either');
    expect(await call('https')).toEqual({ status: 200, type: null, body: 'GET /path true' });
    expect((await call('http')).body).toBe('GET /path false');
    expect((await call('https', 'x'.repeat(300_000))).body).toBe('POST /path true');
    expect((await call('http', 'x'.repeat(300_000))).body).toBe('POST /path false');
    await port.close();
    await expect(call('https')).rejects.toThrow('ECONNREFUSED');
  });

  it.each(['http', 'https'] as const)(
    'closes idle and half-done connections of %s with the port',
    async (scheme) => {
      const { port } = await open('either');
      const sockets = await Promise.all(
        ['GET / HTTP/1.1\r\nhost: x\r\n\r\n', 'GET /half'].map(async (text) => {
          const at = { host: '127.0.0.1', port: port.address.port };
          const socket = scheme === 'http' ? net.connect(at) : tls.connect({ ...at, ca: authority.ca });
          await once(socket, scheme === 'http' ? 'connect' : 'secureConnect');
          socket.write(text);
          if (text.endsWith('\r\n')) await once(socket, 'data');
          return socket.resume();
        }),
      );
      const gone = Promise.all(
        sockets.map(
          (socket) => new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve)),
        ),
      );
      await port.close();
      await gone;
    },
  );

  it('answers nothing in plain text where TLS is required', async () => {
    const { port, call } = await open('tls');
    expect((await call('https')).body).toBe('GET /path true');
    await expect(call('http')).rejects.toThrow();
    port.kill();
  });
});
