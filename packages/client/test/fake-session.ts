/** A scripted session server that speaks real Bolt: it answers registrations, and pushes only what a test tells it to. */
import { parseAddress } from '@sofa-registry/model';
import { BoltChannel, type Clock, type Listener, type Network } from '@sofa-registry/runtime';
import {
  BoltStatus,
  ClientHello,
  ClientWelcome,
  CODEC_HESSIAN,
  CODEC_INTERNAL,
  decodePublisherRegisterPb,
  decodeSubscriberRegisterPb,
  encodeReceivedData,
  encodeReceivedDataPb,
  encodeRegisterResponsePb,
  type Frame,
  type Int64,
  ListAck,
  ListPush,
  type MessageOf,
  packBoxes,
  PUBLISHER_REGISTER_PB,
  RECEIVED_DATA,
  RECEIVED_DATA_PB,
  type ReceivedData,
  Reconnect,
  REGISTER_RESPONSE_PB,
  type RegisterResponse,
  SUBSCRIBER_REGISTER_PB,
  unpackBoxes,
} from '@sofa-registry/wire';

/** One registration as it arrived. */
export interface Arrived {
  kind: 'publisher' | 'subscriber';
  dataId: string;
  registerId: string;
  eventType: string;
  version: Int64;
  timestamp: Int64;
  zone: string;
  app: string;
  scope: string;
  acceptMulti: boolean;
  values: string[];
  channel: BoltChannel;
  /** The answer was success. */
  accepted: boolean;
}

/** What a session does with a registration: an answer, a Bolt status, or nothing. */
export type Verdict = Partial<RegisterResponse> | number | null;

export interface FakeOptions {
  hello?: 'welcome' | 'refuse' | 'hangup' | 'silent';
  zone?: string;
  sessions?: string[];
}

type PushedList = Partial<MessageOf<typeof ListPush>>;

export class FakeSession {
  readonly address: string;
  readonly arrived: Arrived[] = [];
  readonly channels = new Set<BoltChannel>();
  hellos: MessageOf<typeof ClientHello>[] = [];
  verdict: (arrived: Arrived) => Verdict = () => ({});
  readonly #network: Network;
  readonly #clock: Clock;
  readonly #options: FakeOptions;
  #listener: Listener | null = null;

  constructor(network: Network, clock: Clock, address: string, options: FakeOptions = {}) {
    this.#network = network;
    this.#clock = clock;
    this.address = address;
    this.#options = options;
  }

  async start(): Promise<this> {
    const at = parseAddress(this.address);
    if (at === null) throw new Error(`bad address ${this.address}`);
    this.#listener = await this.#network.listen(at, (connection) => {
      const channel = new BoltChannel(connection, {
        clock: this.#clock,
        handler: {
          request: (from, frame) => this.#request(from, frame),
          closed: (from) => this.channels.delete(from),
        },
      });
      this.channels.add(channel);
    });
    return this;
  }

  /** As if the process were killed. */
  async kill(): Promise<void> {
    await this.#listener?.close();
    for (const channel of this.channels) channel.destroy('killed');
  }

  /** Accepts nobody any more. */
  async shut(): Promise<void> {
    await this.#listener?.close();
  }

  /** The newest registration of this kind, by dataId. */
  last(kind: Arrived['kind'], dataId: string): Arrived {
    const found = this.arrived.findLast((one) => one.kind === kind && one.dataId === dataId);
    if (found === undefined) throw new Error(`no ${kind} of ${dataId} arrived at ${this.address}`);
    return found;
  }

  /** Pushes a list in our own form; resolves with `resync` of the ack. */
  async push(to: Arrived, list: PushedList): Promise<boolean> {
    const content = ListPush.encode({
      dataId: to.dataId,
      group: 'DEFAULT_GROUP',
      instanceId: 'DEFAULT_INSTANCE_ID',
      segment: 'DefaultDataCenter',
      scope: to.scope,
      localZone: this.#options.zone ?? 'DEFAULT_ZONE',
      registerIds: [to.registerId],
      kind: 0,
      from: 0,
      version: 0,
      entries: [],
      removed: [],
      ...list,
    });
    const frame = await to.channel.call(ListPush.className, CODEC_INTERNAL, content, 2000);
    return ListAck.decode(frame.content).resync;
  }

  /** Pushes a list as a reference session does; resolves with class and content of the ack. */
  pushPlain(to: Arrived, list: Partial<ReceivedData>, hessian = false): Promise<Frame> {
    const data: ReceivedData = {
      dataId: to.dataId,
      group: 'DEFAULT_GROUP',
      instanceId: 'DEFAULT_INSTANCE_ID',
      segment: 'DefaultDataCenter',
      scope: to.scope,
      subscriberRegistIds: [to.registerId],
      data: new Map(),
      version: 1,
      localZone: 'DEFAULT_ZONE',
      dataCount: null,
      encoding: null,
      body: null,
      originBodySize: 0,
      ...list,
    };
    return hessian
      ? to.channel.call(RECEIVED_DATA, CODEC_HESSIAN, encodeReceivedData(data), 2000)
      : to.channel.call(RECEIVED_DATA_PB, CODEC_HESSIAN, encodeReceivedDataPb(data), 2000);
  }

  /** Asks all clients to move. */
  drain(withinMs: number, sessions: string[] = []): void {
    const content = Reconnect.encode({ withinMs, reason: 'drain', sessions });
    for (const channel of this.channels) channel.oneway(Reconnect.className, CODEC_INTERNAL, content);
  }

  #request(channel: BoltChannel, frame: Frame): void {
    if (frame.className === ClientHello.className) {
      this.#greet(channel, frame);
      return;
    }
    const arrived = this.#read(channel, frame);
    if (arrived === null) {
      channel.respondError(frame, BoltStatus.serverException);
      return;
    }
    this.arrived.push(arrived);
    const verdict = this.verdict(arrived);
    arrived.accepted = typeof verdict === 'object' && verdict !== null && verdict.success !== false;
    if (verdict === null) return;
    if (typeof verdict === 'number') {
      channel.respondError(frame, verdict);
      return;
    }
    const answer: RegisterResponse = {
      success: true,
      registId: arrived.registerId,
      version: arrived.version,
      refused: false,
      message: null,
      ...verdict,
    };
    channel.respond(frame, REGISTER_RESPONSE_PB, encodeRegisterResponsePb(answer));
  }

  #greet(channel: BoltChannel, frame: Frame): void {
    const { hello = 'welcome', zone = 'DEFAULT_ZONE', sessions = [] } = this.#options;
    if (hello === 'silent') return;
    if (hello === 'hangup') {
      channel.destroy('unknown class');
      return;
    }
    if (hello === 'refuse') {
      channel.respondError(frame, BoltStatus.serverException);
      return;
    }
    const asked = ClientHello.decode(frame.content);
    this.hellos.push(asked);
    const welcome = {
      server: 'fake',
      processId: this.address,
      zone,
      dataCenter: 'DefaultDataCenter',
      sessions,
      beatMs: asked.beatMs,
      delta: asked.delta,
    };
    channel.respond(frame, ClientWelcome.className, ClientWelcome.encode(welcome));
  }

  #read(channel: BoltChannel, frame: Frame): Arrived | null {
    if (frame.className === PUBLISHER_REGISTER_PB) {
      const read = decodePublisherRegisterPb(frame.content);
      return { ...common(read, channel), kind: 'publisher', values: unpackBoxes(read.dataBoxes) };
    }
    if (frame.className === SUBSCRIBER_REGISTER_PB) {
      const read = decodeSubscriberRegisterPb(frame.content);
      const { scope, acceptMulti } = read;
      return { ...common(read, channel), kind: 'subscriber', scope: scope ?? '', acceptMulti };
    }
    return null;
  }
}

function common(
  read: ReturnType<typeof decodeSubscriberRegisterPb> | ReturnType<typeof decodePublisherRegisterPb>,
  channel: BoltChannel,
) {
  return {
    dataId: read.dataId ?? '',
    registerId: read.registId ?? '',
    eventType: read.eventType ?? '',
    version: read.version ?? 0,
    timestamp: read.timestamp ?? 0,
    zone: read.zone ?? '',
    app: read.appName ?? '',
    scope: '',
    acceptMulti: false,
    values: [] as string[],
    channel,
    accepted: false,
  };
}

/** An entry of a list. */
export function entry(registerId: string, value: string, zone = 'DEFAULT_ZONE') {
  return { registerId, zone, payload: packBoxes([value]) };
}
