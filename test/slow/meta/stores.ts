/** The stores that several metas can share, started empty, and whoever must be hurt in them. */
import {
  etcdLeader,
  etcdUrl,
  missingServer,
  type RealServer,
  startEtcdCluster,
  startServer,
} from '../store/servers.ts';

/** What a suite can ask for. */
export type SharedStoreKind = 'postgres' | 'mariadb' | 'etcd';

/** A running store. */
export interface SharedStore {
  readonly kind: SharedStoreKind;
  /** For `--store`. */
  readonly url: string;
  readonly members: readonly RealServer[];
  /** The only server, or the member that leads. */
  leader(): Promise<RealServer>;
  stop(): Promise<void>;
}

export const SHARED_STORES: readonly SharedStoreKind[] = ['postgres', 'mariadb', 'etcd'];

/** Why a store is left out here, or null. */
export function missingStore(kind: SharedStoreKind): string | null {
  return missingServer(kind);
}

/** Starts it. */
export async function startStore(kind: SharedStoreKind): Promise<SharedStore> {
  const members = kind === 'etcd' ? await startEtcdCluster() : [await startServer(kind)];
  return {
    kind,
    url: kind === 'etcd' ? etcdUrl(members) : members[0].url,
    members,
    leader: async () => (kind === 'etcd' ? etcdLeader(members) : members[0]),
    stop: async () => {
      for (const member of members) await member.stop();
    },
  };
}
