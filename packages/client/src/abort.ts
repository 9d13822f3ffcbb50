/** Waiting that an AbortSignal can end. */
import { abortedError } from './errors.ts';

/** The promise's outcome, or SR_CLIENT_ABORTED when the signal aborts first. Leaves no listener behind. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  if (signal.aborted) {
    promise.catch(() => undefined);
    return Promise.reject(abortedError(signal));
  }
  const { promise: either, resolve, reject } = Promise.withResolvers<T>();
  const onAbort = (): void => reject(abortedError(signal));
  signal.addEventListener('abort', onAbort, { once: true });
  promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  return either;
}

/** Throws SR_CLIENT_ABORTED if the signal has aborted. */
export function checkAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}
