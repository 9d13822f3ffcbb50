/** Registrations as the official Java client 6.x writes them (reference/wire.md 2.5, 4.2). */
import * as wire from '@sofa-registry/wire';

/** Group of all services of the benchmarks. */
export const GROUP = 'SOFA';
const ZONE = 'DEFAULT_ZONE';
const APP = 'bench-app';
const NO_ATTRIBUTES: Map<string, string> = new Map();

/** Name of the n-th service of a family. */
export function dataIdOf(family: string, n: number): string {
  return `com.example.bench.${family}.Service${n}:1.0@DEFAULT`;
}

/** A registration id that is unique by its family and number, in the shape of a UUID. */
export function registIdOf(family: string, n: number): string {
  let hash = 0;
  for (let i = 0; i < family.length; i++) hash = (Math.imul(hash, 31) + family.charCodeAt(i)) >>> 0;
  const head = hash.toString(16).padStart(8, '0');
  return `${head}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
}

/** A provider URL of exactly `bytes` bytes that starts with `mark`. */
export function payloadOf(mark: string, bytes: number): string {
  const url = `${mark}10.0.0.7:12200?rpcVer=50803&serialization=hessian2&weight=100&timeout=3000&appName=bench&p=1&v=4.0`;
  return url.padEnd(bytes, '&_ext=0123456789').slice(0, Math.max(bytes, mark.length));
}

function base(dataId: string, registId: string, version: number, eventType: string): wire.BaseRegister {
  return {
    instanceId: null,
    zone: ZONE,
    appName: APP,
    dataId,
    group: GROUP,
    processId: null,
    registId,
    clientId: null,
    dataInfoId: null,
    ip: null,
    port: null,
    eventType,
    version,
    timestamp: Date.now(),
    attributes: NO_ATTRIBUTES,
  };
}

/** Content of a PublisherRegister. */
export function publish(dataId: string, registId: string, version: number, payload: string): Buffer {
  const register = base(dataId, registId, version, 'REGISTER') as wire.PublisherRegister;
  register.dataBoxes = wire.packBoxes([payload]);
  return wire.encodePublisherRegister(register);
}

/** Content of a PublisherRegister that withdraws. */
export function unpublish(dataId: string, registId: string, version: number): Buffer {
  const register = base(dataId, registId, version, 'UNREGISTER') as wire.PublisherRegister;
  register.dataBoxes = wire.NO_BOXES;
  return wire.encodePublisherRegister(register);
}

/** Content of a SubscriberRegister of scope global. */
export function subscribe(dataId: string, registId: string): Buffer {
  const register = base(dataId, registId, 1, 'REGISTER') as wire.SubscriberRegister;
  register.scope = 'global';
  register.acceptEncoding = null;
  register.acceptMulti = false;
  return wire.encodeSubscriberRegister(register);
}

/** True if the frame says that the registration was taken, with the version echoed. */
export function isAccepted(frame: wire.Frame | null, version: number): boolean {
  if (frame === null || frame.status !== wire.BoltStatus.success) return false;
  if (frame.className !== wire.REGISTER_RESPONSE) return false;
  const response = wire.decodeRegisterResponse(frame.content);
  return response.success && !response.refused && Number(response.version) === version;
}

/** What a push says, reduced to what scenarios look at. */
export interface SeenList {
  readonly dataId: string;
  readonly version: number;
  /** Boxes of all zones. */
  readonly boxes: string[];
}

/** Decodes a push. */
export function readPush(frame: wire.Frame): SeenList {
  const push = wire.decodeReceivedData(frame.content);
  const boxes: string[] = [];
  if (push.data !== null) {
    for (const packed of push.data.values()) boxes.push(...wire.unpackBoxes(packed));
  }
  return { dataId: push.dataId ?? '', version: Number(push.version ?? 0), boxes };
}

/** Number of boxes of a push, without its strings. */
export function countPush(frame: wire.Frame): { dataId: string; version: number; count: number } {
  const push = wire.decodeReceivedData(frame.content);
  let count = 0;
  if (push.data !== null) for (const packed of push.data.values()) count += wire.boxCount(packed);
  return { dataId: push.dataId ?? '', version: Number(push.version ?? 0), count };
}
