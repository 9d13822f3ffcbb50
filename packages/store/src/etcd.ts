import type { DriverContext, StoreDriver } from './driver.ts';
import { StoreError } from './errors.ts';
import type { ServerOptions } from './open-store.ts';
import type { EtcdAddress } from './store-address.ts';

/** Not there yet. */
export class EtcdDriver {
  constructor(_address: EtcdAddress, _options: ServerOptions, _ctx: DriverContext) {
    throw new StoreError('SR_STORE_CONFIG', 'the etcd store is not available in this build');
  }
}
export interface EtcdDriver extends StoreDriver {}
