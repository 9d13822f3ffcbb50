/** TLS and the cluster token over real sockets: who gets in, who does not, and what both sides say about it. */
import * as net from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { BoltChannel, type Connection, type Listener, memoryLogger, RpcError } from '@sofa-registry/runtime';
import {
  ClusterTokens,
  NetMetrics,
  nodeClock,
  tcpNetwork,
  TlsIdentity,
  type TlsMaterial,
  tlsProblem,
  type TlsPolicy,
  type TokenPolicy,
} from '@sofa-registry/runtime/node';
import { BoltStatus } from '@sofa-registry/wire';
import { type IssuedFiles, TestAuthority } from '../../../test/support/certificates.ts';
import { echo, Side } from './channel-rig.ts';
import { Ear, HOST, tcpRig } from './rigs.ts';

const clock = nodeClock();
const { until } = tcpRig();
const TOKEN = 'a-token-of-the-cluster-1';

let ours: TestAuthority;
let foreign: TestAuthority;
let node: IssuedFiles;
let stranger: IssuedFiles;

beforeAll(() => {
  ours = new TestAuthority('ours');
  foreign = new TestAuthority('foreign');
  node = ours.issue();
  stranger = foreign.issue();
});
afterAll(() => {
  ours.remove();
  foreign.remove();
});

const own = (): TlsMaterial => ({ ca: ours.ca, cert: node.cert, key: node.key });

interface Party {
  readonly material?: TlsMaterial;
  readonly policy?: Partial<TlsPolicy>;
  readonly tokens?: readonly string[];
  readonly token?: Partial<TokenPolicy>;
}

/** A node's network with counters and a log of its own. Without material: plain text. */
function party({ material, policy, tokens, token }: Party) {
  const metrics = new NetMetrics();
  const logger = memoryLogger();
  const identity = material === undefined ? null : new TlsIdentity(material);
  const tls: TlsPolicy | undefined =
    identity === null
      ? undefined
      : { identity, accept: 'tls', askCertificate: true, connect: true, peerName: '', ...policy };
  const network = tcpNetwork({
    clock,
    logger,
    metrics,
    tls,
    token:
      tokens === undefined
        ? undefined
        : { tokens: new ClusterTokens(tokens), prove: true, demand: true, ...token },
  });
  return { network, metrics, logger, identity };
}

const listeners: Listener[] = [];
const connections: Connection[] = [];
afterEach(async () => {
  for (const connection of connections.splice(0)) connection.destroy('test over');
  for (const listener of listeners.splice(0)) await listener.close();
});

/** A listening party and what it accepted. */
async function listening(options: Party, host = HOST) {
  const side = party(options);
  const ears: Ear[] = [];
  const listener = await side.network.listen({ host, port: 0 }, (connection) => {
    connections.push(connection);
    ears.push(new Ear(connection));
  });
  listeners.push(listener);
  return { ...side, ears, address: listener.address };
}

async function connected(side: ReturnType<typeof party>, address: { host: string; port: number }) {
  const connection = await side.network.connect(address);
  connections.push(connection);
  return new Ear(connection);
}

const refusal = (side: ReturnType<typeof party>, address: { host: string; port: number }): Promise<string> =>
  connected(side, address).then(
    () => 'connected',
    (error: Error & { code?: string }) => `${error.code} ${error.message}`,
  );

describe('TLS', () => {
  test.each(['127.0.0.1', '::1', 'localhost'])(
    'both sides with a certificate of the authority, at %s',
    async (host) => {
      const server = await listening({ material: own() }, host);
      const client = await connected(party({ material: own() }), server.address);
      client.connection.write(Buffer.alloc(3_000_000, 'c'));
      await until(() => server.ears[0]?.received === 3_000_000, 'arrived');
      server.ears[0].connection.write(Buffer.alloc(3_000_000, 's'));
      await until(() => client.received === 3_000_000, 'answered');
      expect(server.metrics.tlsAccepted.value).toBe(1);
      expect(client.connection.bufferedBytes).toBe(0);
      client.connection.end();
      await until(() => client.reasons.length === 1 && server.ears[0].reasons.length === 1, 'closed');
      expect([client.reasons, server.ears[0].reasons]).toEqual([['ended'], ['peer closed']]);
    },
  );

  test('a certificate that has expired', async () => {
    const old = ours.issue(undefined, -1);
    const material = { ca: ours.ca, cert: old.cert, key: old.key };
    expect(tlsProblem(material)).toMatchObject({ part: 'cert', rule: expect.stringContaining('expired on') });
    expect(() => new TlsIdentity(material)).toThrow('expired on');
  });

  test('a certificate that expires while the server runs is refused by those who connect', async () => {
    // A server whose clock does not know that its certificate has expired.
    const old = ours.issue(undefined, -1);
    const identity = new TlsIdentity({ ca: ours.ca, cert: old.cert, key: old.key }, () => 0);
    const server = await listening({ material: own(), policy: { identity } });
    expect(await refusal(party({ material: own() }), server.address)).toMatch(/^SR_NET_TLS .*has expired/);
  });

  test('a certificate of a foreign authority, on either side', async () => {
    const server = await listening({ material: own() });
    const wrong = party({ material: { ca: ours.ca, cert: stranger.cert, key: stranger.key } });
    const outcome = await refusal(wrong, server.address);
    // TLS 1.3: the server looks at the certificate after the client is done.
    if (outcome === 'connected') await until(() => server.metrics.tlsFailed.value === 1, 'refused');
    expect(server.ears).toEqual([]);
    expect(server.logger.lines).toMatchObject([
      {
        message: 'a TLS handshake failed',
        fields: { remote: HOST, cause: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' },
      },
    ]);
    const impostor = await listening({ material: { ca: ours.ca, cert: stranger.cert, key: stranger.key } });
    expect(await refusal(party({ material: own() }), impostor.address)).toMatch(
      /^SR_NET_TLS .*not of an authority that is trusted here/,
    );
  });

  test('a certificate for another host, unless that name is the one expected', async () => {
    const other = ours.issue(['DNS:registry.internal']);
    const server = await listening({ material: { ca: ours.ca, cert: other.cert, key: other.key } });
    expect(await refusal(party({ material: own() }), server.address)).toMatch(
      /^SR_NET_TLS .*for another name/,
    );
    const named = party({ material: own(), policy: { peerName: 'registry.internal' } });
    expect(await refusal(named, server.address)).toBe('connected');
  });

  test('no certificate where one is asked for', async () => {
    const server = await listening({ material: own() });
    const bare = party({ material: { ca: ours.ca } });
    let closed = '';
    const ear = await connected(bare, server.address).catch((error: Error) => {
      closed = error.message;
    });
    await until(() => closed !== '' || (ear?.reasons.length ?? 0) === 1, 'closed');
    expect(closed || ear?.reasons[0]).toMatch(/CERTIFICATE_REQUIRED|refused the certificate/);
    expect([server.ears.length, server.metrics.tlsFailed.value]).toEqual([0, 1]);
    const lax = await listening({ material: own(), policy: { askCertificate: false } });
    expect(await refusal(bare, lax.address)).toBe('connected');
  });

  test('plain text at a port that takes TLS only, and TLS at a plain one', async () => {
    const server = await listening({ material: own() });
    const ear = await connected(party({}), server.address);
    ear.connection.write(Buffer.from([1, 1, 0, 1, 0, 0, 0, 0, 0, 0]));
    await until(() => ear.reasons.length === 1, 'closed');
    expect([server.ears.length, server.metrics.tlsFailed.value]).toEqual([0, 1]);
    const plain = await listening({});
    const attempt = refusal(party({ material: own() }), plain.address);
    await until(() => (plain.ears[0]?.received ?? 0) > 0, 'hello seen');
    plain.ears[0].connection.write(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await attempt).toMatch(/^SR_NET_TLS .*does not speak TLS on this port/);
  });

  test('a port that takes both: the first byte decides, and nothing of it is lost', async () => {
    const server = await listening({ material: own(), policy: { accept: 'either', askCertificate: false } });
    const plain = await connected(party({}), server.address);
    const secure = await connected(party({ material: { ca: ours.ca } }), server.address);
    const silent = await connected(party({}), server.address);
    plain.connection.write(Buffer.from('plain text'));
    secure.connection.write(Buffer.from('secret text'));
    await until(() => server.ears.length === 2 && server.ears.every((ear) => ear.received > 0), 'both');
    expect(server.ears.map(({ text }) => text).toSorted()).toEqual(['plain text', 'secret text']);
    expect(server.metrics.tlsAccepted.value).toBe(1);
    for (const ear of server.ears) ear.connection.write(Buffer.from('answer'));
    await until(() => plain.text === 'answer' && secure.text === 'answer', 'answered');
    silent.connection.end();
    await until(() => silent.reasons.length === 1, 'a silent one may go');
    expect(server.ears).toHaveLength(2);
  });

  test('new material counts from the next handshake on; living connections stay', async () => {
    const server = await listening({ material: own() });
    const client = party({ material: own() });
    const early = await connected(client, server.address);
    await until(() => server.ears.length === 1, 'accepted');
    const next = new TestAuthority('next');
    try {
      const renewed = next.issue();
      const both = { ca: `${ours.ca}\n${next.ca}`, cert: renewed.cert, key: renewed.key };
      server.identity?.update(both);
      expect(await refusal(client, server.address)).toMatch(/^SR_NET_TLS .*not of an authority/);
      client.identity?.update({ ca: next.ca, cert: renewed.cert, key: renewed.key });
      expect(await refusal(client, server.address)).toBe('connected');
      early.connection.write(Buffer.from('still here'));
      await until(() => server.ears[0].text === 'still here', 'the early one lives');
      expect(() => server.identity?.update({ ca: next.ca, cert: renewed.cert, key: node.key })).toThrow(
        'key must be the key of the certificate',
      );
      expect(await refusal(client, server.address)).toBe('connected');
    } finally {
      next.remove();
    }
  });

  test('half-done handshakes end with the listener', async () => {
    const server = await listening({ material: own() });
    const socket = net.connect(server.address.port, HOST);
    let closed = false;
    socket
      .on('error', () => undefined)
      .on('close', () => {
        closed = true;
      });
    await new Promise((resolve) => socket.once('connect', resolve));
    const ear = await connected(party({ material: own() }), server.address);
    await until(() => server.ears.length === 1, 'accepted');
    await listeners.splice(0)[0].close();
    await until(() => closed, 'the half-done one');
    ear.connection.write(Buffer.from('alive'));
    await until(() => server.ears[0].text === 'alive', 'the other lives');
  });

  test.each([
    [{ ca: 'nonsense' }, 'ca', 'certificates in PEM form'],
    [{ cert: 'x' }, 'key', 'given together with the certificate'],
    [{ key: 'x' }, 'cert', 'given together with the key'],
    [{ cert: 'x', key: 'x' }, 'cert', 'a certificate in PEM form'],
  ] as const)('material %o', (material, part, rule) => {
    expect(tlsProblem(material)).toEqual({ part, rule: expect.stringContaining(rule) });
  });

  test('keys that are broken or belong to another certificate', () => {
    expect(tlsProblem({ cert: node.cert, key: 'x' })).toEqual({
      part: 'key',
      rule: 'a private key in PEM form, not encrypted',
    });
    expect(tlsProblem({ cert: node.cert, key: stranger.key })).toEqual({
      part: 'key',
      rule: 'the key of the certificate: this one belongs to another',
    });
    expect(tlsProblem(own())).toBeNull();
  });
});

describe('the cluster token', () => {
  const cases = [
    ['plain text', (): Party => ({})],
    ['TLS', (): Party => ({ material: own() })],
  ] as const;

  test.each(cases)('both know it, over %s: bytes flow at once in both directions', async (_name, base) => {
    const server = party({ ...base(), tokens: [TOKEN] });
    const ears: Ear[] = [];
    const listener = await server.network.listen({ host: HOST, port: 0 }, (connection) => {
      connections.push(connection);
      connection.write(Buffer.from('hello'));
      ears.push(new Ear(connection));
    });
    listeners.push(listener);
    const client = await connected(party({ ...base(), tokens: [TOKEN] }), listener.address);
    client.connection.write(Buffer.from('good day'));
    await until(() => ears[0]?.text === 'good day' && client.text === 'hello', 'both');
  });

  test('another one: both sides say so and count, the tier hears nothing', async () => {
    const server = await listening({ tokens: [TOKEN] });
    const client = party({ tokens: ['another-token-of-a-cluster'] });
    expect(await refusal(client, server.address)).toBe(
      `SR_NET_TOKEN cluster token refused: 127.0.0.1:${server.address.port}: the node there has another cluster token`,
    );
    await until(() => server.metrics.tokenRefused.with('wrong').value === 1, 'counted');
    expect(client.metrics.tokenFailed.with('wrong').value).toBe(1);
    expect(server.ears).toEqual([]);
    expect(server.logger.lines.map(({ message }) => message)).toEqual([
      'a node was refused: it has another cluster token',
    ]);
  });

  test('none at the side that connects: its first request is answered with a status of its own', async () => {
    const server = await listening({ tokens: [TOKEN] });
    const side = new Side();
    const channel = new BoltChannel(await party({}).network.connect(server.address), {
      clock,
      handler: side.handler,
    });
    const error = await channel.call('sr.Beat', 1, Buffer.from('x'), 5000).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(RpcError);
    expect((error as RpcError).status).toBe(BoltStatus.errorComm);
    await until(() => side.reasons.length === 1, 'closed');
    expect([server.ears.length, server.metrics.tokenRefused.with('none').value]).toEqual([0, 1]);
  });

  test('none at the side that is connected to', async () => {
    const side = new Side();
    side.onRequest = echo;
    const plain = party({});
    const listener = await plain.network.listen({ host: HOST, port: 0 }, (connection) => {
      new BoltChannel(connection, { clock, handler: side.handler });
    });
    listeners.push(listener);
    expect(await refusal(party({ tokens: [TOKEN] }), listener.address)).toMatch(
      /^SR_NET_TOKEN .*(has no cluster token|closed the connection in the exchange)/,
    );
  });

  test('a listener that answers without knowing it is found out', async () => {
    const fake = net.createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (hello: Buffer) => {
        socket.write(hello);
        socket.once('data', (proof: Buffer) => socket.write(Buffer.concat([Buffer.from([1]), proof])));
      });
    });
    await new Promise<void>((resolve) => fake.listen(0, HOST, resolve));
    const { port } = fake.address() as net.AddressInfo;
    expect(await refusal(party({ tokens: [TOKEN] }), { host: HOST, port })).toMatch(/another cluster token/);
    fake.close();
  });

  test('while it is changed both are accepted', async () => {
    const server = await listening({ tokens: ['the-new-token-of-us-all', TOKEN] });
    expect(await refusal(party({ tokens: [TOKEN] }), server.address)).toBe('connected');
    expect(await refusal(party({ tokens: ['the-new-token-of-us-all', TOKEN] }), server.address)).toBe(
      'connected',
    );
    const old = await listening({ tokens: [TOKEN] });
    expect(await refusal(party({ tokens: ['the-new-token-of-us-all', TOKEN] }), old.address)).toMatch(
      /another/,
    );
  });

  test('while it is introduced: who takes both lets in who has none, loses none of its bytes, and refuses a wrong one', async () => {
    const accepting = await listening({ tokens: [TOKEN], token: { demand: false, prove: false } });
    const plain = await connected(party({}), accepting.address);
    plain.connection.write(Buffer.from('no token'));
    await until(() => accepting.ears[0]?.text === 'no token', 'heard');
    expect(await refusal(party({ tokens: [TOKEN] }), accepting.address)).toBe('connected');
    expect(await refusal(party({ tokens: ['another-token-of-a-cluster'] }), accepting.address)).toMatch(
      /another/,
    );
    const silent = party({ tokens: [TOKEN], token: { prove: false } });
    const ordinary = await listening({});
    const ear = await connected(silent, ordinary.address);
    ear.connection.write(Buffer.from('as before'));
    await until(() => ordinary.ears[0]?.text === 'as before', 'heard');
  });

  test('it is not on the wire', async () => {
    const seen: Buffer[] = [];
    const server = await listening({ tokens: [TOKEN] });
    const tap = net.createServer((socket) => {
      const onward = net.connect(server.address.port, HOST);
      socket.on('data', (chunk: Buffer) => void seen.push(chunk)).pipe(onward);
      onward.on('data', (chunk: Buffer) => void seen.push(chunk)).pipe(socket);
      socket.on('error', () => undefined);
      onward.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => tap.listen(0, HOST, resolve));
    const { port } = tap.address() as net.AddressInfo;
    const ear = await connected(party({ tokens: [TOKEN] }), { host: HOST, port });
    await until(() => server.ears.length === 1, 'accepted');
    ear.connection.destroy('test over');
    tap.close();
    const bytes = Buffer.concat(seen);
    expect(bytes.length).toBe(36 + 36 + 32 + 33);
    expect(bytes.includes(TOKEN)).toBe(false);
  });
});
