/**
 * Hot path. Frames onto a connection. Small content is copied behind its head into one buffer; large content, and content
 * that many clients share, goes out as it is behind a head of its own.
 */
import {
  type BoltProto,
  classNameBytes,
  CODEC_HESSIAN,
  crcOfParts,
  encodeRequest,
  encodeRequestHead,
  encodeResponse,
  encodeResponseHead,
  type Frame,
  frameHasCrc,
  SWITCH_CRC,
} from '@sofa-registry/wire';
import type { Connection } from './ports.ts';

/** Content of a frame: one buffer, or parts that are sent one after the other. */
export type FrameContent = Buffer | readonly Buffer[];

/** Content up to this size is copied behind its head: one buffer is cheaper to send and to receive than two. */
const INLINE_CONTENT_BYTES_MAX = 2048;

/** Writes a request; it carries a CRC where the version has one, as the reference's requests do (wire 1.2). */
export function writeRequest(
  connection: Connection,
  proto: BoltProto,
  ver1: number,
  requestId: number,
  codec: number,
  timeoutMs: number,
  className: string | Buffer,
  content: FrameContent,
): void {
  const switchByte = requestSwitch(proto, ver1);
  if (!isParts(content) && content.length <= INLINE_CONTENT_BYTES_MAX) {
    connection.write(
      encodeRequest({ proto, ver1, requestId, codec, switchByte, timeoutMs, className, content }),
    );
    return;
  }
  const name = typeof className === 'string' ? classNameBytes(className) : className;
  const length = lengthOf(content);
  const head = encodeRequestHead(proto, ver1, requestId, codec, timeoutMs, name, length, switchByte);
  writeParts(connection, head, content, switchByte === SWITCH_CRC);
}

/** Writes a request that is never answered. */
export function writeOneway(
  connection: Connection,
  proto: BoltProto,
  ver1: number,
  requestId: number,
  codec: number,
  className: string | Buffer,
  content: FrameContent,
): void {
  const bytes = isParts(content) ? Buffer.concat(content) : content;
  const switchByte = requestSwitch(proto, ver1);
  connection.write(
    encodeRequest({ proto, ver1, requestId, codec, switchByte, className, content: bytes, oneway: true }),
  );
}

/** Writes the response to `request` with status success; codec, id and switch are the request's (wire 1.2). False above the high-water mark. */
export function writeResponse(
  connection: Connection,
  proto: BoltProto,
  ver1: number,
  request: Frame,
  className: string | Buffer,
  content: FrameContent,
): boolean {
  const { requestId, codec, switchByte } = request;
  if (!isParts(content) && content.length <= INLINE_CONTENT_BYTES_MAX) {
    return connection.write(
      encodeResponse({ proto, ver1, requestId, codec, switchByte, status: 0, className, content }),
    );
  }
  const name = typeof className === 'string' ? classNameBytes(className) : className;
  const head = encodeResponseHead(proto, ver1, requestId, codec, 0, name, lengthOf(content), switchByte);
  return writeParts(connection, head, content, frameHasCrc(proto, ver1, switchByte));
}

/** Writes an error response: codec 1, switch 0, no class, no content (wire 1.4). False above the high-water mark. */
export function writeStatus(
  connection: Connection,
  proto: BoltProto,
  ver1: number,
  requestId: number,
  status: number,
): boolean {
  return connection.write(encodeResponse({ proto, ver1, requestId, codec: CODEC_HESSIAN, status }));
}

function requestSwitch(proto: number, ver1: number): number {
  return proto === 2 && ver1 === 2 ? SWITCH_CRC : 0;
}

function writeParts(connection: Connection, head: Buffer, content: FrameContent, crc: boolean): boolean {
  let below = connection.write(head);
  if (!isParts(content)) {
    below = connection.write(content);
    if (crc) below = connection.write(crcOfParts([head, content]));
    return below;
  }
  for (let i = 0; i < content.length; i++) {
    if (content[i].length > 0) below = connection.write(content[i]);
  }
  if (crc) below = connection.write(crcOfParts([head, ...content]));
  return below;
}

function isParts(content: FrameContent): content is readonly Buffer[] {
  return Array.isArray(content);
}

function lengthOf(content: FrameContent): number {
  if (!isParts(content)) return content.length;
  let length = 0;
  for (let i = 0; i < content.length; i++) length += content[i].length;
  return length;
}
