import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { noopLogger } from '@sofa-registry/runtime';
import { nodeClock, tcpNetwork } from '@sofa-registry/runtime/node';
import { afterEach, expect, it } from 'vitest';
import { connect } from '../src/index.ts';
import { SERVER_LIST_BYTES_MAX } from '../src/limits.ts';
import { entry, FakeSession } from './fake-session.ts';

const clock = nodeClock();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function http(answer: (url: string) => string | null): Promise<string> {
  const server: Server = createServer((request, response) => {
    const body = answer(request.url ?? '');
    response.statusCode = body === null ? 404 : 200;
    response.end(body ?? 'not found');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it('finds a session over HTTP, publishes, follows and leaves over real sockets', async () => {
  const network = tcpNetwork({ clock, logger: noopLogger() });
  const session = await new FakeSession(network, clock, `127.0.0.1:${await freePort()}`).start();
  cleanups.push(() => session.kill());
  const server = await http((url) =>
    url.startsWith('/api/servers/query?') ? `${session.address};bad` : null,
  );
  const registry = await connect({ servers: [server], app: 'orders' });
  expect(registry.session).toBe(session.address);
  const publication = await registry.publish({ dataId: 'pay' }, 'v');
  expect(publication.acked).toBe(true);
  const subscription = registry.subscribe({ dataId: 'pay' });
  await registry.publish({ dataId: 'other' }, 'v');
  await session.push(session.last('subscriber', 'pay'), { version: 4096, entries: [entry('p', 'x')] });
  expect((await subscription.ready()).all).toEqual(['x']);
  await registry.close();
  expect(session.last('publisher', 'pay').eventType).toBe('UNREGISTER');
});

it('takes sessions without asking over HTTP', async () => {
  const network = tcpNetwork({ clock, logger: noopLogger() });
  const session = await new FakeSession(network, clock, `127.0.0.1:${await freePort()}`, {
    hello: 'refuse',
  }).start();
  cleanups.push(() => session.kill());
  await using registry = await connect({ sessions: [session.address], app: 'orders' });
  await registry.publish({ dataId: 'pay' }, 'v');
  expect(session.arrived).toHaveLength(1);
});

it('does not read an endless server list', async () => {
  const server = await http(() => 'x'.repeat(SERVER_LIST_BYTES_MAX + 1));
  await expect(connect({ servers: [server], app: 'orders', waitMs: 300 })).rejects.toMatchObject({
    code: 'SR_CLIENT_UNREACHABLE',
    message: expect.stringContaining(`answer longer than ${SERVER_LIST_BYTES_MAX} bytes`),
  });
});
