/** Unfinished frames of many channels: what they hold together is bounded, and the oldest goes. */
import { BoltChannel } from '@sofa-registry/runtime';
import { encodeRequest } from '@sofa-registry/wire';
import { describe, expect, test } from 'vitest';
import { AssemblyBudget, ASSEMBLY_COUNTED_BYTES, type Assembler } from '../src/assembly-budget.ts';
import { Side } from './channel-rig.ts';
import { Ear, HOST, memoryRig } from './rigs.ts';

const MB = 1024 * 1024;

function requestOf(bytes: number): Buffer {
  return encodeRequest({
    requestId: 1,
    codec: 1,
    timeoutMs: 1000,
    className: 'a.B',
    content: Buffer.alloc(bytes),
  });
}

describe('a budget', () => {
  class Holder implements Assembler {
    out = 0;
    readonly #budget: AssemblyBudget;

    constructor(budget: AssemblyBudget) {
      this.#budget = budget;
    }

    crowdedOut(): void {
      this.out++;
      this.#budget.hold(this, 0);
    }
  }

  test('lets the oldest go, as many as must, and nobody who ended in time', () => {
    const budget = new AssemblyBudget(100);
    const [a, b, c, d] = Array.from({ length: 4 }, () => new Holder(budget));
    budget.hold(a, 40);
    budget.hold(b, 30);
    budget.hold(c, 20);
    budget.hold(a, 0);
    budget.hold(b, 45);
    expect([a, b, c].map(({ out }) => out)).toEqual([0, 0, 0]);
    budget.hold(d, 100);
    expect([a, b, c, d].map(({ out }) => out)).toEqual([0, 1, 1, 0]);
    expect(budget.bytes).toBe(100);
  });

  test('lets go the one that asks when it is the oldest', () => {
    const budget = new AssemblyBudget(100);
    const only = new Holder(budget);
    budget.hold(only, 60);
    budget.hold(only, 101);
    expect(only.out).toBe(1);
    expect(budget.bytes).toBe(0);
  });
});

describe('channels that share their options', () => {
  test('hold no more than allowed; a frame that is ended is handled, a small one never counts', async () => {
    const { clock, network } = memoryRig();
    const side = new Side();
    const options = side.options(clock, { assemblyBytesMax: 3 * MB });
    const listener = await network.listen({ host: HOST, port: 0 }, (connection) => {
      void new BoltChannel(connection, options);
    });
    const peers: Ear[] = [];
    for (let i = 0; i < 6; i++) {
      const connecting = network.connect(listener.address);
      await clock.settle();
      peers.push(new Ear(await connecting));
    }
    const frame = requestOf(MB);
    const small = requestOf(ASSEMBLY_COUNTED_BYTES - 1000);
    const begin = (peer: Ear): void => void peer.connection.write(frame.subarray(0, MB - 1000));
    peers[5].connection.write(small.subarray(0, small.length - 1));
    for (const peer of peers.slice(0, 3)) {
      begin(peer);
      await clock.settle();
    }
    peers[0].connection.write(frame.subarray(MB - 1000));
    await clock.settle();
    expect(side.requests).toHaveLength(1);
    begin(peers[3]);
    await clock.settle();
    expect(side.reasons).toEqual([]);
    begin(peers[4]);
    await clock.settle();
    expect(side.reasons).toEqual(['too many unfinished frames: the oldest must go']);
    expect(peers.map(({ reasons }) => reasons.length)).toEqual([0, 1, 0, 0, 0, 0]);
    expect(side.metrics.closed.with('crowded').value).toBe(1);
    peers[5].connection.write(small.subarray(small.length - 1));
    peers[4].connection.write(frame.subarray(MB - 1000));
    await clock.settle();
    expect(side.requests).toHaveLength(3);
  });
});
