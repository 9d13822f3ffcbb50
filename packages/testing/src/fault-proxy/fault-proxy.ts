/**
 * A TCP proxy that hurts what passes: delay, throttling, loss, resets and half-open connections, by direction and by connection.
 * For tests with real processes; the simulator has the same faults without sockets.
 */
import { createServer, type Server } from 'node:net';
import type { HostPort } from '@sofa-registry/model';
import { ProxyLink } from './link.ts';
import type { ActiveFault, ProxyFault } from './rule.ts';

/** Options of {@link startFaultProxy}. */
export interface FaultProxyOptions {
  /** Where it listens; port 0 (default) takes a free one, host default `127.0.0.1`. */
  readonly listen?: Partial<HostPort>;
  /** Where it connects to for every connection it takes. */
  readonly target: HostPort;
  /** Local address it connects from, which the target sees as the client's; default what the system chooses. */
  readonly from?: string;
  /** Open connections; more are reset at once. Default 1024. */
  readonly linksMax?: number;
}

const LINKS_MAX = 1024;

/** A running proxy. */
export class FaultProxy implements AsyncDisposable {
  /** Where it listens. */
  readonly address: HostPort;
  readonly #server: Server;
  readonly #links = new Map<ProxyLink, readonly ProxyFault[]>();
  readonly #faults: ProxyFault[] = [];

  /** @internal use {@link startFaultProxy} */
  constructor(server: Server, address: HostPort, { target, from, linksMax = LINKS_MAX }: FaultProxyOptions) {
    this.#server = server;
    this.address = address;
    server.on('connection', (socket) => {
      if (this.#links.size >= linksMax) {
        socket.resetAndDestroy();
        return;
      }
      const link = new ProxyLink(socket, target, from, (gone) => this.#links.delete(gone));
      const faults = this.#faults.filter(({ where }) => where === undefined || where(link));
      this.#links.set(link, faults);
      link.apply(faults);
    });
  }

  /** Open connections. */
  get links(): readonly ProxyLink[] {
    return [...this.#links.keys()];
  }

  /** Puts a fault in force on present and future connections. Several add up. */
  inject(fault: ProxyFault): ActiveFault {
    this.#faults.push(fault);
    for (const [link, faults] of this.#links) {
      if (fault.where === undefined || fault.where(link)) this.#change(link, [...faults, fault]);
    }
    return { heal: () => this.#heal(fault) };
  }

  /** Resets connections, all or the chosen ones. @returns how many */
  reset(where: (link: ProxyLink) => boolean = () => true): number {
    const chosen = this.links.filter(where);
    for (const link of chosen) link.reset();
    return chosen.length;
  }

  /** Makes connections half-open, see {@link ProxyLink.halfOpen}. @returns how many */
  halfOpen(ignorant: 'client' | 'target', where: (link: ProxyLink) => boolean = () => true): number {
    const chosen = this.links.filter(where);
    for (const link of chosen) link.halfOpen(ignorant);
    return chosen.length;
  }

  /** Stops listening and resets everything. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.reset();
    await closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #heal(fault: ProxyFault): void {
    const at = this.#faults.indexOf(fault);
    if (at < 0) return;
    this.#faults.splice(at, 1);
    for (const [link, faults] of this.#links) {
      if (faults.includes(fault))
        this.#change(
          link,
          faults.filter((other) => other !== fault),
        );
    }
  }

  #change(link: ProxyLink, faults: readonly ProxyFault[]): void {
    this.#links.set(link, faults);
    link.apply(faults);
  }
}

/** Starts a proxy. @throws what `listen` reports, e.g. EADDRINUSE */
export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const server = createServer({ noDelay: true, allowHalfOpen: true });
  const { host = '127.0.0.1', port = 0 } = options.listen ?? {};
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port }, resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP address');
  return new FaultProxy(server, { host, port: address.port }, options);
}
