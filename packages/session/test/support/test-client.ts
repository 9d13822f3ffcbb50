/** A client that speaks real Bolt bytes: official Hessian or protobuf messages, or our SDK's. */
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { BoltChannel, type Clock, type Network } from '@sofa-registry/runtime';
import {
  type BaseRegister,
  BoltStatus,
  ClientHello,
  ClientWelcome,
  CODEC_HESSIAN,
  CODEC_INTERNAL,
  CODEC_PROTOBUF,
  decodeReceivedDataBodyPb,
  type Frame,
  ListAck,
  ListPush,
  type MessageOf,
  messageOf,
  MULTI_RECEIVED_DATA,
  NO_BOXES,
  packBoxes,
  PUBLISHER_REGISTER,
  PUBLISHER_REGISTER_PB,
  RECEIVED_CONFIG_DATA,
  RECEIVED_CONFIG_DATA_PB,
  RECEIVED_DATA,
  RECEIVED_DATA_PB,
  type ReceivedConfigData,
  type ReceivedData,
  Reconnect,
  type RegisterResponse,
  RESULT,
  RESULT_PB,
  SUBSCRIBER_REGISTER,
  SUBSCRIBER_REGISTER_PB,
  unpackBoxes,
} from '@sofa-registry/wire';

export interface Wanted extends Partial<BaseRegister> {
  readonly dataId: string;
  readonly registId: string;
}

export function base(wanted: Wanted): BaseRegister {
  return {
    instanceId: null,
    zone: 'DEFAULT_ZONE',
    appName: 'app',
    group: 'DEFAULT_GROUP',
    processId: null,
    clientId: null,
    dataInfoId: null,
    ip: null,
    port: null,
    eventType: 'REGISTER',
    version: 1,
    timestamp: 1_700_000_000_000,
    attributes: null,
    ...wanted,
  };
}

/** A push of any form, in one shape. */
export interface Push {
  readonly className: string;
  readonly codec: number;
  readonly registerIds: readonly string[];
  readonly version: number | bigint;
  readonly scope: string;
  readonly segment: string;
  readonly localZone: string;
  /** Strings of all zones, sorted. */
  readonly values: readonly string[];
  readonly zones: readonly string[];
  readonly delta: boolean;
  readonly encoding: string;
}

export class TestClient {
  readonly pushes: Push[] = [];
  readonly configPushes: ReceivedConfigData[] = [];
  readonly configClasses: string[] = [];
  readonly otherClasses: string[] = [];
  readonly reconnects: MessageOf<typeof Reconnect>[] = [];
  /** How pushes are answered. */
  answer: 'ack' | 'never' | 'error' | 'resync' = 'ack';
  closedReason: string | null = null;
  readonly channel: BoltChannel;
  /** The SDK's list per subscriber set, kept with deltas. */
  readonly sdkLists = new Map<string, Map<string, string[]>>();
  /** Requests left unanswered. */
  readonly unanswered: Frame[] = [];

  constructor(channel: BoltChannel) {
    this.channel = channel;
  }

  static async connect(
    clock: Clock,
    network: Network,
    address: string,
    proto: 1 | 2 = 1,
  ): Promise<TestClient> {
    const at = address.lastIndexOf(':');
    const connection = await network.connect({
      host: address.slice(0, at),
      port: Number(address.slice(at + 1)),
    });
    let client: TestClient | null = null;
    const channel: BoltChannel = new BoltChannel(connection, {
      clock,
      proto,
      handler: {
        request: (from, frame) => client?.receive(from, frame),
        closed: (_from, reason) => {
          if (client !== null) client.closedReason = reason;
        },
      },
    });
    client = new TestClient(channel);
    return client;
  }

  async send<T>(className: string, codec: number, content: Buffer): Promise<T> {
    const frame = await this.channel.call(className, codec, content, 5000);
    return messageOf(frame.className)?.decode(frame.content) as T;
  }

  async hello(beatMs = 1000, delta = true): Promise<MessageOf<typeof ClientWelcome>> {
    const content = ClientHello.encode({ client: 'test', appName: 'app', zone: 'z', beatMs, delta });
    const frame = await this.channel.call(ClientHello.className, CODEC_INTERNAL, content, 5000);
    return ClientWelcome.decode(frame.content);
  }

  publish(wanted: Wanted, values: readonly string[], pb = false): Promise<RegisterResponse> {
    const dataBoxes = values.length === 0 ? NO_BOXES : packBoxes(values);
    return this.#register(
      pb ? PUBLISHER_REGISTER_PB : PUBLISHER_REGISTER,
      { ...base(wanted), dataBoxes },
      pb,
    );
  }

  unpublish(wanted: Wanted, pb = false): Promise<RegisterResponse> {
    return this.publish({ version: 2, ...wanted, eventType: 'UNREGISTER' }, [], pb);
  }

  subscribe(
    wanted: Wanted & { scope?: string; acceptMulti?: boolean; acceptEncoding?: string },
    pb = false,
  ): Promise<RegisterResponse> {
    const { scope = 'dataCenter', acceptMulti = false, acceptEncoding = null, ...rest } = wanted;
    const message = { ...base(rest), scope, acceptEncoding, acceptMulti };
    return this.#register(pb ? SUBSCRIBER_REGISTER_PB : SUBSCRIBER_REGISTER, message, pb);
  }

  #register(className: string, message: unknown, pb: boolean): Promise<RegisterResponse> {
    const content = messageOf(className)?.encode(message as never) as Buffer;
    return this.send(className, pb ? CODEC_PROTOBUF : CODEC_HESSIAN, content);
  }

  /** Strings of the newest push for a registerId, sorted; null before the first. */
  list(registerId: string): readonly string[] | null {
    return this.pushes.findLast((push) => push.registerIds.includes(registerId))?.values ?? null;
  }

  pushesTo(registerId: string): Push[] {
    return this.pushes.filter((push) => push.registerIds.includes(registerId));
  }

  receive(channel: BoltChannel, frame: Frame): void {
    if (frame.className === Reconnect.className) {
      this.reconnects.push(Reconnect.decode(frame.content));
      return;
    }
    this.#record(frame);
    if (this.answer === 'never') {
      this.unanswered.push({ ...frame, content: Buffer.alloc(0) });
    } else if (this.answer === 'error') channel.respondError(frame, BoltStatus.error);
    else if (frame.className === ListPush.className) {
      channel.respond(frame, ListAck.className, ListAck.encode({ resync: this.answer === 'resync' }));
    } else {
      const pb = frame.className === RECEIVED_DATA_PB || frame.className === RECEIVED_CONFIG_DATA_PB;
      const className = pb ? RESULT_PB : RESULT;
      const content = messageOf(className)?.encode({ success: true, message: null } as never) as Buffer;
      channel.respond(frame, className, content);
    }
  }

  #record(frame: Frame): void {
    if (frame.className === RECEIVED_DATA || frame.className === RECEIVED_DATA_PB) {
      this.#received(frame, messageOf(frame.className)?.decode(frame.content) as ReceivedData);
    } else if (frame.className === ListPush.className) this.#listPush(frame);
    else if (frame.className === MULTI_RECEIVED_DATA) this.otherClasses.push(frame.className);
    else if (frame.className === RECEIVED_CONFIG_DATA || frame.className === RECEIVED_CONFIG_DATA_PB) {
      this.configClasses.push(frame.className);
      this.configPushes.push(messageOf(frame.className)?.decode(frame.content) as ReceivedConfigData);
    } else this.otherClasses.push(frame.className);
  }

  #received(frame: Frame, data: ReceivedData): void {
    const encoding = data.encoding ?? '';
    const zones =
      encoding === ''
        ? (data.data as Map<string, Buffer>)
        : decodeReceivedDataBodyPb(
            encoding === 'gzip' ? gunzipSync(data.body as Buffer) : zstdDecompressSync(data.body as Buffer),
          );
    this.pushes.push({
      className: frame.className,
      codec: frame.codec,
      registerIds: data.subscriberRegistIds as string[],
      version: data.version as number,
      scope: data.scope as string,
      segment: data.segment as string,
      localZone: data.localZone as string,
      values: [...zones.values()].flatMap((packed) => unpackBoxes(packed)).toSorted(),
      zones: [...zones.keys()].toSorted(),
      delta: false,
      encoding,
    });
  }

  #listPush(frame: Frame): void {
    const push = ListPush.decode(frame.content);
    const key = push.registerIds.join(',');
    const list =
      push.kind === 0 ? new Map<string, string[]>() : (this.sdkLists.get(key) as Map<string, string[]>);
    for (const { registerId, payload } of push.entries) list.set(registerId, unpackBoxes(payload));
    for (const registerId of push.removed) list.delete(registerId);
    this.sdkLists.set(key, list);
    this.pushes.push({
      className: frame.className,
      codec: frame.codec,
      registerIds: push.registerIds,
      version: push.version,
      scope: push.scope,
      segment: push.segment,
      localZone: push.localZone,
      values: [...list.values()].flat().toSorted(),
      zones: [],
      delta: push.kind === 1,
      encoding: '',
    });
  }
}
