/** The same messages through independent implementations: sofa-hessian-node (v3), sofa-bolt-node, protobufjs. */
import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import * as wire from '../src/index.ts';
import { anyMessage } from './arbitraries.ts';

const require = createRequire(import.meta.url);
const hessian = require('sofa-hessian-node').v3;
const bolt = require('sofa-bolt-node');
const protobuf = require('protobufjs');
// With its 64-bit type protobufjs keeps all bits of an int64.
const long = createRequire(require.resolve('sofa-hessian-node'))('long');
protobuf.util.Long = long.default ?? long;
protobuf.configure();

// The shape of the reference's messages (wire.md section 5).
const SCHEMA = `syntax = "proto3";
message BaseRegisterPb { string instanceId=1; string zone=2; string appName=3; string dataId=4; string group=5;
  string processId=6; string registId=7; string clientId=8; string dataInfoId=9; string ip=10; int32 port=11;
  string eventType=12; int64 version=13; int64 timestamp=14; map<string,string> attributes=15; }
message DataBoxPb { string data=1; }
message DataBoxesPb { repeated DataBoxPb data=1; }
message PublisherRegisterPb { repeated DataBoxPb dataList=1; BaseRegisterPb baseRegister=2; }
message SubscriberRegisterPb { string scope=1; BaseRegisterPb baseRegister=2; string acceptEncoding=3; bool acceptMulti=4; }
message RegisterResponsePb { bool success=1; string registId=2; int64 version=3; bool refused=4; string message=5; }
message ResultPb { bool success=1; string message=2; }
message SyncConfigRequestPb { string dataCenter=1; string zone=2; }
message SyncConfigResponsePb { ResultPb result=1; repeated string availableSegments=2; int32 retryInterval=3; }
message ReceivedDataPb { string dataId=1; string group=2; string instanceId=3; string segment=4; string scope=5;
  repeated string subscriberRegistIds=6; map<string,DataBoxesPb> data=7; int64 version=8; string localZone=9;
  string encoding=10; bytes body=11; int32 originBodySize=12; map<string,int32> pushDataCount=13; }
message MultiSegmentDataPb { string segment=1; bytes zipData=2; map<string,DataBoxesPb> unzipData=3; string encoding=4;
  int64 version=5; map<string,int32> pushDataCount=6; }
message MultiReceivedDataPb { string dataId=1; string group=2; string instanceId=3; string scope=4;
  repeated string subscriberRegistIds=5; string localSegment=6; string localZone=7; map<string,MultiSegmentDataPb> multiData=8; }
message ReceivedConfigDataPb { string dataId=1; string group=2; string instanceId=3; repeated string configuratorRegistIds=4;
  DataBoxPb dataBox=5; int64 version=6; }
message StringList { repeated string values=1; }
message MetaService { string id=1; map<string,StringList> params=3; }
message MetaRegister { string application=1; string revision=2; string clientVersion=3; map<string,StringList> baseParams=4;
  map<string,MetaService> services=5; }
message AppList { int64 version=1; repeated string apps=2; }
message ServiceAppMappingRequest { repeated string serviceIds=1; }
message ServiceAppMappingResponse { map<string,AppList> serviceAppMapping=1; int32 statusCode=2; string message=3; }
message GetRevisionsRequest { repeated string revisions=1; }
message GetRevisionsResponse { map<string,MetaRegister> revisions=1; int32 statusCode=2; string message=3; }
message MetaHeartbeatRequest { repeated string revisions=1; }
message MetaHeartbeatResponse { int32 statusCode=1; string message=2; }`;
const root = protobuf.parse(SCHEMA, { keepCase: true }).root;

// protobufjs keeps maps in plain objects, where a key __proto__ is lost; our own round trips cover that key.
const hasProtoKey = (bytes: Buffer): boolean => bytes.includes('__proto__');

describe('protobufjs', () => {
  const pb = wire.CLIENT_MESSAGES.filter((entry) => entry.codec === 'pb');
  test.each(pb.map((entry) => [entry.className.split('.').at(-1)!, entry] as const))('%s', (name, entry) => {
    const type = root.lookupType(name);
    fc.assert(
      fc.property(anyMessage(entry), (message) => {
        const ours = entry.encode(message as never);
        fc.pre(!hasProtoKey(ours));
        const theirs = type.encode(type.decode(ours)).finish();
        // Read by them, written by them, read by us: nothing is lost either way.
        expect(entry.decode(Buffer.from(theirs))).toEqual(message);
        expect(type.decode(theirs)).toEqual(type.decode(ours));
      }),
      { numRuns: 30 },
    );
  });

  test('a message of theirs with all field kinds', () => {
    const type = root.lookupType('PublisherRegisterPb');
    const bytes = type
      .encode(
        type.fromObject({
          dataList: [{ data: 'x\u{1f600}' }, {}],
          baseRegister: {
            dataId: 'd',
            port: -1,
            version: '-5',
            timestamp: '9007199254740993',
            attributes: { a: 'b' },
          },
        }),
      )
      .finish();
    const value = wire.decodePublisherRegisterPb(Buffer.from(bytes));
    expect(value).toMatchObject({ dataId: 'd', port: -1, version: -5, timestamp: 9007199254740993n });
    expect(value.attributes).toEqual(new Map([['a', 'b']]));
    expect(wire.unpackBoxes(value.dataBoxes)).toEqual(['x\u{1f600}', '']);
  });
});

/** Our value the way sofa-hessian-node returns it: maps as objects, boxes as objects, unsafe longs as strings. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (Buffer.isBuffer(value)) return wire.unpackBoxes(value).map((data) => ({ data }));
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, inner]) => [key, plain(inner)]));
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  }
  return value;
}
const RENAMED: Record<string, string> = { dataBoxes: 'dataList', retryIntervalMs: 'retryInterval' };

describe('sofa-hessian-node', () => {
  const kinds = wire.CLIENT_MESSAGES.filter(
    (entry) => entry.codec === 'hessian' && entry.kind !== 'multiReceivedData',
  );
  test.each(kinds.map((entry) => [entry.kind, entry] as const))(
    '%s is read as we meant it',
    (kind, entry) => {
      fc.assert(
        fc.property(anyMessage(entry), (message) => {
          const bytes = entry.encode(message as never);
          fc.pre(!hasProtoKey(bytes));
          const expected = Object.fromEntries(
            Object.entries(plain(message) as object).map(([key, value]) => [RENAMED[key] ?? key, value]),
          );
          if (kind === 'receivedData')
            for (const key of ['encoding', 'body', 'originBodySize']) delete expected[key];
          if (kind === 'receivedConfigData' && expected.dataBox !== null)
            expected.dataBox = { data: expected.dataBox };
          const got = hessian.decode(bytes, '2.0');
          if (kind === 'publisherRegister' && got.dataList === null) got.dataList = [];
          expect(normal(got)).toEqual(normal(expected));
        }),
        { numRuns: 40 },
      );
    },
  );

  test('its typed lists and messages are read by us', () => {
    const classMap = {
      'com.X': {
        data: { type: 'java.util.List', generic: [{ type: 'java.lang.String' }] },
        more: { type: 'java.util.List', generic: [{ type: 'java.lang.String' }] },
        version: { type: 'java.lang.Long' },
      },
    };
    const value = { $class: 'com.X', $: { data: ['a', 'b\u{1f600}'], more: ['c'], version: 300000 } };
    const bytes = hessian.encode(value, '2.0', classMap);
    const got = wire.decodeHessian(bytes, new Set(['com.X'])) as wire.HessianObject;
    expect([...got.fields]).toEqual([
      ['data', ['a', 'b\u{1f600}']],
      ['more', ['c']],
      ['version', 300000],
    ]);
  });
});

/** Structural copy: the oracle's objects carry prototypes and its small longs may be strings. */
function normal(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, inner) => (typeof inner === 'number' ? String(inner) : inner)),
  );
}

describe('sofa-bolt-node', () => {
  const emitted = async (bytes: Buffer): Promise<Record<string, any>[]> => {
    const decoder = bolt.decoder({
      sentReqs: new Map([
        [5, { req: {} }],
        [7, { req: {} }],
      ]),
    });
    const got: Record<string, any>[] = [];
    for (const event of ['request', 'response', 'heartbeat', 'heartbeat_ack']) {
      decoder.on(event, (packet: Record<string, any>) => got.push({ event, ...packet }));
    }
    decoder.end(bytes);
    await new Promise((resolve, reject) => {
      decoder.once('error', reject);
      decoder.once('finish', resolve);
    });
    return got;
  };

  test('it reads our heartbeats', async () => {
    const got = await emitted(
      Buffer.concat([wire.encodeHeartbeat(1, 1, 4), wire.encodeHeartbeatAck(1, 1, 5)]),
    );
    expect(got.map(({ event, packetId }) => [event, packetId])).toEqual([
      ['heartbeat', 4],
      ['heartbeat_ack', 5],
    ]);
  });

  test('we read its heartbeat', async () => {
    const encoder = bolt.encoder();
    const chunks: Buffer[] = [];
    encoder.on('data', (chunk: Buffer) => chunks.push(chunk));
    encoder.writeHeartbeat(9, { clientUrl: 'test' });
    await new Promise((resolve) => encoder.end(resolve));
    const frames: wire.Frame[] = [];
    new wire.FrameDecoder().push(Buffer.concat(chunks), (frame) => frames.push(frame));
    expect(frames).toHaveLength(1);
    expect(frames[0]).toMatchObject({ proto: 1, type: 1, cmdCode: 0, requestId: 9 });
  });
});
