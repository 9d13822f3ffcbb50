/** Sessions and clients in one in-memory network under a manual clock. */
import { type Logger, ManualClock, memoryNetwork, seededRandom } from '@sofa-registry/runtime';
import {
  connectWith,
  fixedServerList,
  type Registry,
  type RegistryOptions,
  type ServerListSource,
} from '../src/index.ts';
import { FakeSession, type FakeOptions } from './fake-session.ts';

export class World {
  readonly clock = new ManualClock();
  readonly network = memoryNetwork({ clock: this.clock });
  readonly registries: Registry[] = [];

  /** Starts a session `host:9600`. */
  session(host: string, options?: FakeOptions): Promise<FakeSession> {
    return new FakeSession(this.network, this.clock, `${host}:9600`, options).start();
  }

  /** Connects a client to sessions `host:9600`. */
  async connect(
    hosts: readonly string[],
    options: Partial<RegistryOptions> & { list?: ServerListSource; seed?: number; logger?: Logger } = {},
  ): Promise<Registry> {
    const { list, seed, ...rest } = options;
    const ports = {
      clock: this.clock,
      random: seededRandom(seed ?? 1),
      network: this.network,
      list: list ?? fixedServerList(hosts.map((host) => ({ host, port: 9600 }))),
    };
    const registry = await this.run(connectWith(ports, { app: 'orders', ...rest }));
    this.registries.push(registry);
    return registry;
  }

  /** Lets time pass in steps of `stepMs` until the promise has settled, at most a minute. */
  async run<T>(promise: Promise<T>, stepMs = 5): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    await this.clock.settle();
    for (let ms = 0; !settled; ms += stepMs) {
      if (ms > 60_000) throw new Error('nothing happened for a minute');
      await this.clock.advance(stepMs);
    }
    return promise;
  }
}
