/** A process that can be stopped as by SIGSTOP: its timers and deferred calls wait, and its connections deliver nothing. */
import type { Clock, Connection, ConnectOptions, Listener, Network, Timer } from '@sofa-registry/runtime';
import type { HostPort } from '@sofa-registry/model';

export class PausableHost {
  readonly clock: Clock;
  readonly network: Network;
  readonly #waiting: (() => void)[] = [];
  readonly #connections = new Set<Connection>();
  #paused = false;
  #dead = false;

  constructor(clock: Clock, network: Network) {
    this.clock = {
      monoMs: () => clock.monoMs(),
      wallMs: () => clock.wallMs(),
      defer: (fn) => clock.defer(() => this.#run(fn)),
      setTimer: (delayMs, fn): Timer => {
        let cancelled = false;
        const timer = clock.setTimer(delayMs, () => this.#run(() => (cancelled ? undefined : fn())));
        return {
          cancel: () => {
            cancelled = true;
            timer.cancel();
          },
        };
      },
    };
    this.network = {
      listen: (address: HostPort, accept: (connection: Connection) => void): Promise<Listener> =>
        network.listen(address, (connection) => {
          this.#own(connection);
          accept(connection);
        }),
      connect: async (address: HostPort, options?: ConnectOptions): Promise<Connection> => {
        if (this.#dead) return new Promise<never>(() => {});
        const connection = await network.connect(address, options);
        this.#own(connection);
        return connection;
      },
    };
  }

  pause(): void {
    this.#paused = true;
    for (const connection of this.#connections) connection.pause();
  }

  resume(): void {
    this.#paused = false;
    for (const connection of this.#connections) if (!connection.closed) connection.resume();
    for (const fn of this.#waiting.splice(0)) fn();
  }

  /** As by SIGKILL: every connection closes, nothing of the process runs any more. */
  kill(): void {
    this.#dead = true;
    for (const connection of this.#connections) connection.destroy('killed');
  }

  #own(connection: Connection): void {
    this.#connections.add(connection);
    if (this.#paused) connection.pause();
  }

  #run(fn: () => void): void {
    if (this.#dead) return;
    if (this.#paused) this.#waiting.push(fn);
    else fn();
  }
}
