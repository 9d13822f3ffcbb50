/**
 * One client connection of the load generator: a raw socket that speaks Bolt v1 the way the official Java client does.
 * Requests are answered through callbacks, pushes are acknowledged with a Hessian Result at once, and everything written
 * during one turn of the event loop leaves in one write. No SDK and no runtime code, so that what is measured is the server.
 */
import { type Socket, connect } from 'node:net';
import * as wire from '@sofa-registry/wire';

/** What the Java client waits for an answer. */
const REQUEST_TIMEOUT_MS = 1000;
/** Frames up to this size are read; larger lists than any scenario has. */
const FRAME_BYTES_MAX = 64 * 1024 * 1024;
/** Offset of the request id in a v1 frame. */
const REQUEST_ID_AT = 5;

const ACK = wire.encodeResponse({
  requestId: 0,
  codec: wire.CODEC_HESSIAN,
  status: wire.BoltStatus.success,
  className: wire.RESULT,
  content: wire.encodeResult({ success: true, message: null }),
});

/** Called with the answer, or with null when the connection closed first. */
export type Answer = (frame: wire.Frame | null) => void;

/** A connection as load scenarios use it. */
export class LoadConnection {
  /** Called for every push, after its ack was queued. The frame's content is only valid during the call. */
  onPush: ((frame: wire.Frame, connection: LoadConnection) => void) | null = null;
  /** Called once when the socket is gone. */
  onClose: (() => void) | null = null;
  /** Pushes received. */
  pushes = 0;
  /** When bytes last arrived, process time in ms. */
  lastHeardMs = performance.now();
  closed = false;
  readonly #socket: Socket;
  readonly #decoder = new wire.FrameDecoder({ frameBytesMax: FRAME_BYTES_MAX });
  readonly #waiting = new Map<number, Answer>();
  #nextId = 1;
  #out: Buffer[] = [];
  #flushing = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.lastHeardMs = performance.now();
      this.#decoder.push(chunk, this.#sink);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#gone());
  }

  /** Connects, or rejects. */
  static open(host: string, port: number): Promise<LoadConnection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new LoadConnection(socket));
      });
    });
  }

  /** Requests that have no answer yet. */
  get inFlight(): number {
    return this.#waiting.size;
  }

  /** Sends a request; `answer` is called exactly once. */
  request(className: string, content: Buffer, answer: Answer): void {
    if (this.closed) return answer(null);
    const requestId = this.#nextId++;
    this.#waiting.set(requestId, answer);
    this.#write(
      wire.encodeRequest({
        requestId,
        codec: wire.CODEC_HESSIAN,
        timeoutMs: REQUEST_TIMEOUT_MS,
        className,
        content,
      }),
    );
  }

  /** Sends a request and waits. @throws if the connection closes first */
  async call(className: string, content: Buffer): Promise<wire.Frame> {
    const frame = await new Promise<wire.Frame | null>((resolve) =>
      this.request(className, content, resolve),
    );
    if (frame === null) throw new Error('connection closed before the answer');
    return frame;
  }

  /** Sends a heartbeat; its answer shows in {@link lastHeardMs}. */
  beat(): void {
    this.#write(wire.encodeHeartbeat(1, 1, this.#nextId++));
  }

  /** Closes at once, as a killed client does. */
  destroy(): void {
    this.#socket.destroy();
  }

  readonly #sink = (frame: wire.Frame): void => {
    if (frame.type === wire.FRAME_RESPONSE) {
      const answer = this.#waiting.get(frame.requestId);
      if (answer === undefined) return;
      this.#waiting.delete(frame.requestId);
      answer(frame);
    } else if (frame.cmdCode === wire.CMD_HEARTBEAT) {
      this.#write(wire.encodeHeartbeatAck(1, 1, frame.requestId));
    } else {
      this.pushes++;
      const ack = Buffer.from(ACK);
      ack.writeInt32BE(frame.requestId, REQUEST_ID_AT);
      this.#write(ack);
      this.onPush?.(frame, this);
    }
  };

  #write(bytes: Buffer): void {
    this.#out.push(bytes);
    if (this.#flushing) return;
    this.#flushing = true;
    process.nextTick(this.#flush);
  }

  readonly #flush = (): void => {
    this.#flushing = false;
    const out = this.#out;
    this.#out = [];
    if (!this.closed) this.#socket.write(out.length === 1 ? out[0] : Buffer.concat(out));
  };

  #gone(): void {
    if (this.closed) return;
    this.closed = true;
    for (const answer of this.#waiting.values()) answer(null);
    this.#waiting.clear();
    this.onClose?.();
  }
}

/** Opens many connections, a bounded number at a time. */
export async function openMany(
  host: string,
  port: number,
  count: number,
  atOnce = 64,
): Promise<LoadConnection[]> {
  const connections: LoadConnection[] = Array.from({ length: count });
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      connections[i] = await LoadConnection.open(host, port);
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, count) }, worker));
  return connections;
}
