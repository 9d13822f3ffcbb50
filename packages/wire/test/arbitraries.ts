/** Random messages for the property tests and the fuzzer. */
import fc from 'fast-check';
import * as wire from '../src/index.ts';

/** Text with everything that hurts: empty, astral, lone surrogates, prototype names, chunk borders. */
export const anyText = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: 'grapheme-ascii', maxLength: 60 }) },
  { weight: 3, arbitrary: fc.string({ unit: 'binary', maxLength: 40 }) },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.integer({ min: 0xd7f0, max: 0xe010 }), { maxLength: 9 })
      .map((units) => String.fromCharCode(...units)),
  },
  { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'toString', '') },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: 32765, max: 32772 })
      .map((length) => `${'x'.repeat(length - 3)}\u{1f600}\u{1f600}y`),
  },
);

/** Text that survives UTF-8. */
export const wellFormed = anyText.map((text) => text.toWellFormed());

export const anyInt64 = fc
  .oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -300000n, max: 300000n }),
    fc.bigInt({ min: 2n ** 52n, max: 2n ** 54n }),
  )
  .map((value) => wire.normalInt64(value));

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

function messagesOf(text: fc.Arbitrary<string>, absent: null | '') {
  const pb = absent === '';
  const maybe = pb ? text : fc.option(text, { nil: null });
  const list = fc.array(text, { maxLength: 5 });
  const maybeList = pb ? list : fc.option(list, { nil: null });
  const mapOf = <V>(value: fc.Arbitrary<V>) =>
    fc.array(fc.tuple(text, value), { maxLength: 4 }).map((entries) => new Map(entries));
  const boxes = fc.array(text, { maxLength: 6 }).map((strings) => wire.packBoxes(strings));
  const attributes = pb
    ? mapOf(text).map((map) => (map.size === 0 ? null : map))
    : fc.option(mapOf(text), { nil: null });
  const maybeInt64 = pb ? anyInt64 : fc.option(anyInt64, { nil: null });
  const baseShape = {
    instanceId: maybe,
    zone: maybe,
    appName: maybe,
    dataId: maybe,
    group: maybe,
    processId: maybe,
    registId: maybe,
    clientId: maybe,
    dataInfoId: maybe,
    ip: maybe,
    port: pb ? int32 : fc.option(int32, { nil: null }),
    eventType: maybe,
    version: maybeInt64,
    timestamp: maybeInt64,
    attributes,
  };
  const zoneBoxes = pb ? mapOf(boxes) : fc.option(mapOf(boxes), { nil: null });
  const counts = pb ? mapOf(int32) : fc.option(mapOf(int32), { nil: null });
  const blob = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array));
  const bytes = fc.option(pb ? blob.filter((buffer) => buffer.length > 0) : blob, { nil: null });
  const lists = mapOf(list);
  const metaRegister = fc.record({
    application: text,
    revision: text,
    clientVersion: text,
    baseParams: lists,
    services: mapOf(fc.record({ id: text, params: lists })),
  });
  const status = { statusCode: int32, message: text };
  return {
    publisherRegister: fc.record({ ...baseShape, dataBoxes: boxes }),
    subscriberRegister: fc.record({
      ...baseShape,
      scope: maybe,
      acceptEncoding: maybe,
      acceptMulti: fc.boolean(),
    }),
    configuratorRegister: fc.record(baseShape),
    registerResponse: fc.record({
      success: fc.boolean(),
      registId: maybe,
      version: anyInt64,
      refused: fc.boolean(),
      message: maybe,
    }),
    result: fc.record({ success: fc.boolean(), message: maybe }),
    syncConfigRequest: fc.record({ dataCenter: maybe, zone: maybe }),
    syncConfigResponse: fc.record({
      success: fc.boolean(),
      message: maybe,
      availableSegments: maybeList,
      retryIntervalMs: int32,
    }),
    receivedData: fc.record({
      dataId: maybe,
      group: maybe,
      instanceId: maybe,
      segment: maybe,
      scope: maybe,
      subscriberRegistIds: maybeList,
      data: zoneBoxes,
      version: maybeInt64,
      localZone: maybe,
      dataCount: counts,
      encoding: pb ? text : fc.constant(null),
      body: pb ? bytes : fc.constant(null),
      originBodySize: pb ? int32 : fc.constant(0),
    }),
    receivedConfigData: fc.record({
      dataId: maybe,
      group: maybe,
      instanceId: maybe,
      configuratorRegistIds: maybeList,
      dataBox: fc.option(text, { nil: null }),
      version: maybeInt64,
    }),
    multiReceivedData: fc.record({
      dataId: maybe,
      group: maybe,
      instanceId: maybe,
      scope: maybe,
      localSegment: maybe,
      localZone: maybe,
      subscriberRegistIds: maybeList,
      multiData: mapOf(
        fc.record({
          segment: maybe,
          encoding: maybe,
          version: anyInt64,
          zipData: bytes,
          unzipData: zoneBoxes,
          dataCount: counts,
        }),
      ),
    }),
    metaRegister,
    serviceAppMappingRequest: fc.record({ serviceIds: list }),
    serviceAppMappingResponse: fc.record({
      serviceAppMapping: mapOf(fc.record({ version: anyInt64, apps: list })),
      ...status,
    }),
    getRevisionsRequest: fc.record({ revisions: list }),
    getRevisionsResponse: fc.record({ revisions: mapOf(metaRegister), ...status }),
    metaHeartbeatRequest: fc.record({ revisions: list }),
    metaHeartbeatResponse: fc.record(status),
  } satisfies { [K in wire.MessageKind]: fc.Arbitrary<wire.MessageKinds[K]> };
}

const hessian = messagesOf(anyText, null);
const pb = messagesOf(wellFormed, '');

/** Random message of a descriptor, in the form its decoder returns. */
export function anyMessage(descriptor: wire.AnyMessageDescriptor): fc.Arbitrary<unknown> {
  return (descriptor.codec === 'hessian' ? hessian : pb)[descriptor.kind];
}
