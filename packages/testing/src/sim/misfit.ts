/**
 * A node that does not belong: another slot count, or another data centre. It beats like any other; metas must refuse it for as
 * long as it tries, it must say what it waits for, and nobody may hear of it.
 */
import { DataServer } from '@sofa-registry/data';
import { DEFAULT_DATA_CENTER, SLOT_FUNCTION } from '@sofa-registry/model';
import { SessionServer } from '@sofa-registry/session';
import type { SimCluster } from './sim-cluster.ts';
import { SimHost, type SimWorld } from './sim-host.ts';
import { SIM_PORTS, simAddress } from './sim-tiers.ts';

/** How often it is looked at, ms. */
const LOOK_MS = 250;

/** The node. */
export class Misfit {
  readonly #host: SimHost;
  readonly #server: DataServer | SessionServer;
  readonly #cluster: SimCluster;
  readonly #violated: (detail: string) => void;

  constructor(
    world: SimWorld,
    cluster: SimCluster,
    role: 'data' | 'session',
    what: 'slotCount' | 'dataCenter',
    violated: (detail: string) => void,
  ) {
    this.#cluster = cluster;
    this.#violated = violated;
    const host = new SimHost(world, `misfit-${role}`);
    this.#host = host;
    const { slotCount, replicas } = cluster.options;
    const config = {
      listen: { host: host.name, port: SIM_PORTS[role] },
      advertise: '',
      httpAddress: `${host.name}:80`,
      metas: cluster.of('meta').map(({ address }) => address),
      zone: '',
      dataCenter: what === 'dataCenter' ? 'ELSEWHERE' : DEFAULT_DATA_CENTER,
      slotConfig: {
        slotCount: what === 'slotCount' ? slotCount * 2 : slotCount,
        replicas,
        slotFunction: SLOT_FUNCTION,
      },
    };
    const { clock, random, network, logger } = host;
    const ports = { clock, random, network, clientNetwork: network, logger };
    this.#server = role === 'data' ? new DataServer(ports, config) : new SessionServer(ports, config);
    void this.#server.start();
    this.#look(simAddress(role, host.name));
  }

  end(): void {
    if (!this.#host.dead) this.#host.die(false);
  }

  #look(address: string): void {
    this.#host.clock.setTimer(LOOK_MS, () => {
      if (this.#host.dead) return;
      const { table, members } = this.#server.inspect.view();
      if (table.epoch > 0) this.#violated(`${address} was told slot table ${table.epoch}`);
      if (members.length > 0) this.#violated(`${address} was told the members`);
      for (const node of this.#cluster.nodes.values()) {
        const view = node.tier === null || node.tier.role === 'meta' ? null : node.tier.server.inspect.view();
        if (view?.members.some((member) => member.address === address) === true)
          this.#violated(`${address} is a member for ${node.name}`);
      }
      this.#look(address);
    });
  }
}
