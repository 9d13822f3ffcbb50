/** The MetaStore port and its backends: what the meta tier keeps outside its own memory. Only meta uses it. */
export { errorText, isStoreError, STORE_ERRORS, StoreError } from './errors.ts';
export type { StoreErrorCode, StoreOutcome } from './errors.ts';
export { STORE_LIMITS } from './limits.ts';
export { MemoryStoreBackend } from './memory-backend.ts';
export type {
  Doc,
  DocChange,
  DocEvent,
  DocStore,
  DocWrite,
  Fence,
  LeaderLease,
  LeaseInfo,
  MetaStore,
  RecordLog,
  RecordPage,
  StoredRecord,
} from './meta-store.ts';
export { memoryStore, openStore } from './open-store.ts';
export type { StoreOptions } from './open-store.ts';
export type {
  StoreClock,
  StoreLogger,
  StoreObserver,
  StoreOperation,
  StorePorts,
  StoreRandom,
  StoreTimer,
} from './ports.ts';
export type {
  AppRevisionRecord,
  ClientAddressRecord,
  ClientOperation,
  InterfaceAppRecord,
  RevisionInterface,
} from './records.ts';
export { parseStoreAddress, redactStoreAddress } from './store-address.ts';
export type { EtcdAddress, SqlAddress, StoreAddress, StoreTls } from './store-address.ts';
