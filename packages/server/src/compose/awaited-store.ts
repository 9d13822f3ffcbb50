/**
 * Opens the store of the meta role. A store that does not answer is waited for, however long: a meta that is restarted while its
 * database fails over must not end. What an operator has to settle (address, password, schema, directory) still ends the start.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '@sofa-registry/runtime';
import type { MetaStore, StorePorts } from '@sofa-registry/store';
import type { StorePlan } from './plan.ts';

const RETRY_MS = 500;
const RETRY_MS_MAX = 5_000;

/** Null when `stopping` became true before the store answered. @throws StoreError */
export async function openAwaitedStore(
  plan: StorePlan,
  ports: StorePorts & { readonly logger: Logger },
  stopping: () => boolean,
): Promise<MetaStore | null> {
  const { isStoreError, openStore } = await import('@sofa-registry/store');
  for (let waitMs = RETRY_MS; ; waitMs = Math.min(2 * waitMs, RETRY_MS_MAX)) {
    try {
      return await openStore(plan, ports);
    } catch (error) {
      if (!isStoreError(error, 'SR_STORE_UNAVAILABLE')) throw error;
      ports.logger.warn('meta: waits for the store', { error: error.message });
    }
    // Jitter: metas that lost the same store do not all come back in the same moment.
    await sleep(waitMs * (0.5 + (ports.random.uint32() >>> 0) / 2 ** 33), undefined, { ref: false });
    if (stopping()) return null;
  }
}
