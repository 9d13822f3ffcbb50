/** Channels over the in-memory network on a manual clock, against another channel or against raw bytes. */
import {
  BoltChannel,
  type BoltChannelOptions,
  BoltMetrics,
  type ManualClock,
  type RpcError,
} from '@sofa-registry/runtime';
import { type Frame, FrameDecoder } from '@sofa-registry/wire';
import { Ear, HOST, memoryRig } from './rigs.ts';

/** One side's handler and what it heard. */
export class Side {
  readonly metrics = new BoltMetrics();
  readonly requests: { readonly channel: BoltChannel<any>; readonly frame: Frame }[] = [];
  readonly reasons: string[] = [];
  readonly crashes: unknown[] = [];
  readonly outcomes: { readonly token: unknown; readonly frame?: Frame; readonly error?: RpcError }[] = [];
  drains = 0;
  /** Called for each request, after it was noted. */
  onRequest: (channel: BoltChannel<any>, frame: Frame) => void = () => undefined;

  readonly handler = {
    request: (channel: BoltChannel<any>, frame: Frame): void => {
      this.requests.push({ channel, frame });
      this.onRequest(channel, frame);
    },
    closed: (_channel: BoltChannel<any>, reason: string): void => void this.reasons.push(reason),
    drained: (): void => void this.drains++,
    crashed: (_channel: BoltChannel<any>, error: unknown): void => void this.crashes.push(error),
  };

  readonly done = {
    reply: (token: unknown, frame: Frame): void => void this.outcomes.push({ token, frame }),
    failed: (token: unknown, error: RpcError): void => void this.outcomes.push({ token, error }),
  };

  options(clock: ManualClock, more: Partial<BoltChannelOptions> = {}): BoltChannelOptions {
    return { clock, handler: this.handler, metrics: this.metrics, ...more };
  }
}

/** Answers each request with its own content. */
export function echo(channel: BoltChannel<any>, frame: Frame): void {
  channel.respond(frame, frame.className, Buffer.from(frame.content));
}

/** Two channels. */
export async function channels(
  clientOptions: Partial<BoltChannelOptions> = {},
  serverOptions: Partial<BoltChannelOptions> = {},
) {
  const rig = memoryRig();
  const { clock, network } = rig;
  const client = new Side();
  const server = new Side();
  const accepted: BoltChannel[] = [];
  const listener = await network.listen({ host: HOST, port: 0 }, (connection) => {
    accepted.push(new BoltChannel(connection, server.options(clock, serverOptions)));
  });
  const connecting = network.connect(listener.address);
  await clock.settle();
  const clientChannel = new BoltChannel(await connecting, client.options(clock, clientOptions));
  return { clock, client, server, clientChannel, serverChannel: accepted[0] };
}

/** A channel that accepted a connection from a peer of raw bytes. */
export async function rawPeer(options: Partial<BoltChannelOptions> = {}) {
  const { clock, network } = memoryRig();
  const side = new Side();
  const accepted: BoltChannel[] = [];
  const listener = await network.listen({ host: HOST, port: 0 }, (connection) => {
    accepted.push(new BoltChannel(connection, side.options(clock, options)));
  });
  const connecting = network.connect(listener.address);
  await clock.settle();
  const ear = new Ear(await connecting);
  const decoder = new FrameDecoder();
  let decoded = 0;
  /** Frames that the raw peer has received since the last look. */
  const frames = (): Frame[] => {
    const seen: Frame[] = [];
    for (; decoded < ear.chunks.length; decoded++) {
      decoder.push(ear.chunks[decoded], (frame) => void seen.push(frame));
    }
    return seen;
  };
  return { clock, side, channel: accepted[0], ear, frames };
}
