/** Official bytes: what we read from them, and that we write the same. */
import { describe, expect, test } from 'vitest';
import * as wire from '../src/index.ts';
import { frames, hessian, ints, longs, pb } from './vectors.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const C = 'com.alipay.sofa.registry.core.model.';

const base = {
  instanceId: null,
  zone: 'DEFAULT_ZONE',
  appName: null,
  dataId: 'd',
  group: 'g',
  processId: null,
  registId: 'r',
  clientId: null,
  dataInfoId: null,
  ip: null,
  port: null,
  eventType: 'REGISTER',
  version: 1,
  timestamp: 1700000000000,
  attributes: new Map<string, string>(),
};

const messages: Record<string, [string, object]> = {
  publisherRegister: [
    wire.PUBLISHER_REGISTER,
    {
      ...base,
      appName: 'app',
      dataId: 'com.test.Svc:1.0@DEFAULT',
      group: 'SOFA',
      registId: '11111111-2222-3333-4444-555555555555',
      dataBoxes: wire.packBoxes(['10.0.0.1:12200?v=1', '10.0.0.2:12200?v=1']),
    },
  ],
  subscriberRegister: [
    wire.SUBSCRIBER_REGISTER,
    { ...base, scope: 'global', acceptEncoding: null, acceptMulti: false },
  ],
  configuratorRegister: [
    wire.CONFIGURATOR_REGISTER,
    { ...base, eventType: 'UNREGISTER', version: 0, timestamp: 1, attributes: new Map([['k', 'v']]) },
  ],
  registerResponse: [
    wire.REGISTER_RESPONSE,
    { success: true, registId: 'r', version: 1, refused: false, message: 'Publisher register success!' },
  ],
  result: [wire.RESULT, { success: true, message: null }],
  syncConfigRequest: [wire.SYNC_CONFIG_REQUEST, { dataCenter: 'DefaultDataCenter', zone: 'DEFAULT_ZONE' }],
  syncConfigResponse: [
    wire.SYNC_CONFIG_RESPONSE,
    { success: true, message: null, availableSegments: ['DefaultDataCenter'], retryIntervalMs: 0 },
  ],
  receivedData: [
    wire.RECEIVED_DATA,
    {
      dataId: 'd',
      group: 'g',
      instanceId: 'DEFAULT_INSTANCE_ID',
      segment: 'DefaultDataCenter',
      scope: 'global',
      subscriberRegistIds: ['r'],
      data: new Map([['DEFAULT_ZONE', wire.packBoxes(['a', 'b'])]]),
      version: 5000000000000000,
      localZone: 'DEFAULT_ZONE',
      dataCount: new Map([['DEFAULT_ZONE', 2]]),
      encoding: null,
      body: null,
      originBodySize: 0,
    },
  ],
  receivedConfigData: [
    wire.RECEIVED_CONFIG_DATA,
    { dataId: 'd', group: 'g', instanceId: 'i', configuratorRegistIds: ['r'], dataBox: null, version: 5 },
  ],
  multiReceivedData: [
    wire.MULTI_RECEIVED_DATA,
    {
      dataId: 'd',
      group: 'g',
      instanceId: 'i',
      scope: 'global',
      localSegment: 'dc1',
      localZone: 'z1',
      subscriberRegistIds: ['r'],
      multiData: new Map([
        [
          'dc1',
          {
            segment: 'dc1',
            encoding: null,
            version: 7,
            zipData: null,
            unzipData: new Map([['z1', wire.packBoxes(['a'])]]),
            dataCount: new Map([['z1', 1]]),
          },
        ],
      ]),
    },
  ],
};

describe('official Hessian messages', () => {
  test.each(Object.keys(messages))('%s: read and written byte for byte', (name) => {
    const [className, value] = messages[name];
    const descriptor = wire.messageOf(className)!;
    const bytes = hex(hessian[name as keyof typeof hessian]);
    expect(descriptor.decode(bytes)).toEqual(value);
    expect(descriptor.encode(value as never).toString('hex')).toBe(bytes.toString('hex'));
  });

  test('an EmptyMap with a type name is an empty map', () => {
    const full = hessian.receivedData;
    const content = hex(full.slice(0, full.indexOf('4c0011c37937e08000')) + hessian.receivedDataEmptyTail);
    const value = wire.decodeReceivedData(content);
    expect(value.data).toEqual(new Map());
    expect(value.dataCount).toEqual(new Map());
    expect(value.version).toBe(1);
  });

  test('a config push with a box', () => {
    const content = hex(hessian.receivedConfigData.slice(0, -2) + hessian.receivedConfigDataBoxTail);
    const value = wire.decodeReceivedConfigData(content);
    expect(value.dataBox).toBe('x');
    expect(wire.encodeReceivedConfigData(value).equals(content)).toBe(true);
  });

  test('an enum is an object with a name, if its class is allowed', () => {
    const value = wire.decodeHessian(
      hex(hessian.scopeEnum),
      new Set([`${C}ScopeEnum`]),
    ) as wire.HessianObject;
    expect([...value.fields]).toEqual([['name', 'global']]);
    expect(() => wire.decodeHessian(hex(hessian.scopeEnum))).toThrow(
      expect.objectContaining({ code: 'SR_WIRE_CLASS' }),
    );
  });

  test('a back reference to a box, alone and as payload', () => {
    const list = wire.decodeHessian(hex(hessian.sameBoxTwice), new Set([wire.DATA_BOX])) as unknown[];
    expect(list[0]).toBe(list[1]);
    // The same list as the dataList of a publication: the box then is object 2 and its class is number 1.
    const publisher = hessian.publisherRegister;
    const at = publisher.indexOf('566e02');
    const payload = hessian.sameBoxTwice.replace('6f90', '6f91').replace('4a01', '4a02');
    const value = wire.decodePublisherRegister(hex(`${publisher.slice(0, at)}${payload}4d7a`));
    expect(wire.unpackBoxes(value.dataBoxes)).toEqual(['s', 's']);
  });
});

describe('official protobuf messages', () => {
  const pbBase = { ...base, instanceId: 'DEFAULT_INSTANCE_ID', zone: 'Z', appName: '', processId: '' };
  const unset = { clientId: '', dataInfoId: '', ip: '', port: 0, attributes: null };
  const cases: Record<string, [string, object]> = {
    publisherRegister: [
      wire.PUBLISHER_REGISTER_PB,
      { ...pbBase, ...unset, attributes: new Map([['k', 'v']]), dataBoxes: wire.packBoxes(['x']) },
    ],
    subscriberRegister: [
      wire.SUBSCRIBER_REGISTER_PB,
      {
        ...pbBase,
        ...unset,
        instanceId: '',
        zone: '',
        scope: 'global',
        acceptEncoding: 'zstd,gzip',
        acceptMulti: true,
      },
    ],
    registerResponse: [
      wire.REGISTER_RESPONSE_PB,
      { success: true, registId: 'r', version: 1, refused: false, message: 'ok' },
    ],
    result: [wire.RESULT_PB, { success: true, message: '' }],
    syncConfigResponse: [
      wire.SYNC_CONFIG_RESPONSE_PB,
      { success: true, message: '', availableSegments: ['DefaultDataCenter'], retryIntervalMs: 0 },
    ],
    receivedData: [
      wire.RECEIVED_DATA_PB,
      {
        dataId: 'd',
        group: 'g',
        instanceId: 'i',
        segment: 'DefaultDataCenter',
        scope: 'global',
        subscriberRegistIds: ['r'],
        data: new Map([['Z', wire.packBoxes(['x'])]]),
        version: 5,
        localZone: 'Z',
        dataCount: new Map([['Z', 1]]),
        encoding: '',
        body: null,
        originBodySize: 0,
      },
    ],
  };

  test.each(Object.keys(cases))('%s: read and written byte for byte', (name) => {
    const [className, value] = cases[name];
    const descriptor = wire.messageOf(className)!;
    const bytes = hex(pb[name as keyof typeof pb]);
    expect(descriptor.decode(bytes)).toEqual(value);
    expect(descriptor.encode(value as never).toString('hex')).toBe(bytes.toString('hex'));
  });
});

describe('official scalars', () => {
  const written = (write: (out: wire.ByteWriter) => void): string => {
    const out = new wire.ByteWriter();
    write(out);
    return out.take().toString('hex');
  };

  test.each(longs)('long %s', (value, bytes) => {
    const plain = Number.isSafeInteger(Number(value)) ? Number(value) : value;
    expect(written((out) => wire.hessianWriter.writeLong(out, value))).toBe(bytes);
    expect(written((out) => wire.hessianWriter.writeLong(out, plain))).toBe(bytes);
    expect(wire.decodeHessian(hex(bytes))).toBe(plain);
  });

  test.each(ints)('int %s', (value, bytes) => {
    expect(written((out) => wire.hessianWriter.writeInt(out, value))).toBe(bytes);
    expect(wire.decodeHessian(hex(bytes))).toBe(value);
  });

  test.each([
    ['', '00'],
    ['\u4e2d', '01e4b8ad'],
    ['\u{1f600}', '02eda0bdedb880'],
    ['a'.repeat(31), `1f${'61'.repeat(31)}`],
    ['a'.repeat(32), `530020${'61'.repeat(32)}`],
    ['a'.repeat(32768), `538000${'61'.repeat(32768)}`],
    ['a'.repeat(40000), `738000${'61'.repeat(32768)}531c40${'61'.repeat(7232)}`],
  ])('string %#', (text, bytes) => {
    expect(written((out) => wire.hessianWriter.writeString(out, text)) === bytes).toBe(true);
    expect(wire.decodeHessian(hex(bytes)) === text).toBe(true);
    // The packed form of the same text gives the same bytes: what a push does.
    const packed = wire.packBoxes([text]);
    const cursor = new wire.BoxCursor();
    cursor.reset(packed);
    cursor.next();
    const { start, end, units } = cursor;
    expect(
      written((out) => wire.hessianWriter.writeStringBytes(out, packed, start, end, units)) === bytes,
    ).toBe(true);
  });

  test('bytes, collections', () => {
    expect(written((out) => wire.hessianWriter.writeBytes(out, Buffer.alloc(15)))).toBe(
      `2f${'00'.repeat(15)}`,
    );
    expect(written((out) => wire.hessianWriter.writeBytes(out, Buffer.alloc(16)))).toBe(
      `420010${'00'.repeat(16)}`,
    );
    expect(written((out) => wire.hessianWriter.writeStringList(out, []))).toBe('566e007a');
    expect(written((out) => wire.hessianWriter.writeStringMap(out, new Map()))).toBe('4d7a');
    expect(wire.decodeHessian(hex('4d7400176a6176612e7574696c2e4c696e6b6564486173684d61707a'))).toEqual(
      new Map(),
    );
    expect(wire.decodeHessian(hex('567400116a6176612e7574696c2e486173685365746e0101617a'))).toEqual(['a']);
    expect(wire.decodeHessian(hex('567400075b737472696e676e02016101627a'))).toEqual(['a', 'b']);
    const nulls = written((out) =>
      wire.hessianWriter.writeStringList(
        out,
        Array.from({ length: 300 }, () => null),
      ),
    );
    expect(nulls).toBe(`566c0000012c${'4e'.repeat(300)}7a`);
    expect(wire.decodeHessian(hex(nulls))).toHaveLength(300);
  });

  test('a typed list seen before has no end mark, doubles and dates are read', () => {
    expect(wire.decodeHessian(hex('566e02567400016c6e01917a7690929293 7a'.replaceAll(' ', '')))).toEqual([
      [1],
      [2, 3],
    ]);
    expect(wire.decodeHessian(hex('566e06676869ff6afffe6b3f800000443ff80000000000007a'))).toEqual([
      0, 1, -1, -2, 1, 1.5,
    ]);
    expect(wire.decodeHessian(hex('640000018bcfe56800'))).toEqual(new Date(1700000000000));
  });
});

describe('official frames', () => {
  const decodeAll = (bytes: Buffer): wire.Frame[] => {
    const got: wire.Frame[] = [];
    new wire.FrameDecoder().push(bytes, (frame) => got.push(frame));
    return got;
  };

  test('heartbeat and ack', () => {
    expect(wire.encodeHeartbeat(1, 1, 4).toString('hex')).toBe(frames.heartbeat);
    expect(wire.encodeHeartbeatAck(1, 1, 77).toString('hex')).toBe(frames.heartbeatAck);
    const [beat, ack] = decodeAll(hex(frames.heartbeat + frames.heartbeatAck));
    expect(beat).toMatchObject({
      proto: 1,
      type: 1,
      cmdCode: 0,
      requestId: 4,
      codec: 1,
      timeoutMs: -1,
      className: '',
    });
    expect(ack).toMatchObject({ proto: 1, type: 0, cmdCode: 0, requestId: 77, status: 0 });
  });

  test('a v2 ack with CRC', () => {
    const [frame] = decodeAll(hex(frames.resultAckV2Crc));
    expect(frame).toMatchObject({
      proto: 2,
      ver1: 2,
      type: 0,
      cmdCode: 2,
      requestId: 1000,
      switchByte: 1,
      status: 0,
    });
    expect(frame.className).toBe(wire.RESULT);
    expect(wire.decodeResult(frame.content)).toEqual({ success: true, message: null });
    const again = wire.encodeResponse({ ...frame, className: frame.className });
    expect(again.toString('hex')).toBe(frames.resultAckV2Crc);
  });

  test('request heads', () => {
    const v1 = wire.encodeRequestHead(1, 1, 1, 1, 1000, wire.classNameBytes(wire.PUBLISHER_REGISTER), 0x187);
    expect(v1.subarray(0, 22).toString('hex')).toBe(frames.publisherHeadV1);
    const name = Buffer.alloc(0x38, 0x61);
    const v2 = wire.encodeRequestHead(2, 1, 1, 1, 1000, name, 0x135, 1);
    expect(v2.subarray(0, 24).toString('hex')).toBe(frames.requestHeadV2);
    const [frame] = decodeAll(Buffer.concat([v2, Buffer.alloc(0x135)]));
    expect(frame).toMatchObject({ ver1: 1, switchByte: 1, timeoutMs: 1000 });
    expect(frame.content.length).toBe(0x135);
  });
});
