import type { DriverContext, StoreDriver } from './driver.ts';
import { StoreError } from './errors.ts';
import type { ServerOptions } from './open-store.ts';
import type { SqlAddress } from './store-address.ts';

/** Not there yet. */
export class MysqlDriver {
  constructor(_address: SqlAddress, _options: ServerOptions, _ctx: DriverContext) {
    throw new StoreError('SR_STORE_CONFIG', 'the mysql store is not available in this build');
  }
}
export interface MysqlDriver extends StoreDriver {}
