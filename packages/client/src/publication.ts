/** A publication: the application's side of a publisher registration. */
import type { Clock, Random } from '@sofa-registry/runtime';
import { packBoxes } from '@sofa-registry/wire';
import { untilAborted } from './abort.ts';
import type { Publication, PublishValue, WaitOptions } from './api.ts';
import { RegistryClientError } from './errors.ts';
import { CLOSE_WAIT_MS, type ClientLimits, PAYLOAD_VALUES_MAX, UPDATE_WAITERS_MAX } from './limits.ts';
import { Registration, type RegistrationOwner } from './registration.ts';
import type { RegistrationSender } from './sender.ts';
import { badArgument, type ServiceKey } from './service-key.ts';

/** What a publication needs of its registry. */
export interface PublicationHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly sender: RegistrationSender;
  readonly limits: ClientLimits;
  /** Counts a limit that was hit, and makes its error. */
  limitHit(name: string, detail: string): RegistryClientError;
  closed(publication: ClientPublication): void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: RegistryClientError) => void;
}

/** {@link Publication} */
export class ClientPublication implements Publication {
  readonly dataId: string;
  readonly group: string;
  readonly instanceId: string;
  readonly registerId: string;
  readonly #host: PublicationHost;
  readonly #registration: Registration;
  #values: readonly string[];
  #waiters: Waiter[] = [];
  #error: RegistryClientError | null = null;
  #closing: Promise<void> | null = null;

  /** @throws RegistryClientError SR_CLIENT_ARGUMENT */
  constructor(host: PublicationHost, key: ServiceKey, value: PublishValue) {
    this.#host = host;
    this.#values = checkedValues(value, host.limits);
    this.dataId = key.dataId;
    this.group = key.group;
    this.instanceId = key.instanceId;
    this.registerId = host.random.uuid();
    const owner: RegistrationOwner = {
      acked: () => this.#settle(null),
      refused: (error) => this.#refused(error),
    };
    const spec = { kind: 'publisher', key, registerId: this.registerId, owner, scope: 'zone' } as const;
    this.#registration = new Registration(spec, host.clock.wallMs());
    this.#registration.payload = packBoxes(this.#values);
  }

  get values(): readonly string[] {
    return this.#values;
  }

  get version(): number {
    return this.#registration.version;
  }

  get acked(): boolean {
    return this.#registration.done && !this.#registration.refused;
  }

  get closed(): boolean {
    return this.#closing !== null || this.#error !== null;
  }

  async update(value: PublishValue, options?: WaitOptions): Promise<void> {
    this.#checkOpen();
    const values = checkedValues(value, this.#host.limits);
    this.#checkWaiters();
    this.#values = values;
    this.#registration.change(packBoxes(values), this.#host.clock.wallMs());
    const acked = this.#wait();
    this.#host.sender.put(this.#registration);
    await untilAborted(acked, options?.signal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#error === null ? this.#withdraw() : Promise.resolve();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Sends it for the first time and waits; takes it back when the wait is aborted. */
  async start(options?: WaitOptions): Promise<void> {
    const acked = this.#wait();
    this.#host.sender.put(this.#registration);
    try {
      await untilAborted(acked, options?.signal);
    } catch (error) {
      void this.close();
      throw error;
    }
  }

  #refused(error: RegistryClientError): void {
    this.#error = error;
    this.#settle(error);
    this.#host.closed(this);
  }

  async #withdraw(): Promise<void> {
    const { clock, sender } = this.#host;
    const registration = this.#registration;
    registration.withdraw();
    const { promise, resolve } = Promise.withResolvers<void>();
    // Waits for changes that came before end with the withdrawal: they are superseded.
    this.#settle(new RegistryClientError('SR_CLIENT_CLOSED', `publication of ${this.dataId}`));
    this.#waiters.push({ resolve, reject: () => resolve() });
    const timer = clock.setTimer(CLOSE_WAIT_MS, resolve);
    sender.put(registration);
    await promise;
    timer.cancel();
    this.#host.closed(this);
  }

  #checkOpen(): void {
    if (this.#error !== null) throw this.#error;
    if (this.#closing !== null) {
      throw new RegistryClientError('SR_CLIENT_CLOSED', `publication of ${this.dataId}`);
    }
  }

  #checkWaiters(): void {
    if (this.#waiters.length < UPDATE_WAITERS_MAX) return;
    throw this.#host.limitHit('updateWaiters', `${UPDATE_WAITERS_MAX} updates of ${this.dataId} wait`);
  }

  #wait(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiters.push({ resolve, reject });
    return promise;
  }

  #settle(error: RegistryClientError | null): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (error === null) waiter.resolve();
      else waiter.reject(error);
    }
  }
}

/** @throws RegistryClientError SR_CLIENT_ARGUMENT */
export function checkedValues(value: PublishValue, limits: ClientLimits): readonly string[] {
  const values: readonly unknown[] = typeof value === 'string' ? [value] : value;
  if (!Array.isArray(values)) badArgument('value', 'must be a string or a list of strings');
  if (values.length > PAYLOAD_VALUES_MAX)
    badArgument('value', `must have at most ${PAYLOAD_VALUES_MAX} entries`);
  let bytes = 0;
  for (const text of values) {
    if (typeof text !== 'string' || !text.isWellFormed()) {
      badArgument('value', 'must consist of strings without lone surrogates');
    }
    bytes += Buffer.byteLength(text, 'utf8');
  }
  if (bytes > limits.payloadBytesMax) {
    badArgument('value', `must be at most ${limits.payloadBytesMax} bytes long, not ${bytes}`);
  }
  return Object.freeze([...(values as readonly string[])]);
}
