/**
 * A client that speaks the protocol of the official client over real Bolt frames (wire 4): registers one by one until each is
 * acknowledged with its version, re-registers everything after a lost connection with the same registId and version, keeps its lists
 * meanwhile, accepts newer segments only, acks every push.
 */
import { parseAddress, type Scope, versionFromWire } from '@sofa-registry/model';
import {
  BoltChannel,
  type BoltHandler,
  every,
  type ReplyHandler,
  type RpcError,
  type Timer,
} from '@sofa-registry/runtime';
import {
  BoltStatus,
  decodeReceivedData,
  decodeReceivedDataPb,
  decodeRegisterResponse,
  decodeRegisterResponsePb,
  encodeResult,
  encodeResultPb,
  type Frame,
  RECEIVED_DATA,
  RECEIVED_DATA_PB,
  type ReceivedData,
  RESULT,
  RESULT_PB,
  unpackBoxes,
} from '@sofa-registry/wire';
import type { ModelClient, ModelClientEvents } from './model-client.ts';
import {
  OfficialPublication,
  OfficialSubscription,
  registerRequest,
  type Registration,
} from './official-registration.ts';
import type { SimHost } from './sim-host.ts';

const INVOKE_TIMEOUT_MS = 1000;
const RECHECK_MS = 500;
const CONNECT_TIMEOUT_MS = 3000;
const HEARTBEAT_MS = 15_000;

interface Attempt {
  readonly channel: BoltChannel;
  readonly registration: Registration;
  readonly version: number;
}

/** The client. */
export class OfficialClient implements ModelClient, ReplyHandler<Attempt>, BoltHandler {
  readonly name: string;
  readonly kind: 'official-hessian' | 'official-pb';
  readonly zone: string;
  readonly host: SimHost;
  readonly publications = new Map<string, OfficialPublication>();
  readonly subscriptions = new Map<string, OfficialSubscription>();
  session = '';
  alive = true;
  readonly #pb: boolean;
  readonly #sessions: () => readonly string[];
  readonly #events: ModelClientEvents;
  readonly #registrations = new Map<string, Registration>();
  #channel: BoltChannel | null = null;
  #numbers = 0;
  #check: Timer | null = null;

  /** @param sessions client addresses of the sessions it knows */
  constructor(
    host: SimHost,
    kind: OfficialClient['kind'],
    zone: string,
    sessions: () => readonly string[],
    events: ModelClientEvents,
  ) {
    this.name = host.name;
    this.host = host;
    this.kind = kind;
    this.zone = zone;
    this.#pb = kind === 'official-pb';
    this.#sessions = sessions;
    this.#events = events;
  }

  start(): void {
    this.#check = every(this.host.clock, RECHECK_MS, () => this.#sendAll());
    void this.#connect();
  }

  /** Its protocol has none. */
  publishTemporary(): void {}

  publish(service: string): void {
    const publication = new OfficialPublication(this.#nextKey(), service, this.zone);
    this.publications.set(publication.key, publication);
    publication.registration = this.#register(publication, null);
  }

  update(key: string): void {
    const publication = this.publications.get(key);
    if (publication === undefined || !publication.wanted) return;
    publication.revision++;
    publication.registration.version++;
    publication.registration.timestamp = this.host.clock.wallMs();
    this.#send(publication.registration);
  }

  republish(): void {
    for (const { wanted, registration } of this.publications.values()) {
      if (!wanted) continue;
      registration.version++;
      registration.timestamp = this.host.clock.wallMs();
      this.#send(registration);
    }
  }

  unpublish(key: string): void {
    const publication = this.publications.get(key);
    if (publication === undefined || !publication.wanted) return;
    publication.wanted = false;
    publication.registration.version++;
    this.#send(publication.registration);
  }

  subscribe(service: string, scope: Scope): void {
    const subscription = new OfficialSubscription(this.#nextKey(), service, scope);
    this.subscriptions.set(subscription.key, subscription);
    subscription.registration = this.#register(null, subscription);
  }

  unsubscribe(key: string): void {
    const subscription = this.subscriptions.get(key);
    if (subscription === undefined || !subscription.wanted) return;
    subscription.wanted = false;
    subscription.registration.version++;
    this.#send(subscription.registration);
  }

  leave(): void {
    if (!this.alive) return;
    this.alive = false;
    this.#check?.cancel();
    this.#channel?.end();
    this.#channel = null;
    this.session = '';
  }

  die(silent: boolean): void {
    this.alive = false;
    this.session = '';
    this.host.die(silent);
  }

  unacked(): number {
    let count = 0;
    for (const { version, ackedVersion } of this.#registrations.values())
      if (version !== ackedVersion) count++;
    return count;
  }

  /** @internal */
  request(channel: BoltChannel, frame: Frame): void {
    const pb = frame.className === RECEIVED_DATA_PB;
    if (!pb && frame.className !== RECEIVED_DATA) {
      // As the official client: no processor for this class (wire 4.5).
      channel.respondError(frame, BoltStatus.serverException);
      return;
    }
    const data = pb ? decodeReceivedDataPb(frame.content) : decodeReceivedData(frame.content);
    const ok = this.#received(data);
    const result = { success: ok, message: null };
    channel.respond(frame, pb ? RESULT_PB : RESULT, pb ? encodeResultPb(result) : encodeResult(result));
  }

  /** @internal */
  closed(channel: BoltChannel, reason: string): void {
    if (channel !== this.#channel) return;
    this.#channel = null;
    this.session = '';
    this.#events.disconnected(this, reason);
    for (const registration of this.#registrations.values()) {
      registration.ackedVersion = 0;
      registration.sending = false;
      registration.timestamp = this.host.clock.wallMs();
    }
    if (!this.alive) return;
    // The worker thread of the official client notices within its recheck period.
    this.host.clock.setTimer(this.host.random.next() * RECHECK_MS, () => void this.#connect());
  }

  /** @internal */
  reply(attempt: Attempt, frame: Frame): void {
    const { channel, registration, version } = attempt;
    if (channel !== this.#channel) return;
    registration.sending = false;
    const response = this.#pb
      ? decodeRegisterResponsePb(frame.content)
      : decodeRegisterResponse(frame.content);
    if (!response.success) return;
    if (response.registId !== registration.registId)
      this.#events.broke(this, `answer for ${response.registId} to ${registration.registId}`);
    if (Number(response.version) !== version)
      this.#events.broke(this, `answer with version ${response.version} to ${version}`);
    if (version !== registration.version) {
      this.#send(registration);
      return;
    }
    registration.ackedVersion = version;
    const { publication, subscription } = registration;
    if (publication?.wanted === false || subscription?.wanted === false)
      this.#registrations.delete(registration.registId);
  }

  /** @internal */
  failed(attempt: Attempt, _error: RpcError): void {
    if (attempt.channel === this.#channel) attempt.registration.sending = false;
  }

  #nextKey(): string {
    return `${this.name}/${++this.#numbers}`;
  }

  #register(
    publication: OfficialPublication | null,
    subscription: OfficialSubscription | null,
  ): Registration {
    const registration: Registration = {
      registId: this.host.random.uuid(),
      publication,
      subscription,
      version: 1,
      ackedVersion: 0,
      timestamp: this.host.clock.wallMs(),
      sending: false,
    };
    this.#registrations.set(registration.registId, registration);
    this.#send(registration);
    return registration;
  }

  async #connect(): Promise<void> {
    if (!this.alive) return;
    const sessions = this.#sessions();
    const address = sessions[this.host.random.uint32() % sessions.length];
    const target = parseAddress(address);
    if (target === null) return;
    try {
      const connection = await this.host.network.connect(target, { timeoutMs: CONNECT_TIMEOUT_MS });
      if (!this.alive) {
        connection.destroy('left');
        return;
      }
      this.#channel = new BoltChannel(connection, {
        clock: this.host.clock,
        handler: this,
        proto: 1,
        heartbeatMs: HEARTBEAT_MS,
      });
    } catch {
      this.host.clock.setTimer(100 + this.host.random.next() * 400, () => void this.#connect());
      return;
    }
    this.session = target.host;
    this.#events.connected(this, target.host);
    this.#sendAll();
  }

  #sendAll(): void {
    for (const registration of this.#registrations.values()) {
      if (registration.ackedVersion !== registration.version) this.#send(registration);
    }
  }

  #send(registration: Registration): void {
    const channel = this.#channel;
    if (channel === null || registration.sending) return;
    const { name, zone } = this;
    const { className, codec, content } = registerRequest({ name, zone, pb: this.#pb }, registration);
    registration.sending = true;
    channel.request(className, codec, content, INVOKE_TIMEOUT_MS, this, {
      channel,
      registration,
      version: registration.version,
    });
  }

  #received(data: ReceivedData): boolean {
    if (data.subscriberRegistIds === null || data.segment === null || data.version === null) {
      this.#events.broke(this, `push without ${data.version === null ? 'version' : 'segment or ids'}`);
      return false;
    }
    if (data.data === null) return true;
    const version = versionFromWire(data.version);
    for (const registId of data.subscriberRegistIds) {
      const subscription = this.#registrations.get(registId)?.subscription ?? null;
      if (subscription === null || !subscription.wanted) continue;
      if (data.dataId !== subscription.service)
        this.#events.broke(this, `push of ${data.dataId} to ${subscription.service}`);
      this.#events.pushed(
        this,
        subscription,
        [...data.data.values()].every((boxes) => boxes[0] === 0),
      );
      const before = subscription.view;
      if (before !== null && version <= before.version) continue;
      const zones = new Map<string, readonly string[]>();
      for (const [zone, boxes] of data.data) zones.set(zone, unpackBoxes(boxes));
      subscription.view = { version, localZone: data.localZone ?? '', zones };
      this.#events.listed(this, subscription, before, subscription.view, this.session);
    }
    return true;
  }
}
