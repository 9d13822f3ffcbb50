import type { Connection, Network } from '@sofa-registry/runtime';
import { ManualClock, memoryNetwork } from '@sofa-registry/runtime';
import { describe, expect, it } from 'vitest';
import { localFirstNetwork } from '../src/compose/local-first-network.ts';

/** Two networks that tell where a connection arrived; time runs by itself between awaits. */
function rig(): {
  network: Network;
  remote: Network;
  settle: (steps?: number) => Promise<void>;
  connect: (network: Network, host: string, port: number) => Promise<Connection>;
} {
  const clock = new ManualClock();
  const local = memoryNetwork({ clock });
  const remote = memoryNetwork({ clock });
  const settle = async (steps = 20): Promise<void> => {
    for (let i = 0; i < steps; i++) {
      await clock.advance(1);
      await Promise.resolve();
    }
  };
  const connect = async (network: Network, host: string, port: number): Promise<Connection> => {
    const connecting = network.connect({ host, port });
    connecting.catch(() => undefined);
    await settle();
    return connecting;
  };
  return {
    network: localFirstNetwork({
      local,
      remote,
      advertised: [{ listen: { host: '127.0.0.1', port: 9600 }, advertise: 'registry.example:19600' }],
    }),
    remote,
    settle,
    connect,
  };
}

const handler = { data: () => undefined, drained: () => undefined, closed: () => undefined };

describe('a network that prefers its own process', () => {
  it('reaches own ports in memory by every name they have, and others outside', async () => {
    const { network, remote, connect } = rig();
    let accepted = 0;
    const accept = (connection: Connection): void => {
      accepted++;
      connection.attach(handler);
    };
    await network.listen({ host: '127.0.0.1', port: 9600 }, accept);
    for (const host of ['127.0.0.1', 'localhost']) (await connect(network, host, 9600)).attach(handler);
    (await connect(network, 'registry.example', 19_600)).attach(handler);
    expect(accepted).toBe(3);
    let outside = 0;
    await remote.listen({ host: '10.0.0.9', port: 7 }, (connection) => {
      outside++;
      connection.attach(handler);
    });
    (await connect(network, '10.0.0.9', 7)).attach(handler);
    expect([accepted, outside]).toEqual([3, 1]);
  });

  it('is open to others on the same port', async () => {
    const { network, remote, connect } = rig();
    let accepted = 0;
    const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) => {
      accepted++;
      connection.attach(handler);
    });
    (await connect(remote, '127.0.0.1', listener.address.port)).attach(handler);
    expect(accepted).toBe(1);
  });

  it('refuses after the port was closed, and a port that is taken outside', async () => {
    const { network, remote, connect } = rig();
    const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (connection) =>
      connection.attach(handler),
    );
    await listener.close();
    await expect(connect(network, '127.0.0.1', listener.address.port)).rejects.toThrow('refused');
    await remote.listen({ host: '127.0.0.1', port: 9 }, () => undefined);
    await expect(network.listen({ host: '127.0.0.1', port: 9 }, () => undefined)).rejects.toThrow('port 9');
    await expect(connect(network, 'registry.example', 9)).rejects.toThrow('refused');
  });
});
