/**
 * Micro benchmark of the wire package.
 *
 *   node --conditions=development bench/src/wire.ts
 */
import * as wire from '@sofa-registry/wire';

const RUN_MS = 500;
const ROUNDS = 3;

function bench(name: string, run: () => unknown): void {
  let kept: unknown;
  for (let i = 0; i < 2000; i++) kept = run();
  let best = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    let count = 0;
    let spent = 0;
    while (spent < RUN_MS) {
      for (let i = 0; i < 50; i++) kept = run();
      count += 50;
      spent = performance.now() - start;
    }
    best = Math.max(best, count / spent);
  }
  if (kept === undefined) throw new Error('nothing measured');
  const perSecond = Math.round(best * 1000);
  console.log(
    `${name.padEnd(52)} ${String(perSecond).padStart(10)} op/s ${(1000 / best).toFixed(2).padStart(9)} us`,
  );
}

const box =
  `10.0.0.1:12200?rpcVer=50803&serialization=hessian2&weight=100&timeout=3000&appName=demo&p=1&v=4.0`.padEnd(
    150,
    '&x=1',
  );
const publisher: wire.PublisherRegister = {
  instanceId: 'DEFAULT_INSTANCE_ID',
  zone: 'DEFAULT_ZONE',
  appName: 'demo-app',
  dataId: 'com.alipay.test.HelloService:1.0@DEFAULT',
  group: 'SOFA',
  processId: null,
  registId: '11111111-2222-3333-4444-555555555555',
  clientId: null,
  dataInfoId: null,
  ip: null,
  port: null,
  eventType: 'REGISTER',
  version: 1,
  timestamp: 1700000000000,
  attributes: new Map(),
  dataBoxes: wire.packBoxes([box]),
};
const subscriber: wire.SubscriberRegister = {
  ...publisher,
  scope: 'global',
  acceptEncoding: null,
  acceptMulti: false,
};
const hessian = wire.encodePublisherRegister(publisher);
const pb = wire.encodePublisherRegisterPb(publisher);
const subscriberBytes = wire.encodeSubscriberRegister(subscriber);
bench('decode PublisherRegister (Hessian)', () => wire.decodePublisherRegister(hessian));
bench('decode PublisherRegister (pb)', () => wire.decodePublisherRegisterPb(pb));
bench('encode PublisherRegister (Hessian)', () => wire.encodePublisherRegister(publisher));
bench('decode SubscriberRegister (Hessian)', () => wire.decodeSubscriberRegister(subscriberBytes));

const response: wire.RegisterResponse = {
  success: true,
  registId: publisher.registId,
  version: 1,
  refused: false,
  message: 'Publisher register success!',
};
bench('encode RegisterResponse (Hessian)', () => wire.encodeRegisterResponse(response));
bench('encode RegisterResponse (pb)', () => wire.encodeRegisterResponsePb(response));

const frame = wire.encodeRequest({
  requestId: 1,
  codec: 1,
  timeoutMs: 1000,
  className: wire.PUBLISHER_REGISTER,
  content: hessian,
});
const chunk = Buffer.concat(Array.from({ length: 64 }, () => frame));
const decoder = new wire.FrameDecoder();
let seen = 0;
const sink = (): void => {
  seen++;
};
bench('decode 64 frames of one chunk', () => {
  decoder.push(chunk, sink);
  return seen;
});
bench('encode response frame', () =>
  wire.encodeResponse({
    requestId: 1,
    codec: 1,
    status: 0,
    className: wire.REGISTER_RESPONSE,
    content: hessian,
  }),
);

for (const count of [100, 1000]) {
  const payloads = Array.from({ length: count }, (_, i) => wire.packBoxes([`${i}${box}`]));
  const view = {
    dataId: publisher.dataId!,
    group: 'SOFA',
    instanceId: 'DEFAULT_INSTANCE_ID',
    segment: 'DefaultDataCenter',
    scope: 'global',
    version: 5000000000000000,
    localZone: 'DEFAULT_ZONE',
    zones: [['DEFAULT_ZONE', payloads]] as [string, Buffer[]][],
  };
  bench(`encode push body of ${count} publishers (Hessian)`, () =>
    wire.encodeReceivedDataBody(view, 'hessian'),
  );
  bench(`encode push body of ${count} publishers (pb)`, () => wire.encodeReceivedDataBody(view, 'pb'));
  const body = wire.encodeReceivedDataBody(view, 'hessian');
  const ids = [publisher.registId!];
  bench(`frame of a shared body of ${count} publishers`, () => body.frame(1, 1, 1, 2000, ids));
  const content = Buffer.concat(body.parts(ids));
  bench(`decode ReceivedData of ${count} publishers (Hessian)`, () => wire.decodeReceivedData(content));
}
