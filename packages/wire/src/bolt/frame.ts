/**
 * Bolt frames (wire section 1). All integers are big-endian.
 *
 *   v1 request  = 01 type cmdCode:i16 ver2 requestId:i32 codec timeout:i32 classLen:i16 headerLen:i16 contentLen:i32 body
 *   v1 response = 01 type cmdCode:i16 ver2 requestId:i32 codec status:i16  classLen:i16 headerLen:i16 contentLen:i32 body
 *   v2 request  = 02 ver1 type cmdCode:i16 ver2 requestId:i32 codec switch timeout:i32 classLen.. body [crc:i32]
 *   v2 response = 02 ver1 type cmdCode:i16 ver2 requestId:i32 codec switch status:i16  classLen.. body [crc:i32]
 *   body        = className header content
 *   crc         = CRC-32 of everything before it, present iff ver1 = 2 and switch bit 0 is set in that very frame
 */

/** Protocol code: selects the layout, per frame. */
export type BoltProto = 1 | 2;

/** Frame types. */
export const FRAME_RESPONSE = 0;
/** A request that is answered. */
export const FRAME_REQUEST = 1;
/** A request that is never answered. */
export const FRAME_ONEWAY = 2;
/** 0 response, 1 request, 2 oneway request. */
export type FrameType = 0 | 1 | 2;

/** Command codes. */
export const CMD_HEARTBEAT = 0;
/** RPC request. */
export const CMD_REQUEST = 1;
/** RPC response. */
export const CMD_RESPONSE = 2;

/** Codec byte of Hessian content. */
export const CODEC_HESSIAN = 1;
/** Codec byte of protobuf content. */
export const CODEC_PROTOBUF = 11;

/** Bit of the v2 switch byte that asks for a CRC (honoured only with ver1 = 2). */
export const SWITCH_CRC = 1;

/** Bytes of the CRC trailer. */
export const CRC_BYTES = 4;

/** Response status codes (wire 1.4). Any other value makes a Java client close the connection. */
export const BoltStatus = {
  success: 0x0000,
  error: 0x0001,
  serverException: 0x0002,
  unknown: 0x0003,
  serverThreadpoolBusy: 0x0004,
  errorComm: 0x0005,
  noProcessor: 0x0006,
  timeout: 0x0007,
  clientSendError: 0x0008,
  codecException: 0x0009,
  connectionClosed: 0x0010,
  serverSerialException: 0x0011,
  serverDeserialException: 0x0012,
} as const;

/** One of the values of {@link BoltStatus}. */
export type BoltStatus = (typeof BoltStatus)[keyof typeof BoltStatus];

/**
 * One decoded frame. All frames have this one shape; `timeoutMs` is 0 in responses, `status` is 0 in requests, `ver1` is
 * 1 and `switchByte` 0 in v1 frames.
 *
 * `header` and `content` are views into the receive buffer, not copies: keep a frame's bytes past the callback only by
 * copying what is needed, or the whole chunk stays in memory.
 */
export interface Frame {
  proto: BoltProto;
  ver1: number;
  type: FrameType;
  cmdCode: number;
  ver2: number;
  /** Signed int32, opaque; echo it verbatim. */
  requestId: number;
  codec: number;
  switchByte: number;
  /** -1 for heartbeats and oneway requests. */
  timeoutMs: number;
  status: number;
  /** Interned. */
  className: string;
  header: Buffer;
  content: Buffer;
}

/** The shared empty buffer of absent headers and contents. */
export const EMPTY = Buffer.alloc(0);

/** True if a frame with these fields ends in a CRC (wire 1.2). */
export function frameHasCrc(proto: number, ver1: number, switchByte: number): boolean {
  return proto === 2 && ver1 === 2 && (switchByte & SWITCH_CRC) === 1;
}
