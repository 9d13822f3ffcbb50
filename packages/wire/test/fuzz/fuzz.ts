/**
 * Longer fuzzing of all decoders, outside of the unit suite.
 *
 *   node --conditions=development packages/wire/test/fuzz/fuzz.ts --seconds 60 --seed 1
 *
 * Each round takes a valid message (or random bytes), damages it and feeds it to its decoder and, framed and cut into
 * random chunks, to the frame decoder. A failure is anything but a value or a WireError, a round that takes too long, or
 * a value that does not survive its own encoder. The seed repeats a run exactly up to its end by time.
 */
import { parseArgs } from 'node:util';
import fc from 'fast-check';
import * as wire from '@sofa-registry/wire';
import { anyMessage } from '../arbitraries.ts';

const SLOW_MS = 250;
const POOL_PER_MESSAGE = 200;
const INPUT_BYTES_MAX = 300_000;

const { values } = parseArgs({ options: { seconds: { type: 'string' }, seed: { type: 'string' } } });
const seconds = Number(values.seconds ?? '60');
const seed = values.seed === undefined ? (Date.now() & 0x7fffffff) >>> 0 : Number(values.seed);
console.log(`seed ${seed}, ${seconds} s`);

let state = seed >>> 0 || 1;
/** xorshift32 */
function random(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

const pool = wire.CLIENT_MESSAGES.map((entry) => ({
  entry,
  inputs: fc
    .sample(anyMessage(entry), { numRuns: POOL_PER_MESSAGE, seed })
    .map((message) => entry.encode(message as never)),
}));

const INTERESTING = [
  0, 1, 0x1f, 0x20, 0x43, 0x4a, 0x4d, 0x4f, 0x53, 0x54, 0x56, 0x6c, 0x6e, 0x6f, 0x73, 0x74, 0x76, 0x7a, 0x7f,
  0x80, 0xff,
];

function damage(source: Buffer): Buffer {
  let bytes = Buffer.from(source);
  for (let edits = random(6); edits > 0; edits--) {
    const at = random(bytes.length + 1);
    const length = random(20);
    switch (random(6)) {
      case 0:
        if (at < bytes.length) bytes[at] = random(256);
        break;
      case 1:
        if (at < bytes.length) bytes[at] = INTERESTING[random(INTERESTING.length)];
        break;
      case 2:
        bytes = bytes.subarray(0, at);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
        break;
      case 4: {
        // Repeat a piece: nests, lengthens, defines again.
        const piece = bytes.subarray(at, at + length);
        const times = 1 + random(50);
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          ...Array.from({ length: times }, () => piece),
          bytes.subarray(at),
        ]);
        break;
      }
      default: {
        const other = pool[random(pool.length)].inputs[random(POOL_PER_MESSAGE)];
        const from = random(other.length + 1);
        bytes = Buffer.concat([
          bytes.subarray(0, at),
          other.subarray(from, from + length),
          bytes.subarray(at),
        ]);
      }
    }
    if (bytes.length > INPUT_BYTES_MAX) bytes = bytes.subarray(0, INPUT_BYTES_MAX);
  }
  return bytes;
}

const counts: Record<string, number> = {};
function count(what: string): void {
  counts[what] = (counts[what] ?? 0) + 1;
}

function fail(what: string, name: string, input: Buffer, error?: unknown): never {
  console.error(`FAILED: ${what} in ${name}, seed ${seed}\ninput ${input.toString('hex').slice(0, 20_000)}`);
  throw error ?? new Error(what);
}

/** Runs a decoder; returns its value, or undefined after a WireError. */
function attempt<T>(name: string, input: Buffer, run: () => T): T | undefined {
  const start = performance.now();
  try {
    const value = run();
    count('accepted');
    return value;
  } catch (error) {
    if (!(error instanceof wire.WireError)) fail('not a WireError', name, input, error);
    count(error.code);
    return undefined;
  } finally {
    if (performance.now() - start > SLOW_MS) count(`slow ${name}`);
  }
}

/** A value that was accepted must come back from its own encoder. */
function checkStable(entry: wire.AnyMessageDescriptor, input: Buffer, value: unknown): void {
  const encoded = entry.encode(value as never);
  const again = entry.encode(entry.decode(encoded) as never);
  if (!encoded.equals(again)) fail('value changed by its own encoder', entry.className, input);
}

function feedFrames(content: Buffer): void {
  const v2 = random(2) === 1;
  const options = { requestId: random(1000), codec: 1, className: wire.RESULT, content };
  const good = wire.encodeRequest(v2 ? { ...options, proto: 2, ver1: 2, switchByte: 1 } : options);
  const stream =
    random(3) === 0 ? Buffer.concat([good, damage(good), good]) : Buffer.concat([good, good, good]);
  const whole: string[] = [];
  const cut: string[] = [];
  const collect = (into: string[]) => (frame: wire.Frame) =>
    into.push(`${frame.requestId} ${frame.className} ${frame.content.length} ${frame.header.length}`);
  const one = new wire.FrameDecoder();
  attempt('frames', stream, () => one.push(stream, collect(whole)));
  const many = new wire.FrameDecoder();
  attempt('frames', stream, () => {
    for (let at = 0; at < stream.length; ) {
      const size = 1 + random(random(2) === 0 ? 8 : 5000);
      many.push(stream.subarray(at, at + size), collect(cut));
      at += size;
    }
  });
  if (whole.join() !== cut.join()) fail('chunking changed the frames', 'frames', stream);
}

const end = performance.now() + seconds * 1000;
let rounds = 0;
while (performance.now() < end) {
  for (let i = 0; i < 200; i++, rounds++) {
    const { entry, inputs } = pool[random(pool.length)];
    const input =
      random(20) === 0
        ? Buffer.from(Array.from({ length: random(200) }, () => random(256)))
        : damage(inputs[random(inputs.length)]);
    const value = attempt(entry.className, input, () => entry.decode(input));
    if (value !== undefined) checkStable(entry, input, value);
    attempt('generic', input, () => wire.decodeHessian(input, new Set([wire.DATA_BOX, entry.className])));
    if (random(10) === 0) attempt('boxes', input, () => wire.checkPackedBoxes(input));
    if (random(4) === 0) feedFrames(input);
  }
}
console.log(`${rounds} rounds, seed ${seed}`);
console.log(counts);
const { heapUsed, external } = process.memoryUsage();
console.log(`heap ${Math.round(heapUsed / 1e6)} MB, external ${Math.round(external / 1e6)} MB`);
if (Object.keys(counts).some((key) => key.startsWith('slow'))) process.exitCode = 1;
