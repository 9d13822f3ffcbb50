/**
 * Hot path. Writes Bolt frames. Small frames come out as one buffer; for a push the head alone is written and the caller
 * sends `[head, ...parts]`, so a body that many clients share is never copied.
 */
import { crc32 } from 'node:zlib';
import { WireError } from '../errors.ts';
import {
  type BoltProto,
  CMD_HEARTBEAT,
  CMD_REQUEST,
  CMD_RESPONSE,
  CODEC_HESSIAN,
  CRC_BYTES,
  EMPTY,
  FRAME_ONEWAY,
  FRAME_REQUEST,
  FRAME_RESPONSE,
  frameHasCrc,
} from './frame.ts';

/** The command version every frame of ours carries; receivers ignore it. */
const VER2 = 1;
const LENGTH16_MAX = 0x7fff;
const CONTENT_BYTES_MAX = 0x7fff_ffff - 0x2_0000;
const NO_TIMEOUT_MS = -1;
const CLASS_NAME_BYTES_CACHED_MAX = 512;

/** Fields of a request; protocol and version are those of the connection. */
export interface RequestOptions {
  proto?: BoltProto;
  ver1?: number;
  requestId: number;
  codec: number;
  /** v2 only; bit 0 with `ver1` 2 appends a CRC. Default 0. */
  switchByte?: number;
  /** Default -1 (none). */
  timeoutMs?: number;
  className: string | Buffer;
  header?: Buffer;
  content?: Buffer;
  /** True for a request without reply. */
  oneway?: boolean;
}

/** Fields of a response; copy `requestId`, `codec` and `switchByte` from the request, except in error replies (wire 1.2). */
export interface ResponseOptions {
  proto?: BoltProto;
  ver1?: number;
  requestId: number;
  codec: number;
  switchByte?: number;
  status: number;
  /** Empty in error replies. */
  className?: string | Buffer;
  header?: Buffer;
  content?: Buffer;
}

const classNameCache = new Map<string, Buffer>();

/** Bytes of a class name, cached (bounded). The result is shared: never write to it. */
export function classNameBytes(className: string): Buffer {
  let bytes = classNameCache.get(className);
  if (bytes === undefined) {
    bytes = Buffer.from(className, 'latin1');
    if (classNameCache.size < CLASS_NAME_BYTES_CACHED_MAX) classNameCache.set(className, bytes);
  }
  return bytes;
}

/** One whole request frame. @throws WireError SR_WIRE_ENCODE if a length does not fit */
export function encodeRequest(options: RequestOptions): Buffer {
  const proto = options.proto ?? 1;
  const ver1 = options.ver1 ?? 1;
  const switchByte = options.switchByte ?? 0;
  const name = nameBytes(options.className);
  const header = options.header ?? EMPTY;
  const content = options.content ?? EMPTY;
  const head = 20 + proto * 2;
  checkLengths(name.length, header.length, content.length);
  const frame = allocate(head, name, header, content, frameHasCrc(proto, ver1, switchByte));
  const type = options.oneway === true ? FRAME_ONEWAY : FRAME_REQUEST;
  const at = writeCommon(frame, proto, ver1, type, CMD_REQUEST, options.requestId, options.codec, switchByte);
  frame.writeInt32BE(options.timeoutMs ?? NO_TIMEOUT_MS, at);
  writeLengths(frame, head, name.length, header.length, content.length);
  return finish(frame, head, name, header, content);
}

/** One whole response frame. @throws WireError SR_WIRE_ENCODE if a length does not fit */
export function encodeResponse(options: ResponseOptions): Buffer {
  const proto = options.proto ?? 1;
  const ver1 = options.ver1 ?? 1;
  const switchByte = options.switchByte ?? 0;
  const name = options.className === undefined ? EMPTY : nameBytes(options.className);
  const header = options.header ?? EMPTY;
  const content = options.content ?? EMPTY;
  const head = 18 + proto * 2;
  checkLengths(name.length, header.length, content.length);
  const frame = allocate(head, name, header, content, frameHasCrc(proto, ver1, switchByte));
  const at = writeCommon(
    frame,
    proto,
    ver1,
    FRAME_RESPONSE,
    CMD_RESPONSE,
    options.requestId,
    options.codec,
    switchByte,
  );
  frame.writeInt16BE(options.status, at);
  writeLengths(frame, head, name.length, header.length, content.length);
  return finish(frame, head, name, header, content);
}

/** Heartbeat request: no class, no content, never a CRC (wire 1.5). */
export function encodeHeartbeat(proto: BoltProto, ver1: number, requestId: number): Buffer {
  const frame = Buffer.alloc(20 + proto * 2);
  const at = writeCommon(frame, proto, ver1, FRAME_REQUEST, CMD_HEARTBEAT, requestId, CODEC_HESSIAN, 0);
  frame.writeInt32BE(NO_TIMEOUT_MS, at);
  return frame;
}

/** Answer to the heartbeat with this id (status 0, empty). */
export function encodeHeartbeatAck(proto: BoltProto, ver1: number, requestId: number): Buffer {
  const frame = Buffer.alloc(18 + proto * 2);
  writeCommon(frame, proto, ver1, FRAME_RESPONSE, CMD_HEARTBEAT, requestId, CODEC_HESSIAN, 0);
  return frame;
}

/**
 * Head and class name of a request whose content follows in parts of `contentLength` bytes in total. With the CRC switch
 * set and `ver1` 2 the caller appends {@link crcOfParts} of all of it.
 * @throws WireError SR_WIRE_ENCODE if a length does not fit
 */
export function encodeRequestHead(
  proto: BoltProto,
  ver1: number,
  requestId: number,
  codec: number,
  timeoutMs: number,
  name: Buffer,
  contentLength: number,
  switchByte = 0,
): Buffer {
  const head = 20 + proto * 2;
  checkLengths(name.length, 0, contentLength);
  const frame = Buffer.allocUnsafe(head + name.length);
  const at = writeCommon(frame, proto, ver1, FRAME_REQUEST, CMD_REQUEST, requestId, codec, switchByte);
  frame.writeInt32BE(timeoutMs, at);
  writeLengths(frame, head, name.length, 0, contentLength);
  frame.set(name, head);
  return frame;
}

/** Head and class name of a response whose content follows in parts; the CRC is the caller's as with {@link encodeRequestHead}. */
export function encodeResponseHead(
  proto: BoltProto,
  ver1: number,
  requestId: number,
  codec: number,
  status: number,
  name: Buffer,
  contentLength: number,
  switchByte = 0,
): Buffer {
  const head = 18 + proto * 2;
  checkLengths(name.length, 0, contentLength);
  const frame = Buffer.allocUnsafe(head + name.length);
  const at = writeCommon(frame, proto, ver1, FRAME_RESPONSE, CMD_RESPONSE, requestId, codec, switchByte);
  frame.writeInt16BE(status, at);
  writeLengths(frame, head, name.length, 0, contentLength);
  frame.set(name, head);
  return frame;
}

/** The 4-byte CRC trailer over a frame given in parts, head first. */
export function crcOfParts(parts: readonly Buffer[]): Buffer {
  let crc = 0;
  for (const part of parts) crc = crc32(part, crc);
  const trailer = Buffer.allocUnsafe(CRC_BYTES);
  trailer.writeUInt32BE(crc, 0);
  return trailer;
}

function nameBytes(className: string | Buffer): Buffer {
  return typeof className === 'string' ? classNameBytes(className) : className;
}

function checkLengths(name: number, header: number, content: number): void {
  if (name > LENGTH16_MAX || header > LENGTH16_MAX || content > CONTENT_BYTES_MAX) {
    throw new WireError('SR_WIRE_ENCODE', 'length does not fit a bolt frame');
  }
}

function allocate(head: number, name: Buffer, header: Buffer, content: Buffer, crc: boolean): Buffer {
  return Buffer.allocUnsafe(head + name.length + header.length + content.length + (crc ? CRC_BYTES : 0));
}

/** Writes the fields up to the codec (v1) or switch (v2); returns the offset after them. */
function writeCommon(
  frame: Buffer,
  proto: BoltProto,
  ver1: number,
  type: number,
  cmdCode: number,
  requestId: number,
  codec: number,
  switchByte: number,
): number {
  let at = 0;
  frame[at++] = proto;
  if (proto === 2) frame[at++] = ver1;
  frame[at++] = type;
  frame[at++] = 0;
  frame[at++] = cmdCode;
  frame[at++] = VER2;
  frame[at++] = requestId >>> 24;
  frame[at++] = requestId >>> 16;
  frame[at++] = requestId >>> 8;
  frame[at++] = requestId;
  frame[at++] = codec;
  if (proto === 2) frame[at++] = switchByte;
  return at;
}

function writeLengths(frame: Buffer, head: number, name: number, header: number, content: number): void {
  frame.writeInt16BE(name, head - 8);
  frame.writeInt16BE(header, head - 6);
  frame.writeInt32BE(content, head - 4);
}

/** Appends the body and, if room was made for it, the CRC. */
function finish(frame: Buffer, head: number, name: Buffer, header: Buffer, content: Buffer): Buffer {
  frame.set(name, head);
  let at = head + name.length;
  frame.set(header, at);
  at += header.length;
  frame.set(content, at);
  at += content.length;
  if (at < frame.length) frame.writeUInt32BE(crc32(frame.subarray(0, at)), at);
  return frame;
}
