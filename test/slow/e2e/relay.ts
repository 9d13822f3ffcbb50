/** Clients that come from another address of this machine: through a proxy that connects from there. */
import { connectWith, fixedServerList, type Registry } from '@sofa-registry/client';
import { parseAddress } from '@sofa-registry/model';
import { noopLogger } from '@sofa-registry/runtime';
import { nodeClock, nodeRandom, tcpNetwork } from '@sofa-registry/runtime/node';
import { type FaultProxy, startFaultProxy } from '@sofa-registry/testing';

/** @param target `host:port` of the session; `from` is the address it sees the client come from */
export function startRelay(target: string, from: string): Promise<FaultProxy> {
  const session = parseAddress(target);
  if (session === null) throw new TypeError(`not host:port: ${target}`);
  return startFaultProxy({ target: session, from });
}

/** An SDK that comes through the relay, whichever session it is told of. */
export function clientThrough({ address }: FaultProxy): Promise<Registry> {
  const clock = nodeClock();
  const tcp = tcpNetwork({ clock, logger: noopLogger(), tls: undefined });
  const network = {
    listen: tcp.listen.bind(tcp),
    connect: (_session: unknown, options?: Parameters<typeof tcp.connect>[1]) =>
      tcp.connect(address, options),
  };
  const list = fixedServerList([address]);
  return connectWith({ clock, random: nodeRandom(), network, list }, { app: 'e2e' });
}
