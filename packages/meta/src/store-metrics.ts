/** Metrics of the store of a process, by backend. */
import { LATENCY_BUCKETS_MS, MetricSet } from '@sofa-registry/runtime';
import type { StoreObserver } from '@sofa-registry/store';

/** The set, and the observer that fills it: hand that to `openStore`. */
export function storeMetrics(): { readonly set: MetricSet; readonly observer: StoreObserver } {
  const set = new MetricSet('store');
  const operations = set.counterVec(
    'operations_total',
    'Calls of the store, refused and failed ones included',
    ['backend', 'operation'],
    'F166',
  );
  const errors = set.counterVec(
    'errors_total',
    'Calls that were refused or failed, by error code',
    ['backend', 'operation', 'code'],
    'F166',
  );
  const unknown = set.counterVec(
    'unknown_outcomes_total',
    'Writes of which nobody knows whether they happened: the answer was lost; what they meant to write is read again',
    ['backend'],
    'meta-and-admin 12.5',
  );
  const latency = set.histogram(
    'operation_ms',
    'Time until the store answered or the call was given up',
    LATENCY_BUCKETS_MS,
    'F166',
  );
  const observer: StoreObserver = {
    called(backend, operation, ms, code) {
      operations.with(backend, operation).value++;
      latency.observe(ms);
      if (code === null) return;
      errors.with(backend, operation, code).value++;
      if (code === 'SR_STORE_UNKNOWN') unknown.with(backend).value++;
    },
  };
  return { set, observer };
}
