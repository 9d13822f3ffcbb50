/**
 * A client that behaves as the official Java one does at the level that matters for mass events: one connection,
 * registrations one after another each waiting for its answer, all of them again after a reconnect with the same ids and
 * versions (reference/wire.md 4.1, 4.3).
 */
import * as wire from '@sofa-registry/wire';
import { LoadConnection } from './connection.ts';
import { countPush, dataIdOf, isAccepted, payloadOf, publish, registIdOf, subscribe } from './messages.ts';

/** The Java client looks for lost connections this often. */
const NOTICE_MS = 500;
const RETRY_MS = 500;
const PAYLOAD_BYTES = 300;

/** What a fleet of clients has in common. */
export interface FleetPlan {
  readonly family: string;
  readonly host: string;
  readonly port: number;
  /** Publishers of each service when all clients are there. */
  readonly listSize: number;
}

/** What went wrong, over all clients. */
export interface FleetFaults {
  /** Pushes shorter than what the same client had seen of the service. */
  shrunken: number;
  /** Pushes without a publisher. */
  empty: number;
  /** Registrations that were refused or not answered and had to be repeated. */
  repeated: number;
  /** Pushes with an older version than the client had. */
  older: number;
  /** All pushes: no fault, but what the others are to be compared with. */
  pushes: number;
}

/** One client. */
export class JavaLikeClient {
  readonly #plan: FleetPlan;
  readonly #faults: FleetFaults;
  readonly #number: number;
  readonly #publishes: readonly number[];
  readonly #watches: readonly number[];
  /** Longest list seen per service since the client started. */
  readonly #seen = new Map<string, { count: number; version: number }>();
  /** Services whose list was complete since the last connect. */
  readonly #complete = new Set<string>();
  #connection: LoadConnection | null = null;
  #stopped = false;
  registered = 0;

  constructor(
    plan: FleetPlan,
    faults: FleetFaults,
    number: number,
    publishes: readonly number[],
    watches: readonly number[],
  ) {
    this.#plan = plan;
    this.#faults = faults;
    this.#number = number;
    this.#publishes = publishes;
    this.#watches = watches;
  }

  /** True when everything is registered and every list is complete. */
  get complete(): boolean {
    return (
      this.registered === this.#publishes.length + this.#watches.length &&
      this.#complete.size === this.#watches.length
    );
  }

  /** Connects and registers everything. Resolves when the last registration was answered. */
  async run(): Promise<void> {
    this.registered = 0;
    this.#complete.clear();
    for (;;) {
      try {
        this.#connection = await LoadConnection.open(this.#plan.host, this.#plan.port);
        break;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    const connection = this.#connection;
    connection.onPush = (frame) => this.#pushed(frame);
    // The Java client keeps no order between the two kinds: mix them.
    const most = Math.max(this.#watches.length, this.#publishes.length);
    for (let i = 0; i < most; i++) {
      if (i < this.#watches.length) {
        await this.#register(connection, wire.SUBSCRIBER_REGISTER, this.#subscription(this.#watches[i]));
      }
      if (i < this.#publishes.length) {
        await this.#register(connection, wire.PUBLISHER_REGISTER, this.#publication(this.#publishes[i]));
      }
    }
  }

  /** Loses the socket; comes back as the Java client does, within half a second. */
  async dropAndReturn(spread: number): Promise<void> {
    this.#complete.clear();
    this.registered = 0;
    this.#connection?.destroy();
    await new Promise((resolve) => setTimeout(resolve, spread * NOTICE_MS));
    await this.run();
  }

  stop(): void {
    this.#stopped = true;
    this.#connection?.destroy();
  }

  #subscription(service: number): Buffer {
    const { family } = this.#plan;
    return subscribe(dataIdOf(family, service), registIdOf(`${family}-w${service}`, this.#number));
  }

  #publication(service: number): Buffer {
    const { family } = this.#plan;
    const payload = payloadOf(`client${this.#number}.`, PAYLOAD_BYTES);
    return publish(dataIdOf(family, service), registIdOf(`${family}-p${service}`, this.#number), 1, payload);
  }

  async #register(connection: LoadConnection, className: string, content: Buffer): Promise<void> {
    while (!this.#stopped && !connection.closed) {
      const frame = await new Promise<wire.Frame | null>((resolve) =>
        connection.request(className, content, resolve),
      );
      if (isAccepted(frame, 1)) {
        this.registered++;
        return;
      }
      this.#faults.repeated++;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  #pushed(frame: wire.Frame): void {
    const { dataId, version, count } = countPush(frame);
    const before = this.#seen.get(dataId);
    this.#faults.pushes++;
    if (count === 0) this.#faults.empty++;
    if (before === undefined) {
      this.#seen.set(dataId, { count, version });
    } else {
      if (version < before.version) this.#faults.older++;
      if (count < before.count) this.#faults.shrunken++;
      before.count = count;
      before.version = Math.max(version, before.version);
    }
    if (count === this.#plan.listSize) this.#complete.add(dataId);
    else this.#complete.delete(dataId);
  }
}
