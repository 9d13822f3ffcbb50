/** A node's side of the cluster: its link to the meta leader, and its links to data nodes. */
export type { ClusterView, ViewChange, WatchedDoc } from './cluster-view.ts';
export * from './limits.ts';
export { MetaLink, type MetaLinkOptions, type SlotReport } from './meta-link.ts';
export { CLUSTER_METRICS } from './metrics.ts';
export { PeerLink, type PeerLinkEvents, type PeerLinkOptions } from './peer-link.ts';
export type { ClusterPorts } from './ports.ts';
export {
  completeTunables,
  type NodeConfig,
  type Setting,
  setting,
  type SettingTable,
  type Tunables,
} from './setting.ts';
