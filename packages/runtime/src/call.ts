/** Promise form of one request. */
import type { Frame } from '@sofa-registry/wire';
import type { ReplyHandler } from './bolt-options.ts';
import type { RpcError } from './errors.ts';

/** Reply handler that settles a promise; used once. */
export class PromiseReply implements ReplyHandler<null> {
  readonly promise: Promise<Frame>;
  readonly #resolve: (frame: Frame) => void;
  readonly #reject: (error: unknown) => void;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: (() => void) | null;

  /** @param forget called when the signal aborts */
  constructor(signal: AbortSignal | undefined, forget: () => void) {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    this.promise = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#signal = signal;
    this.#onAbort =
      signal === undefined
        ? null
        : () => {
            forget();
            reject(signal.reason);
          };
    if (this.#onAbort !== null) signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  reply(_token: null, frame: Frame): void {
    this.#detach();
    this.#resolve(frame);
  }

  failed(_token: null, error: RpcError): void {
    this.#detach();
    this.#reject(error);
  }

  /** The request could not even be encoded. */
  abandon(error: unknown): void {
    this.#detach();
    this.#reject(error);
  }

  #detach(): void {
    if (this.#onAbort !== null) this.#signal?.removeEventListener('abort', this.#onAbort);
  }
}
