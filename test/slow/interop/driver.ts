/** A JVM with official clients, scripted through the line protocol of test/interop (see Driver.java). */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { classPath, JVM_OPTIONS, MAIN_CLIENT } from './java.ts';

const READY_LIMIT_MS = 30_000;
const REPLY_LIMIT_MS = 30_000;
const POLL_MS = 10;
const NULL = '~null';

/** What an observer was given: zone to values. */
export interface SeenData {
  readonly localZone: string | null;
  readonly atMs: number;
  readonly zones: Readonly<Record<string, readonly string[]>>;
}

/** What a configurator was given. */
export interface SeenConfig {
  readonly value: string | null;
}

/** Where a client finds the registry. */
export interface ClientOptions {
  readonly httpPort: number;
  readonly zone?: string;
  readonly dataCenter?: string;
  readonly app?: string;
}

/** One JVM. */
export class JavaDriver {
  /** All that observers of this process were given, by the name of the registration, oldest first. */
  readonly data = new Map<string, SeenData[]>();
  readonly configs = new Map<string, SeenConfig[]>();
  /** Called with each of them as it comes. */
  onData: (name: string, data: SeenData) => void = () => undefined;
  readonly #child: ChildProcess;
  readonly #replies = new Map<string, { resolve(fields: string[]): void; reject(error: Error): void }>();
  #nextId = 1;
  #ready = false;
  #exited = false;
  #errors = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on('line', (line) => this.#line(line.split('\t').map(decode)));
    child.stderr!.on('data', (chunk: Buffer) => {
      this.#errors = (this.#errors + chunk.toString()).slice(-4000);
    });
    child.once('exit', () => {
      this.#exited = true;
      for (const { reject } of this.#replies.values()) reject(new Error(`the JVM ended\n${this.#errors}`));
      this.#replies.clear();
    });
  }

  static async start(version: string = MAIN_CLIENT): Promise<JavaDriver> {
    const args = [...JVM_OPTIONS, '-cp', classPath('driver', version), 'interop.Driver'];
    const driver = new JavaDriver(spawn('java', args, { stdio: ['pipe', 'pipe', 'pipe'] }));
    await driver.#until(() => driver.#ready, READY_LIMIT_MS, 'the JVM to start');
    return driver;
  }

  /** Starts a client. It connects when its first registration needs it. */
  async connect(name: string, options: ClientOptions): Promise<void> {
    const { httpPort, zone = 'DEFAULT_ZONE', dataCenter = 'DefaultDataCenter', app = 'interop' } = options;
    await this.#call('connect', name, '127.0.0.1', String(httpPort), zone, dataCenter, app);
  }

  /** Registers a publisher; returns its registration id at once, see {@link registered}. */
  async publish(client: string, name: string, dataId: string, group: string, values: readonly string[]) {
    return (await this.#call('publish', client, name, dataId, group, ...values))[0];
  }

  async republish(name: string, values: readonly string[]): Promise<void> {
    await this.#call('republish', name, ...values);
  }

  async subscribe(client: string, name: string, dataId: string, group: string, scope: string) {
    return (await this.#call('subscribe', client, name, dataId, group, scope))[0];
  }

  async configure(client: string, name: string, dataId: string): Promise<void> {
    await this.#call('configure', client, name, dataId);
  }

  async unregister(name: string): Promise<void> {
    await this.#call('unregister', name);
  }

  /** Unregisters by dataId; returns how many registrations that were. */
  async unregisterId(client: string, dataId: string, group: string, type: string): Promise<number> {
    return Number((await this.#call('unregisterId', client, dataId, group, type))[0]);
  }

  /** What the client holds of a subscription now. */
  async peek(name: string): Promise<SeenData> {
    return seenOf(await this.#call('peek', name));
  }

  async bulkPublish(client: string, prefix: string, group: string, count: number): Promise<void> {
    await this.#call('bulkPublish', client, prefix, group, String(count));
  }

  async bulkSubscribe(client: string, prefix: string, group: string, count: number): Promise<void> {
    await this.#call('bulkSubscribe', client, prefix, group, String(count));
  }

  async bulkRegistered(prefix: string): Promise<number> {
    return Number((await this.#call('bulkRegistered', prefix))[0]);
  }

  /** Waits until the registry has confirmed a registration. */
  async registered(name: string, limitMs = 10_000): Promise<void> {
    const end = performance.now() + limitMs;
    while ((await this.#call('registered', name))[0] !== 'true') {
      if (performance.now() > end) throw new Error(`${name} was not registered within ${limitMs} ms`);
      await sleep(POLL_MS);
    }
  }

  /** Waits until the newest data of a subscription satisfies `holds`. @throws with that data if it never does */
  async sees(name: string, holds: (data: SeenData) => boolean, limitMs = 10_000): Promise<SeenData> {
    const newest = (): SeenData | undefined => this.data.get(name)?.at(-1);
    await this.#until(
      () => newest() !== undefined && holds(newest()!),
      limitMs,
      () => `${name}, which last saw ${JSON.stringify(newest() ?? null)?.slice(0, 2000)}`,
    );
    return newest()!;
  }

  /** Waits for the n-th call of a configurator. */
  async seesConfig(name: string, count = 1, limitMs = 10_000): Promise<readonly SeenConfig[]> {
    const seen = (): readonly SeenConfig[] => this.configs.get(name) ?? [];
    await this.#until(() => seen().length >= count, limitMs, `configurator ${name}`);
    return seen();
  }

  /** The process ends without any goodbye. */
  async kill(): Promise<void> {
    if (this.#exited) return;
    this.#child.kill('SIGKILL');
    await this.#until(() => this.#exited, 10_000, 'the JVM to die');
  }

  /** The process ends in order; clients of this generation say nothing to the registry either way. */
  async stop(): Promise<void> {
    if (this.#exited) return;
    this.#child.stdin!.end();
    await this.#until(() => this.#exited, 10_000, 'the JVM to end').catch(() => this.kill());
  }

  #call(command: string, ...args: string[]): Promise<string[]> {
    if (this.#exited) return Promise.reject(new Error(`the JVM ended\n${this.#errors}`));
    const id = String(this.#nextId++);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer to ${command}`)), REPLY_LIMIT_MS);
      const settle = (): void => {
        clearTimeout(timer);
        this.#replies.delete(id);
      };
      this.#replies.set(id, {
        resolve: (fields) => {
          settle();
          resolve(fields);
        },
        reject: (error) => {
          settle();
          reject(error);
        },
      });
      this.#child.stdin!.write(`${[id, command, ...args].map(encodeURIComponent).join('\t')}\n`);
    });
  }

  #line(fields: (string | null)[]): void {
    const [kind, id, ...rest] = fields as string[];
    if (kind === 'ready') this.#ready = true;
    else if (kind === 'ok') this.#replies.get(id)?.resolve(rest);
    else if (kind === 'err') this.#replies.get(id)?.reject(new Error(rest[0]));
    else if (kind === 'data') {
      const data = seenOf(rest);
      append(this.data, id, data);
      this.onData(id, data);
    } else if (kind === 'config') append(this.configs, id, { value: rest[1] });
  }

  async #until(done: () => boolean, limitMs: number, what: string | (() => string)): Promise<void> {
    const end = performance.now() + limitMs;
    while (!done()) {
      if (performance.now() > end) {
        throw new Error(
          `waited ${limitMs} ms for ${typeof what === 'string' ? what : what()}\n${this.#errors}`,
        );
      }
      await sleep(POLL_MS);
    }
  }
}

/** All values of all zones, sorted. */
export function valuesOf(data: SeenData): string[] {
  return Object.values(data.zones).flat().sort();
}

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

function seenOf(fields: readonly string[]): SeenData {
  const zones: Record<string, string[]> = Object.create(null);
  for (let i = 2; i < fields.length; ) {
    const count = Number(fields[i + 1]);
    zones[fields[i]] = fields.slice(i + 2, i + 2 + count);
    i += 2 + count;
  }
  return { localZone: fields[0], atMs: Number(fields[1]), zones };
}

function decode(field: string): string | null {
  return field === NULL ? null : decodeURIComponent(field.replaceAll('+', ' '));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
