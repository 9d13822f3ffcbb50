import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from '../../src/index.ts';

const open: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** A server that keeps its sockets, a proxy before it, and a client. */
async function world(options: Partial<FaultProxyOptions> = {}) {
  const sockets: Socket[] = [];
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', () => undefined));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as { port: number };
  const proxy: FaultProxy = await startFaultProxy({ target: { host: '127.0.0.1', port }, ...options });
  open.push(() => proxy.close());
  const dial = async (): Promise<{ client: Socket; target: Socket }> => {
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connect({ ...proxy.address, allowHalfOpen: true }).on('error', () => undefined);
    open.push(() => void client.destroy());
    return { client, target: (await accepted)[0] };
  };
  return { proxy, dial };
}

/** The next `count` bytes. */
async function bytes(socket: Socket, count: number): Promise<string> {
  let text = '';
  while (text.length < count) text += ((await once(socket, 'data')) as [Buffer])[0].toString();
  return text;
}

/** Resolves when the socket has closed, with or without an error. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.resume().once('close', () => resolve()));
}

/** One round trip of a connection without faults: everything written before on it has had its chance. */
async function roundTrip({ client, target }: { client: Socket; target: Socket }): Promise<void> {
  client.write('?');
  await bytes(target, 1);
  target.write('!');
  await bytes(client, 1);
}

describe('fault proxy', () => {
  it('passes bytes and ends both ways', async () => {
    const { client, target } = await (await world()).dial();
    client.write('to');
    expect(await bytes(target, 2)).toBe('to');
    target.write('from');
    expect(await bytes(client, 4)).toBe('from');
    client.end('last');
    const ended = once(target, 'end');
    expect(await bytes(target, 4)).toBe('last');
    await ended;
    target.write('still');
    expect(await bytes(client, 5)).toBe('still');
    target.end();
    await once(client.resume(), 'end');
  });

  it('drops one direction of the chosen connections; on healing the bytes arrive in order', async () => {
    const { proxy, dial } = await world();
    const chosen = await dial();
    const other = await dial();
    const port = chosen.client.localPort;
    const fault = proxy.inject({
      drop: true,
      direction: 'to-target',
      where: ({ client }) => client.port === port,
    });
    let arrived = '';
    chosen.target.on('data', (chunk: Buffer) => (arrived += chunk.toString()));
    chosen.client.write('a');
    chosen.client.write('b');
    chosen.target.write('back');
    expect(await bytes(chosen.client, 4)).toBe('back');
    await roundTrip(other);
    expect(arrived).toBe('');
    chosen.client.end();
    const ended = once(chosen.target, 'end');
    fault.heal();
    fault.heal();
    await ended;
    expect(arrived).toBe('ab');
  });

  it('holds new connections too while it drops', async () => {
    const { proxy, dial } = await world();
    const fault = proxy.inject({ drop: true });
    const { client, target } = await dial();
    client.write('x');
    fault.heal();
    expect(await bytes(target, 1)).toBe('x');
  });

  it('delays and keeps the order', async () => {
    const { proxy, dial } = await world();
    const { client, target } = await dial();
    await roundTrip({ client, target });
    proxy.inject({ delayMs: 60, direction: 'to-target' });
    const began = performance.now();
    client.write('1');
    client.write('2');
    expect(await bytes(target, 2)).toBe('12');
    expect(performance.now() - began).toBeGreaterThanOrEqual(59);
  });

  it('throttles', async () => {
    const { proxy, dial } = await world();
    const { client, target } = await dial();
    proxy.inject({ bytesPerSecond: 100_000 });
    const began = performance.now();
    client.write(Buffer.alloc(10_000, 'x'));
    expect(await bytes(target, 10_000)).toHaveLength(10_000);
    expect(performance.now() - began).toBeGreaterThanOrEqual(75);
  });

  it('stops reading a sender whose bytes it may not pass on', async () => {
    const { proxy, dial } = await world();
    const { client, target } = await dial();
    const fault = proxy.inject({ drop: true });
    const size = 64 * 1024 * 1024;
    client.write(Buffer.alloc(size, 'x'));
    await roundTripOf(await world());
    expect(client.writableLength).toBeGreaterThan(size / 2);
    fault.heal();
    let count = 0;
    for await (const chunk of target as AsyncIterable<Buffer>) {
      count += chunk.length;
      if (count === size) break;
    }
    expect(count).toBe(size);
  });

  it('resets both sides', async () => {
    const { proxy, dial } = await world();
    const { client, target } = await dial();
    const gone = Promise.all([closed(client), closed(target)]);
    expect(proxy.reset()).toBe(1);
    await gone;
    expect(proxy.links).toHaveLength(0);
  });

  it('leaves one side without the news', async () => {
    const { proxy, dial } = await world();
    const { client, target } = await dial();
    const gone = closed(target);
    expect(proxy.halfOpen('client')).toBe(1);
    await gone;
    client.write('into the void');
    await roundTripOf(await world());
    expect([client.destroyed, client.writable, client.readableEnded]).toEqual([false, true, false]);
  });

  it('resets a client whose target is not there', async () => {
    const { proxy } = await world({ target: { host: '127.0.0.1', port: 1 } });
    const client = connect(proxy.address);
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNRESET');
  });

  it('takes no more connections than its limit', async () => {
    const { proxy, dial } = await world({ linksMax: 1 });
    await dial();
    const second = connect(proxy.address);
    await once(second, 'error');
    expect(proxy.links).toHaveLength(1);
  });
});

async function roundTripOf({ dial }: Awaited<ReturnType<typeof world>>): Promise<void> {
  await roundTrip(await dial());
}
