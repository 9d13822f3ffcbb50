/** Makes the servers of a simulated cluster: the classes that production runs, on the ports of a {@link SimHost}. */
import { DataServer, type DataTunables } from '@sofa-registry/data';
import { MetaServer, type MetaTunables } from '@sofa-registry/meta';
import { DEFAULT_DATA_CENTER, SLOT_FUNCTION, type SlotConfig } from '@sofa-registry/model';
import { SessionServer, type SessionTunables } from '@sofa-registry/session';
import { type MemoryStoreBackend, memoryStore, type MetaStore } from '@sofa-registry/store';
import type { SimHost } from './sim-host.ts';
import { backendBehind, hostStore, type StoreWay } from './sim-store.ts';

/** Roles of simulated nodes. */
export type SimRole = 'meta' | 'data' | 'session';

/** Settings that all nodes of a simulated cluster share. */
export interface SimTierSettings {
  readonly slotCount: number;
  readonly replicas: number;
  readonly metaSettings: Partial<MetaTunables>;
  readonly dataSettings: Partial<DataTunables>;
  readonly sessionSettings: Partial<SessionTunables>;
}

/** A server of any role. */
export type SimServer =
  | { readonly role: 'meta'; readonly server: MetaServer; readonly store: MetaStore }
  | { readonly role: 'data'; readonly server: DataServer }
  | { readonly role: 'session'; readonly server: SessionServer };

/** Ports of the roles: a node is reached at its name and its role's port. */
export const SIM_PORTS: Readonly<Record<SimRole, number>> = Object.freeze({
  meta: 9611,
  data: 9621,
  session: 9600,
});

/** Address of a node. */
export function simAddress(role: SimRole, name: string): string {
  return `${name}:${SIM_PORTS[role]}`;
}

/** Makes a server that has not started yet. */
export function makeServer(
  role: SimRole,
  host: SimHost,
  metas: readonly string[],
  zone: string,
  settings: SimTierSettings,
  backend: MemoryStoreBackend,
  way: StoreWay,
  storeCalled: () => void,
): SimServer {
  const { clock, random, network, logger } = host;
  const { slotCount, replicas } = settings;
  const slotConfig: SlotConfig = { slotCount, replicas, slotFunction: SLOT_FUNCTION };
  const common = {
    listen: { host: host.name, port: SIM_PORTS[role] },
    advertise: '',
    httpAddress: `${host.name}:80`,
    metas,
    zone,
    dataCenter: DEFAULT_DATA_CENTER,
    slotConfig,
  };
  switch (role) {
    case 'meta': {
      const behind = backendBehind(backend, way, clock, storeCalled);
      const store = hostStore(memoryStore(behind, { clock, random }), clock, random, way);
      const server = new MetaServer(
        { clock, random, network, logger, store },
        { ...common, ...settings.metaSettings },
      );
      return { role, server, store };
    }
    case 'data':
      return {
        role,
        server: new DataServer({ clock, random, network, logger }, { ...common, ...settings.dataSettings }),
      };
    case 'session':
      return {
        role,
        server: new SessionServer(
          { clock, random, network, clientNetwork: network, logger },
          { ...common, ...settings.sessionSettings },
        ),
      };
  }
}

/** Starts a server; a meta opens its store first, as the composition root does. @throws StoreError when there is none */
export async function startServer(tier: SimServer): Promise<void> {
  if (tier.role === 'meta') await tier.store.open();
  await tier.server.start();
}
