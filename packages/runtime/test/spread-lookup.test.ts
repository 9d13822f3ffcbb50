import { once } from 'node:events';
import * as net from 'node:net';
import { expect, it } from 'vitest';
import { noopLogger, seededRandom } from '../src/index.ts';
import { nodeClock, tcpNetwork } from '../src/node/index.ts';
import { spreadLookup } from '../src/node/spread-lookup.ts';

const all = (...addresses: string[]) =>
  spreadLookup(seededRandom(7), (_host, _options, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: net.isIP(address) })),
    ),
  );

it('gives all addresses of a name, in turn each of them first', () => {
  const lookup = all('10.0.0.1', '10.0.0.2', '::1');
  const firsts = new Set<string>();
  for (let i = 0; i < 50; i++) {
    lookup('metas', { all: true }, (error, addresses) => {
      expect(error).toBe(null);
      const list = (addresses as { address: string }[]).map(({ address }) => address);
      expect([...list].sort()).toEqual(['10.0.0.1', '10.0.0.2', '::1']);
      firsts.add(list[0]);
    });
  }
  expect(firsts.size).toBe(3);
});

it('connects to the one address of a name that listens, wherever it begins', async () => {
  const server = net.createServer((socket) => socket.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const lookup = all('127.0.0.2', '127.0.0.1', '127.0.0.3');
  for (let i = 0; i < 10; i++) {
    const socket = net.connect({ host: 'metas', port, lookup });
    await once(socket, 'connect');
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
  }
  server.close();
});

it('a name that does not resolve is named in the failure', async () => {
  const network = tcpNetwork({ clock: nodeClock(), logger: noopLogger });
  await expect(network.connect({ host: 'no-such-host.invalid', port: 9610 })).rejects.toThrow(
    /no-such-host\.invalid:9610: the name (does not resolve|cannot be resolved now)/,
  );
});
