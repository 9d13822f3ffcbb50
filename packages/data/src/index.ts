/** Public surface of `@sofa-registry/data`: the data tier. */
export { DataNode } from './data-node.ts';
export { DataServer } from './data-server.ts';
export {
  type DataCounts,
  DataInspect,
  type DatumView,
  type OwnedPublisher,
  type SlotView,
} from './inspect.ts';
export type { ClusterPort, DataIdentity, DataPorts } from './node-state.ts';
export {
  DATA_DEFAULTS,
  DATA_SETTINGS,
  type DataConfig,
  type DataTunables,
  dataTunables,
} from './settings.ts';
