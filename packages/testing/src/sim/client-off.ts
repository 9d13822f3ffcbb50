/** Clients that an operator takes out of the traffic while everything else happens, and opens again. */
import type { Random } from '@sofa-registry/runtime';
import type { Fault } from './faults.ts';
import type { ModelClient } from './model-client.ts';
import { leads, metaOf, type SimCluster, type SimNode } from './sim-cluster.ts';
import type { SimWorld } from './sim-host.ts';
import type { TakenOff } from './taken-off.ts';

/** An operator tries again after so long. */
const RETRY_MS = 300;
const OFF_MS = [1500, 6000, 20_000, 0];

/** Draws them between two times; now and then none. */
export function makeClientOffs(random: Random, fromMs: number, toMs: number): Fault[] {
  const faults: Fault[] = [];
  let atMs = fromMs + random.next() * (toMs - fromMs);
  while (atMs < toMs && random.uint32() % 3 > 0) {
    faults.push({
      atMs: Math.round(atMs * 10) / 10,
      forMs: OFF_MS[random.uint32() % OFF_MS.length],
      kind: 'clientOff',
      client: random.uint32(),
      count: [1, 1, 3][random.uint32() % 3],
    });
    atMs += 2000 + random.next() * 15_000;
  }
  return faults;
}

/** The operator of clients. */
export class ClientOffs {
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  readonly #takenOff: () => TakenOff;
  readonly #clients: () => readonly ModelClient[];
  /** Calls go one after the other, as those of one operator do. */
  #last: Promise<void> = Promise.resolve();

  constructor(
    world: SimWorld,
    cluster: SimCluster,
    takenOff: () => TakenOff,
    clients: () => readonly ModelClient[],
  ) {
    this.#world = world;
    this.#cluster = cluster;
    this.#takenOff = takenOff;
    this.#clients = clients;
  }

  /** Takes clients off. Returns what opens them; null if they stay off. */
  begin({ client, count, forMs }: Extract<Fault, { kind: 'clientOff' }>): (() => void) | null {
    const clients = this.#clients();
    const chosen = Array.from(
      { length: Math.min(count, clients.length) },
      (_, i) => clients[(client + i) % clients.length],
    );
    this.#queue(chosen, 'off');
    return forMs === 0 ? null : () => this.#queue(chosen, 'open');
  }

  #queue(clients: readonly ModelClient[], what: 'off' | 'open'): void {
    this.#last = this.#last.then(() => this.#call(clients, what));
  }

  async #call(clients: readonly ModelClient[], what: 'off' | 'open'): Promise<void> {
    const takenOff = this.#takenOff();
    for (const client of clients) {
      if (what === 'off') takenOff.off(client);
      else takenOff.opens(client);
    }
    const hosts = clients.map(({ name }) => name);
    while (!(await this.#try(hosts, what))) await this.#sleep();
    for (const client of clients) takenOff.done(client);
    this.#world.trace.add('operator', () => `${what} ${hosts.join(', ')}: done`);
  }

  /** Asks the meta that leads. False if nobody knows whether it was done. */
  async #try(hosts: readonly string[], what: 'off' | 'open'): Promise<boolean> {
    const meta = this.#cluster.up('meta').find((node) => leads(node) && node.host?.clock.paused !== true);
    if (meta === undefined) return false;
    const call = metaOf(meta)?.admin.traffic[what](hosts);
    return Promise.race([
      Promise.resolve(call)
        .then(() => true)
        .catch(() => false),
      this.#ended(meta),
    ]);
  }

  /** False as soon as the process has ended: it will not answer. */
  async #ended(meta: SimNode): Promise<boolean> {
    const { host } = meta;
    while (meta.host === host) await this.#sleep();
    return false;
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => this.#world.clock.setTimer(RETRY_MS, resolve));
  }
}
