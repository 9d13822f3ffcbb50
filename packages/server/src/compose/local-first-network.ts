/**
 * Roles of one process meet in memory, everybody else over TCP. A port that a role opens is open on both; a connect to an
 * address of this process never touches a socket.
 */
import { formatAddress, type HostPort } from '@sofa-registry/model';
import type { Connection, ConnectOptions, Listener, Network } from '@sofa-registry/runtime';

/** What {@link localFirstNetwork} joins. */
export interface LocalFirstOptions {
  readonly local: Network;
  readonly remote: Network;
  /** Addresses under which ports of this process are known to others, beside the bound ones. */
  readonly advertised: readonly { readonly listen: HostPort; readonly advertise: string }[];
}

const ANY_HOSTS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);
const LOOPBACK_HOSTS = ['127.0.0.1', '::1', 'localhost'];

class LocalFirstNetwork implements Network {
  readonly #options: LocalFirstOptions;
  /** Names of ports of this process to their in-memory address. */
  readonly #own = new Map<string, HostPort>();

  constructor(options: LocalFirstOptions) {
    this.#options = options;
  }

  async listen(address: HostPort, accept: (connection: Connection) => void): Promise<Listener> {
    const outer = await this.#options.remote.listen(address, accept);
    const bound = { host: address.host, port: outer.address.port };
    let inner: Listener;
    try {
      inner = await this.#options.local.listen(bound, accept);
    } catch (error) {
      await outer.close();
      throw error;
    }
    const names = this.#namesOf(bound);
    for (const name of names) this.#own.set(name, bound);
    return {
      address: outer.address,
      close: async () => {
        for (const name of names) this.#own.delete(name);
        await Promise.all([inner.close(), outer.close()]);
      },
    };
  }

  connect(address: HostPort, options?: ConnectOptions): Promise<Connection> {
    const own = this.#own.get(formatAddress(address.host, address.port));
    return own === undefined
      ? this.#options.remote.connect(address, options)
      : this.#options.local.connect(own, options);
  }

  #namesOf(bound: HostPort): string[] {
    const loopback = ANY_HOSTS.has(bound.host) || LOOPBACK_HOSTS.includes(bound.host);
    const hosts = [bound.host, ...(loopback ? LOOPBACK_HOSTS : [])];
    const others = this.#options.advertised.filter(
      ({ listen }) => listen.host === bound.host && listen.port === bound.port,
    );
    const names = hosts.map((host) => formatAddress(host, bound.port));
    return [...new Set([...names, ...others.map(({ advertise }) => advertise)])];
  }
}

/** A network whose connections within the process are in memory. */
export function localFirstNetwork(options: LocalFirstOptions): Network {
  return new LocalFirstNetwork(options);
}
