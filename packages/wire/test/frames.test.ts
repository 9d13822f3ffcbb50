/** Framing: any split of a stream gives the same frames, and nothing from the network gets past the limits. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as wire from '../src/index.ts';

function collect(chunks: Iterable<Buffer>, limits?: Partial<wire.BoltLimits>): wire.Frame[] {
  const decoder = new wire.FrameDecoder(limits);
  const got: wire.Frame[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk, (frame) =>
      got.push({ ...frame, header: Buffer.from(frame.header), content: Buffer.from(frame.content) }),
    );
  }
  return got;
}

const variant = fc.constantFrom([1, 1, 0], [2, 1, 0], [2, 1, 1], [2, 2, 0], [2, 2, 1]);
const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
const anyFrame = fc
  .record({
    variant,
    requestId: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    codec: fc.constantFrom(1, 11),
    className: fc.constantFrom(wire.RESULT, wire.PUBLISHER_REGISTER, '', 'x'),
    header: bytes(8),
    content: bytes(400),
    kind: fc.constantFrom('request', 'oneway', 'response', 'heartbeat', 'ack'),
    timeoutMs: fc.integer({ min: -1, max: 100_000 }),
    status: fc.constantFrom(...Object.values(wire.BoltStatus)),
  })
  .map((record) => {
    const [proto, ver1, switchByte] = record.variant as [1 | 2, number, number];
    const fields = { ...record, proto, ver1, switchByte };
    if (record.kind === 'heartbeat') return wire.encodeHeartbeat(proto, ver1, record.requestId);
    if (record.kind === 'ack') return wire.encodeHeartbeatAck(proto, ver1, record.requestId);
    if (record.kind === 'response') return wire.encodeResponse(fields);
    return wire.encodeRequest({ ...fields, oneway: record.kind === 'oneway' });
  });

describe('streams', () => {
  test('any chunking gives the same frames', () => {
    fc.assert(
      fc.property(
        fc.array(anyFrame, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 300 })),
        (frames, sizes) => {
          const stream = Buffer.concat(frames);
          const whole = collect([stream]);
          expect(whole).toHaveLength(frames.length);
          const chunks: Buffer[] = [];
          for (let at = 0; at < stream.length; ) {
            const size = sizes.next().value as number;
            chunks.push(stream.subarray(at, at + size));
            at += size;
          }
          expect(collect(chunks)).toEqual(whole);
          expect(collect([...stream].map((byte) => Buffer.from([byte])))).toEqual(whole);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('fields survive', () => {
    fc.assert(
      fc.property(
        variant,
        fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
        bytes(50),
        bytes(20),
        ([proto, ver1, switchByte], requestId, content, header) => {
          const encoded = wire.encodeRequest({
            proto: proto as 1 | 2,
            ver1,
            switchByte,
            requestId,
            codec: 11,
            timeoutMs: 777,
            className: 'a.B',
            header,
            content,
          });
          expect(collect([encoded])).toEqual([
            {
              proto,
              ver1,
              type: wire.FRAME_REQUEST,
              cmdCode: wire.CMD_REQUEST,
              ver2: 1,
              requestId,
              codec: 11,
              switchByte,
              timeoutMs: 777,
              status: 0,
              className: 'a.B',
              header,
              content,
            },
          ]);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a frame larger than any chunk is assembled', () => {
    const content = Buffer.alloc(1_500_000, 7);
    const stream = wire.encodeRequest({ requestId: 1, codec: 1, className: 'c', content });
    const chunks: Buffer[] = [];
    for (let at = 0; at < stream.length; at += 65536) chunks.push(stream.subarray(at, at + 65536));
    const [frame] = collect(chunks);
    expect(frame.content.equals(content)).toBe(true);
  });

  test('whole frames are views of the chunk, class names one string', () => {
    const one = wire.encodeRequest({ requestId: 1, codec: 1, className: 'a.B', content: Buffer.from('xyz') });
    const chunk = Buffer.concat([one, one]);
    const got: wire.Frame[] = [];
    new wire.FrameDecoder().push(chunk, (frame) => got.push(frame));
    expect(got[0].content.buffer).toBe(chunk.buffer);
    chunk[one.length - 1] = 0x21;
    expect(got[0].content.toString()).toBe('xy!');
  });

  test('close stops in the middle of a chunk', () => {
    const one = wire.encodeHeartbeat(1, 1, 1);
    const decoder = new wire.FrameDecoder();
    let seen = 0;
    decoder.push(Buffer.concat([one, one, one.subarray(0, 5)]), () => {
      seen++;
      decoder.close();
    });
    decoder.push(one, () => seen++);
    expect(seen).toBe(1);
    expect(decoder.bufferedBytes).toBe(0);
  });

  test('a push in parts, with and without CRC, is the frame in one piece', () => {
    const parts = [Buffer.from('abc'), Buffer.alloc(100, 1)];
    const content = Buffer.concat(parts);
    const name = wire.classNameBytes(wire.RECEIVED_DATA);
    const head = wire.encodeRequestHead(2, 2, 9, 1, 2000, name, content.length, 1);
    const framed = Buffer.concat([head, ...parts, wire.crcOfParts([head, ...parts])]);
    const options = { requestId: 9, codec: 1, timeoutMs: 2000, className: wire.RECEIVED_DATA, content };
    expect(framed.equals(wire.encodeRequest({ ...options, proto: 2, ver1: 2, switchByte: 1 }))).toBe(true);
    const plain = Buffer.concat([wire.encodeRequestHead(1, 1, 9, 1, 2000, name, content.length), ...parts]);
    expect(plain.equals(wire.encodeRequest(options))).toBe(true);
  });
});

describe('refusals', () => {
  const request = (): Buffer =>
    wire.encodeRequest({ requestId: 1, codec: 1, className: 'abc', content: Buffer.alloc(9) });
  const v2 = (ver1: number): Buffer =>
    wire.encodeRequest({ proto: 2, ver1, switchByte: 1, requestId: 1, codec: 1, className: 'abc' });
  const patched = (frame: Buffer, at: number, ...values: number[]): Buffer => {
    frame.set(values, at);
    return frame;
  };

  test.each([
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n'), 'SR_WIRE_FRAME_PROTOCOL'],
    ['protocol 3', Buffer.from([3]), 'SR_WIRE_FRAME_PROTOCOL'],
    ['v2 version 3', patched(v2(1), 1, 3), 'SR_WIRE_FRAME_VERSION'],
    ['type 3', patched(request(), 1, 3), 'SR_WIRE_FRAME_TYPE'],
    ['command 3', patched(request(), 2, 0, 3), 'SR_WIRE_FRAME_COMMAND'],
    ['negative command', patched(request(), 2, 0xff, 0xff), 'SR_WIRE_FRAME_COMMAND'],
    ['negative class length', patched(request(), 14, 0xff), 'SR_WIRE_FRAME_LENGTH'],
    ['negative header length', patched(request(), 16, 0x80), 'SR_WIRE_FRAME_LENGTH'],
    ['negative content length', patched(request(), 18, 0x80), 'SR_WIRE_FRAME_LENGTH'],
    ['huge content', patched(request(), 18, 0x7f, 0xff, 0xff, 0xff).subarray(0, 22), 'SR_WIRE_FRAME_TOO_BIG'],
    ['long class name', patched(request(), 14, 0x7f, 0xff).subarray(0, 22), 'SR_WIRE_FRAME_TOO_BIG'],
    ['wrong CRC', patched(v2(2), 24, 0x62), 'SR_WIRE_FRAME_CRC'],
  ])('%s', (_name, stream, code) => {
    const decoder = new wire.FrameDecoder();
    const seen: wire.Frame[] = [];
    const good = wire.encodeHeartbeat(1, 1, 1);
    const push = (): void => decoder.push(Buffer.concat([good, stream]), (frame) => seen.push(frame));
    expect(push).toThrow(expect.objectContaining({ code, answer: 'close' }));
    expect(seen).toHaveLength(1);
    expect(() => decoder.push(good, (frame) => seen.push(frame))).toThrow(expect.objectContaining({ code }));
    expect(seen).toHaveLength(1);
  });

  test('the limit holds in any chunking and is configurable', () => {
    const frame = request();
    expect(collect([frame], { frameBytesMax: frame.length })).toHaveLength(1);
    const tight = { frameBytesMax: frame.length - 1 };
    expect(() => collect([frame], tight)).toThrow(expect.objectContaining({ code: 'SR_WIRE_FRAME_TOO_BIG' }));
    expect(() =>
      collect(
        [...frame].map((byte) => Buffer.from([byte])),
        tight,
      ),
    ).toThrow(wire.WireError);
  });

  test('a claimed length holds no more memory than what arrived', () => {
    const head = patched(request(), 18, 0, 0x90, 0, 0).subarray(0, 22);
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 500 }, () => new wire.FrameDecoder());
    for (const decoder of decoders) decoder.push(head, () => {});
    // 500 claims of 9 MB each, 22 bytes of each have arrived.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * 1024 * 1024);
    expect(decoders.every((decoder) => decoder.bufferedBytes === 22)).toBe(true);
  });

  test('lengths that do not fit are refused by the encoder', () => {
    expect(() => wire.encodeRequest({ requestId: 1, codec: 1, className: 'x'.repeat(40_000) })).toThrow(
      expect.objectContaining({ code: 'SR_WIRE_ENCODE' }),
    );
  });

  test('random bytes throw WireError or wait', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (array, bolt) => {
        const stream = Buffer.from(array);
        if (bolt && stream.length > 0) stream[0] = 1 + (stream[0] & 1);
        try {
          collect([stream]);
        } catch (error) {
          expect(error).toBeInstanceOf(wire.WireError);
        }
      }),
    );
  });
});
