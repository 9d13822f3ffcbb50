/** SOFARPC end to end: providers and a consumer find each other through the registry. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { freePorts } from '../../../bench/src/harness/registry-process.ts';
import { classPath, JVM_OPTIONS, MISSING } from './java.ts';
import { TestRegistry } from './registry.ts';

const LIMIT_MS = 60_000;
const PAUSE_MS = 20;

/** A SOFARPC process (see Rpc.java). */
class RpcProcess {
  readonly child: ChildProcess;
  readonly #lines: Interface;
  readonly #heard: string[] = [];

  constructor(...args: string[]) {
    const all = [...JVM_OPTIONS, '-cp', classPath('rpc'), 'interop.Rpc', ...args];
    this.child = spawn('java', all, { stdio: ['pipe', 'pipe', 'ignore'] });
    this.#lines = createInterface({ input: this.child.stdout! });
    this.#lines.on('line', (line) => this.#heard.push(line));
  }

  async next(): Promise<string> {
    const end = performance.now() + LIMIT_MS;
    while (this.#heard.length === 0) {
      if (performance.now() > end) throw new Error('nothing heard from the SOFARPC process');
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    return this.#heard.shift()!;
  }

  call(): Promise<string> {
    this.child.stdin!.write('call\n');
    return this.next();
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}

describe.skipIf(MISSING !== null)('SOFARPC', () => {
  let registry: TestRegistry;
  const processes: RpcProcess[] = [];

  async function start(...args: string[]): Promise<RpcProcess> {
    const started = new RpcProcess(...args);
    processes.push(started);
    expect(await started.next()).toBe('ready');
    return started;
  }

  beforeAll(async () => {
    registry = await TestRegistry.start('all-in-one');
  });

  afterAll(async () => {
    for (const each of processes) each.kill();
    await registry?.stop();
  });

  async function answers(consumer: RpcProcess, done: (seen: Set<string>) => boolean): Promise<Set<string>> {
    const end = performance.now() + LIMIT_MS;
    let seen = new Set<string>();
    while (performance.now() < end) {
      seen = new Set();
      for (let i = 0; i < 12; i++) seen.add(await consumer.call());
      if (done(seen)) return seen;
    }
    throw new Error(`the consumer last heard: ${[...seen].join(', ')}`);
  }

  test('a consumer calls all providers, loses a killed one, finds a new one', async () => {
    const address = `127.0.0.1:${registry.httpPort}`;
    const ports = await freePorts(3);
    await start('provider', address, 'alpha', String(ports[0]));
    const beta = await start('provider', address, 'beta', String(ports[1]));
    const consumer = await start('consumer', address);
    const both = new Set(['answer alpha', 'answer beta']);
    expect(await answers(consumer, (seen) => seen.size === 2)).toEqual(both);
    beta.kill();
    await answers(consumer, (seen) => seen.size === 1 && seen.has('answer alpha'));
    await start('provider', address, 'gamma', String(ports[2]));
    expect(await answers(consumer, (seen) => seen.has('answer gamma'))).toEqual(
      new Set(['answer alpha', 'answer gamma']),
    );
  });
});
