/** Lets a client come from another address of this machine: passes bytes on, from that address. */
import { once } from 'node:events';
import { connectWith, fixedServerList, type Registry } from '@sofa-registry/client';
import { noopLogger } from '@sofa-registry/runtime';
import { nodeClock, nodeRandom, tcpNetwork } from '@sofa-registry/runtime/node';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** The relay. */
export class Relay implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Connections passed on now. */
  open = 0;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param target `host:port` of the session; `from` is the address it sees the client come from */
  static async start(target: string, from: string): Promise<Relay> {
    const [host, port] = target.split(':');
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', (near) => {
      relay.#pass(near, connect({ host, port: Number(port), localAddress: from }));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return relay;
  }

  /** An SDK that comes through it, whichever session it is told of. */
  client(): Promise<Registry> {
    const { port } = this.#server.address() as AddressInfo;
    const clock = nodeClock();
    const tcp = tcpNetwork({ clock, logger: noopLogger(), tls: undefined });
    const network = {
      listen: tcp.listen.bind(tcp),
      connect: (_session: unknown, options?: Parameters<typeof tcp.connect>[1]) =>
        tcp.connect({ host: '127.0.0.1', port }, options),
    };
    const list = fixedServerList([{ host: '127.0.0.1', port }]);
    return connectWith({ clock, random: nodeRandom(), network, list }, { app: 'e2e' });
  }

  #pass(near: Socket, far: Socket): void {
    this.open++;
    far.once('close', () => this.open--);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ]) {
      this.#sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.once('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
