/** Round trips of all messages, hostile input, leniency, shared push bodies. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as wire from '../src/index.ts';
import { anyMessage, anyText, wellFormed } from './arbitraries.ts';

const labelled = wire.CLIENT_MESSAGES.map((entry) => [entry.className.split('.').at(-1)!, entry] as const);
const code = (value: wire.WireErrorCode) => expect.objectContaining({ code: value });

describe('every message', () => {
  test.each(labelled)('%s: decode(encode(m)) is m', (_name, entry) => {
    fc.assert(
      fc.property(anyMessage(entry), (message) => {
        const bytes = entry.encode(message as never);
        expect(entry.decode(bytes)).toEqual(message);
        expect(entry.encode(entry.decode(bytes) as never).equals(bytes)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test.each(labelled)('%s: cut and mutated bytes throw nothing but WireError', (_name, entry) => {
    fc.assert(
      fc.property(
        anyMessage(entry),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
        fc.nat(),
        (message, edits, cut) => {
          const bytes = Buffer.from(entry.encode(message as never));
          for (const [at, value] of edits) if (bytes.length > 0) bytes[at % bytes.length] = value;
          for (const input of [bytes, bytes.subarray(0, cut % (bytes.length + 1))]) {
            try {
              entry.decode(input);
            } catch (error) {
              expect(error).toBeInstanceOf(wire.WireError);
              expect((error as wire.WireError).answer).toBe('deserialException');
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the catalogue finds each class, and each answer is in it', () => {
    for (const entry of wire.CLIENT_MESSAGES) {
      expect(wire.messageOf(entry.className)).toBe(entry);
      if (entry.responseClassName !== null) {
        expect(wire.messageOf(entry.responseClassName)?.direction).toBe('response');
      }
    }
    expect(wire.messageOf('__proto__')).toBeUndefined();
    expect(new Set(wire.CLIENT_MESSAGES.map((entry) => entry.className)).size).toBe(
      wire.CLIENT_MESSAGES.length,
    );
  });
});

/** Hand-built Hessian objects: fields in any order, with any values. */
function object(className: string, fields: [string, (out: wire.ByteWriter) => void][]): Buffer {
  const out = new wire.ByteWriter();
  wire.hessianWriter.writeDefinition(
    out,
    className,
    fields.map(([name]) => name),
  );
  wire.hessianWriter.writeInstance(out, 0);
  for (const [, write] of fields) write(out);
  return out.take();
}
const raw = (hex: string) => (out: wire.ByteWriter) => out.raw(Buffer.from(hex, 'hex'));
const text = (value: string | null) => (out: wire.ByteWriter) => wire.hessianWriter.writeString(out, value);

describe('what other writers may send', () => {
  test('fields in any order, missing or unknown ones, int for Long', () => {
    const content = object(wire.SUBSCRIBER_REGISTER, [
      ['version', raw('91')],
      ['future', raw('4f91789101616f914d0161c80f7a')],
      ['list', raw('566e0291e17a')],
      ['acceptMulti', raw('91')],
      ['zone', text('Z')],
      ['fixed', raw('67')],
      ['blob', raw('2201ff')],
    ]);
    const value = wire.decodeSubscriberRegister(content);
    expect(value).toMatchObject({ version: 1, acceptMulti: true, zone: 'Z', dataId: null, attributes: null });
  });

  test('maps keep __proto__, tolerate scalars and nulls as values', () => {
    const content = object(wire.CONFIGURATOR_REGISTER, [
      ['attributes', raw('4d 095f5f70726f746f5f5f 0178 0161 9f 0162 54 0163 4e 7a'.replaceAll(' ', ''))],
    ]);
    const { attributes } = wire.decodeConfiguratorRegister(content);
    expect([...attributes!]).toEqual([
      ['__proto__', 'x'],
      ['a', '15'],
      ['b', 'true'],
      ['c', ''],
    ]);
  });

  test('boxes: null list, null box, null data, chunked text, list without length', () => {
    const none = object(wire.PUBLISHER_REGISTER, [['dataList', raw('4e')]]);
    expect(wire.decodePublisherRegister(none).dataBoxes).toBe(wire.NO_BOXES);
    const box = `4fbb${Buffer.from(wire.DATA_BOX).toString('hex')}910464617461`;
    const mixed = object(wire.PUBLISHER_REGISTER, [
      ['dataList', raw(`56${box}6f914e4e6f91730002616253000163 6f910178 7a`.replaceAll(' ', ''))],
    ]);
    expect(wire.unpackBoxes(wire.decodePublisherRegister(mixed).dataBoxes)).toEqual(['', '', 'abc', 'x']);
  });

  test('a 4.x client is told apart', () => {
    expect(() => wire.decodeResult(Buffer.from('430161', 'hex'))).toThrow(code('SR_WIRE_HESSIAN_V4'));
  });

  test('other classes, wrong types, references to nothing, bytes after the end', () => {
    expect(() => wire.decodeResult(object('java.lang.Runtime', []))).toThrow(code('SR_WIRE_CLASS'));
    expect(() => wire.decodeResult(object(wire.DATA_BOX, []))).toThrow(code('SR_WIRE_CLASS'));
    expect(() => wire.decodeResult(Buffer.from('4e', 'hex'))).toThrow(code('SR_WIRE_TYPE'));
    expect(() => wire.decodeResult(object(wire.RESULT, [['message', raw('91')]]))).toThrow(
      code('SR_WIRE_TYPE'),
    );
    expect(() => wire.decodeResult(Buffer.from('4a00', 'hex'))).toThrow(code('SR_WIRE_REFERENCE'));
    expect(() => wire.decodeResult(Buffer.concat([object(wire.RESULT, []), Buffer.from([0])]))).toThrow(
      code('SR_WIRE_TRAILING'),
    );
    expect(() => wire.decodeResult(Buffer.alloc(0))).toThrow(code('SR_WIRE_TRUNCATED'));
    expect(() => wire.decodeResult(object(wire.RESULT, [['message', raw('01f09f9880')]]))).toThrow(
      code('SR_WIRE_STRING'),
    );
    const cyclic = object(wire.PUBLISHER_REGISTER, [['dataList', raw('566e014a017a')]]);
    expect(() => wire.decodePublisherRegister(cyclic)).toThrow(code('SR_WIRE_REFERENCE'));
  });

  test('a proto3 field split in two merges, a repeated scalar takes the last, unknown ones and groups are skipped', () => {
    const bytes = Buffer.from(
      '1203120141 1203120142 9a0601ff 1b08011c 1204 220143 00'.replaceAll(' ', ''),
      'hex',
    );
    expect(() => wire.decodePublisherRegisterPb(bytes)).toThrow(code('SR_WIRE_SYNTAX'));
    const good = Buffer.from(
      '1203120141 1203120142 9a0601ff 1b08011c 1203 220143'.replaceAll(' ', ''),
      'hex',
    );
    expect(wire.decodePublisherRegisterPb(good)).toMatchObject({ zone: 'B', dataId: 'C' });
  });
});

describe('limits', () => {
  const deep = Buffer.from(`${'566e01'.repeat(50)}4e${'7a'.repeat(50)}`, 'hex');
  const limited = (limits: Partial<wire.ContentLimits>) => wire.contentLimits(limits);

  test('depth, also where values are skipped', () => {
    expect(() => wire.decodeHessian(deep)).toThrow(code('SR_WIRE_LIMIT'));
    expect(() => wire.decodeResult(object(wire.RESULT, [['x', (out) => out.raw(deep)]]))).toThrow(
      code('SR_WIRE_LIMIT'),
    );
    const groups = Buffer.concat([Buffer.alloc(100, 0x1b), Buffer.alloc(100, 0x1c)]);
    expect(() => wire.decodeResultPb(groups)).toThrow(code('SR_WIRE_LIMIT'));
  });

  test('claimed lengths are checked before they are believed', () => {
    expect(() => wire.decodeHessian(Buffer.from('566c7fffffff', 'hex'))).toThrow(code('SR_WIRE_LIMIT'));
    expect(() => wire.decodeHessian(Buffer.from('566c0000ffff4e', 'hex'))).toThrow(code('SR_WIRE_TRUNCATED'));
    expect(() => wire.decodeHessian(Buffer.from('53ffff61', 'hex'))).toThrow(code('SR_WIRE_TRUNCATED'));
    expect(() => wire.decodeHessian(Buffer.from('42ffff61', 'hex'))).toThrow(code('SR_WIRE_TRUNCATED'));
  });

  test('list, map, string, nodes, definitions, fields, types', () => {
    const strings = new wire.ByteWriter();
    wire.hessianWriter.writeStringList(strings, ['a', 'b', 'c']);
    const list = strings.take();
    expect(() => wire.decodeHessian(list, new Set(), limited({ listItemsMax: 2 }))).toThrow(
      code('SR_WIRE_LIMIT'),
    );
    expect(() => wire.decodeHessian(list, new Set(), limited({ nodesMax: 3 }))).toThrow(
      code('SR_WIRE_LIMIT'),
    );
    const map = Buffer.from('4d910191 920192 7a'.replaceAll(' ', ''), 'hex');
    expect(() => wire.decodeHessian(map, new Set(), limited({ mapEntriesMax: 0 }))).toThrow(
      code('SR_WIRE_LIMIT'),
    );
    const result = wire.encodeResult({ success: true, message: 'long' });
    expect(() => wire.decodeResult(result, limited({ stringUnitsMax: 3 }))).toThrow(code('SR_WIRE_LIMIT'));
    expect(() => wire.decodeResult(result, limited({ fieldsMax: 1 }))).toThrow(code('SR_WIRE_LIMIT'));
    expect(() => wire.decodeResult(result, limited({ classDefsMax: 0 }))).toThrow(code('SR_WIRE_LIMIT'));
    const typed = Buffer.from('567400016c6e007a', 'hex');
    expect(() => wire.decodeHessian(typed, new Set(), limited({ typesMax: 0 }))).toThrow(
      code('SR_WIRE_LIMIT'),
    );
    const pb = wire.encodeGetRevisionsRequest({ revisions: ['a', 'b'] });
    expect(() => wire.decodeGetRevisionsRequest(pb, limited({ listItemsMax: 1 }))).toThrow(
      code('SR_WIRE_LIMIT'),
    );
  });

  test('references cannot blow a payload up without end', () => {
    const box = `4fbb${Buffer.from(wire.DATA_BOX).toString('hex')}910464617461`;
    const refs = '4a02'.repeat(200);
    const content = object(wire.PUBLISHER_REGISTER, [
      ['dataList', raw(`56${box}6f9153100061${'61'.repeat(4095)}${refs}7a`)],
    ]);
    expect(() => wire.decodePublisherRegister(content, limited({ stringUnitsMax: 5000 }))).toThrow(
      code('SR_WIRE_LIMIT'),
    );
    expect(wire.boxCount(wire.decodePublisherRegister(content).dataBoxes)).toBe(201);
  });

  test('values that no int64 or int32 can hold are refused when encoding', () => {
    const response = { success: true, registId: 'r', version: 2 ** 60, refused: false, message: null };
    expect(() => wire.encodeRegisterResponse(response)).toThrow(code('SR_WIRE_ENCODE'));
    expect(() => wire.encodeRegisterResponsePb({ ...response, version: 2n ** 63n })).toThrow(
      code('SR_WIRE_ENCODE'),
    );
    expect(
      wire.decodeRegisterResponse(wire.encodeRegisterResponse({ ...response, version: 2n ** 60n })).version,
    ).toBe(2n ** 60n);
  });
});

describe('packed boxes', () => {
  test('strings survive, checks pass, joined payloads are the joined lists', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyText, { maxLength: 5 }), { maxLength: 4 }), (lists) => {
        const packed = lists.map((list) => wire.packBoxes(list));
        packed.forEach((boxes, i) => {
          wire.checkPackedBoxes(boxes);
          expect(wire.unpackBoxes(boxes)).toEqual(lists[i]);
          expect(wire.boxCount(boxes)).toBe(lists[i].length);
          expect(wire.boxUnits(boxes)).toBe(lists[i].join('').length);
        });
        expect(wire.unpackBoxes(wire.joinBoxes(packed))).toEqual(lists.flat());
      }),
      { numRuns: 60 },
    );
    expect(wire.boxCount(wire.packBoxes(Array.from({ length: 300 }, () => 'x')))).toBe(300);
    expect(wire.unpackBoxes(wire.packBoxes([null, undefined]))).toEqual(['', '']);
  });

  test('anything else is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 30 }), (array) => {
        const bytes = Buffer.from(array);
        try {
          wire.checkPackedBoxes(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(wire.WireError);
          return;
        }
        expect(wire.packBoxes(wire.unpackBoxes(bytes)).length).toBeLessThanOrEqual(bytes.length);
      }),
    );
    for (const bad of ['', '01', '010101', '0200016161', 'ffffffffff01', '0102 0161', '0101f0', '00 00']) {
      expect(() => wire.checkPackedBoxes(Buffer.from(bad.replaceAll(' ', ''), 'hex'))).toThrow(
        wire.WireError,
      );
    }
    expect(() =>
      wire.checkPackedBoxes(wire.packBoxes(['a', 'b']), { boxesMax: 1, packedBytesMax: 99 }),
    ).toThrow(code('SR_WIRE_LIMIT'));
  });

  test('decoding copies the payload out of the frame', () => {
    const message = wire.encodePublisherRegister({
      ...wire.decodePublisherRegister(object(wire.PUBLISHER_REGISTER, [])),
      dataBoxes: wire.packBoxes(['payload']),
    });
    const value = wire.decodePublisherRegister(message);
    message.fill(0);
    expect(wire.unpackBoxes(value.dataBoxes)).toEqual(['payload']);
  });
});

describe('shared push bodies', () => {
  const zoneLists = (strings: fc.Arbitrary<string>) =>
    fc.uniqueArray(fc.tuple(strings, fc.array(fc.array(strings, { maxLength: 4 }), { maxLength: 4 })), {
      maxLength: 4,
      selector: ([zone]) => zone,
    });
  const view = (zones: [string, string[][]][]): wire.ReceivedDataView => ({
    dataId: 'd',
    group: 'g',
    instanceId: 'i',
    segment: 's',
    scope: 'global',
    version: 2n ** 60n,
    localZone: 'Z',
    // A generator: the encoder must read it once only.
    zones: (function* () {
      for (const [zone, lists] of zones) {
        yield [zone, lists.map((list) => wire.packBoxes(list)).values()] as const;
      }
    })(),
  });

  test.each(['hessian', 'pb'] as const)('%s: what clients read is the view and their own ids', (codec) => {
    fc.assert(
      fc.property(
        zoneLists(codec === 'pb' ? wellFormed : anyText),
        fc.array(wellFormed, { maxLength: 3 }),
        (zones, ids) => {
          const body = wire.encodeReceivedDataBody(view(zones), codec);
          const entry = wire.messageOf(body.className)!;
          const value = entry.decode(Buffer.concat(body.parts(ids))) as wire.ReceivedData;
          expect(value.subscriberRegistIds).toEqual(ids);
          expect(value).toMatchObject({ dataId: 'd', segment: 's', localZone: 'Z', version: 2n ** 60n });
          const expected = zones.map(([zone, lists]) => [zone, lists.flat()]);
          expect([...value.data!].map(([zone, boxes]) => [zone, wire.unpackBoxes(boxes)])).toEqual(expected);
          expect([...value.dataCount!]).toEqual(zones.map(([zone, lists]) => [zone, lists.flat().length]));
        },
      ),
      { numRuns: 60 },
    );
  });

  test.each([
    ['hessian', 1, 1, 0],
    ['pb', 1, 1, 0],
    ['hessian', 2, 2, 1],
    ['pb', 2, 1, 1],
  ] as const)('%s frames for protocol %d.%d', (codec, proto, ver1, switchByte) => {
    const body = wire.encodeReceivedDataBody(view([['Z', [['a'], ['b', 'c']]]]), codec);
    const parts = body.frame(proto, ver1, 7, 2000, ['r1', 'r2'], switchByte);
    expect(parts[1]).toBe(body.shared);
    const got: wire.Frame[] = [];
    new wire.FrameDecoder().push(Buffer.concat(parts), (frame) => got.push(frame));
    expect(got).toHaveLength(1);
    expect(got[0]).toMatchObject({
      codec: 1,
      className: body.className,
      requestId: 7,
      timeoutMs: 2000,
      type: 1,
    });
    expect(got[0].content.equals(Buffer.concat(body.parts(['r1', 'r2'])))).toBe(true);
  });

  test('lists around the length forms', () => {
    for (const count of [0, 1, 255, 256, 300]) {
      const boxes = Array.from({ length: count }, (_, i) => `box${i}`);
      const body = wire.encodeReceivedDataBody(view([['Z', boxes.map((box) => [box])]]), 'hessian');
      const value = wire.decodeReceivedData(Buffer.concat(body.parts(['r'])));
      expect(wire.unpackBoxes(value.data!.get('Z')!)).toEqual(boxes);
    }
  });

  test('a compressed body carries encoding and sizes, and its plain bytes are the data field', () => {
    const zones: [string, string[][]][] = [['Z', [['a', '\u{1f600}']]]];
    const { body, dataCount } = wire.encodeReceivedDataBodyPb(view(zones).zones);
    expect([...dataCount]).toEqual([['Z', 2]]);
    expect(wire.listUnits(view(zones).zones)).toBe(4);
    const push = wire.encodeCompressedDataBody(view(zones), {
      encoding: 'gzip',
      body,
      originBodySize: body.length,
      dataCount,
    });
    const value = wire.decodeReceivedDataPb(Buffer.concat(push.parts(['r'])));
    expect(value).toMatchObject({ encoding: 'gzip', originBodySize: body.length, dataCount });
    expect(value.data).toEqual(new Map());
    expect(wire.unpackBoxes(wire.decodeReceivedDataBodyPb(value.body!).get('Z')!)).toEqual([
      'a',
      '\u{1f600}',
    ]);
  });

  test.each([wire.MULTI_RECEIVED_DATA, wire.MULTI_RECEIVED_DATA_PB])('%s body', (className) => {
    const entry = wire.messageOf(className)!;
    fc.assert(
      fc.property(anyMessage(entry), fc.array(wellFormed, { maxLength: 3 }), (message, ids) => {
        const body = wire.encodeMultiReceivedDataBody(message as wire.MultiReceivedData, entry.codec);
        expect(body.className).toBe(className);
        expect(entry.decode(Buffer.concat(body.parts(ids)))).toEqual({
          ...(message as object),
          subscriberRegistIds: ids,
        });
      }),
      { numRuns: 30 },
    );
  });
});

test('errors have a closed table and a consequence', () => {
  for (const known of wire.WIRE_ERROR_CODES) {
    const error = new wire.WireError(known);
    expect(error.message).toBe(wire.WIRE_ERRORS[known].message);
    expect(['close', 'deserialException', 'serialException']).toContain(error.answer);
  }
});
