/** The two networks behind one face, and raw ends to drive them with. */
import {
  type Clock,
  type Connection,
  type ConnectionHandler,
  type ConnectionLimits,
  ManualClock,
  memoryNetwork,
  type Network,
  noopLogger,
} from '@sofa-registry/runtime';
import { nodeClock, tcpNetwork } from '@sofa-registry/runtime/node';

/** A network with a way to let it work. */
export interface Rig {
  readonly name: string;
  readonly clock: Clock;
  readonly network: Network;
  /** Waits, as far as the network needs it, until `ready` holds; fails when it never does. */
  until(ready: () => boolean, what: string): Promise<void>;
  /** Lets one turn of the event loop pass. */
  turn(): Promise<void>;
  /** Lets everything happen that is on its way, and a good deal more; for checking that nothing comes. */
  quiet(): Promise<void>;
}

export const HOST = '127.0.0.1';

export function memoryRig(limits: Partial<ConnectionLimits> = {}): Rig & { readonly clock: ManualClock } {
  const clock = new ManualClock();
  return {
    name: 'memory',
    clock,
    network: memoryNetwork({ clock, ...limits }),
    async until(ready, what) {
      await clock.settle();
      if (!ready()) throw new Error(`never happened: ${what}`);
    },
    turn: () => clock.settle(),
    quiet: () => clock.settle(),
  };
}

const PATIENCE_MS = 10_000;

export function tcpRig(limits: Partial<ConnectionLimits> = {}): Rig {
  const clock = nodeClock();
  return {
    name: 'tcp',
    clock,
    network: tcpNetwork({ clock, logger: noopLogger(), ...limits }),
    async until(ready, what) {
      const giveUpMs = performance.now() + PATIENCE_MS;
      while (!ready()) {
        if (performance.now() > giveUpMs) throw new Error(`never happened: ${what}`);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    },
    turn: () => new Promise((resolve) => clock.defer(resolve)),
    async quiet() {
      for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1));
    },
  };
}

/** Records everything one end hears. */
export class Ear implements ConnectionHandler {
  readonly connection: Connection;
  readonly chunks: Buffer[] = [];
  readonly reasons: string[] = [];
  received = 0;
  /** Bytes that were queued at each `drained`. */
  readonly drainedAtBytes: number[] = [];

  constructor(connection: Connection) {
    this.connection = connection;
    connection.attach(this);
  }

  data(chunk: Buffer): void {
    if (this.reasons.length > 0) throw new Error('data after closed');
    this.chunks.push(chunk);
    this.received += chunk.length;
  }

  drained(): void {
    if (this.reasons.length > 0) throw new Error('drained after closed');
    this.drainedAtBytes.push(this.connection.bufferedBytes);
  }

  get drains(): number {
    return this.drainedAtBytes.length;
  }

  closed(reason: string): void {
    this.reasons.push(reason);
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }
}

/** Two connected ends. */
export interface Pair {
  readonly client: Ear;
  readonly server: Ear;
  close(): Promise<void>;
}

/** Listens, connects once, and hands out both ends. */
export async function pair(rig: Rig): Promise<Pair> {
  const servers: Ear[] = [];
  const listening = rig.network.listen({ host: HOST, port: 0 }, (connection) => {
    servers.push(new Ear(connection));
  });
  const listener = await listening;
  const connecting = rig.network.connect(listener.address).then((connection) => new Ear(connection));
  let client: Ear | null = null;
  void connecting.then((ear) => {
    client = ear;
  });
  await rig.until(() => client !== null && servers.length === 1, 'connected');
  const [server] = servers;
  return {
    client: await connecting,
    server,
    async close() {
      server.connection.destroy('test over');
      (await connecting).connection.destroy('test over');
      const closing = listener.close();
      await rig.quiet();
      await closing;
    },
  };
}
