/**
 * The one error of this package. Every decoder and encoder of `wire` throws `WireError` and nothing else, whatever bytes
 * it is given, so a caller needs a single `catch` to stay alive (law 6 of the design: no input can crash a process).
 */

/**
 * What a server does with a peer that caused the error.
 * - `close`: the frame boundary is lost or cannot be trusted, so the connection is closed without a reply, as the
 *   reference's codec does (wire 1.3).
 * - `deserialException`: the frame is sound but its content is not; reply status 0x0012 with empty content (wire 1.4).
 * - `serialException`: our own message cannot be written; reply status 0x0011 with empty content (wire 1.4).
 */
export type WireErrorAnswer = 'close' | 'deserialException' | 'serialException';

/** Meaning and consequence of one error code. */
export interface WireErrorInfo {
  readonly message: string;
  readonly answer: WireErrorAnswer;
}

/** Closed table of all error codes of this package; the documentation of errors is generated from it. */
export const WIRE_ERRORS = {
  /** First byte of a frame is neither 1 nor 2: not a Bolt peer (often plain HTTP on the Bolt port). */
  SR_WIRE_FRAME_PROTOCOL: { message: 'unknown bolt protocol code', answer: 'close' },
  /** Protocol 2 with a version other than 1 or 2; the Java decoder would wait for ever (wire 1.2). */
  SR_WIRE_FRAME_VERSION: { message: 'unknown bolt protocol version', answer: 'close' },
  /** Frame type is not response (0), request (1) or oneway (2). */
  SR_WIRE_FRAME_TYPE: { message: 'unknown bolt frame type', answer: 'close' },
  /** Command code is not heartbeat (0), request (1) or response (2). */
  SR_WIRE_FRAME_COMMAND: { message: 'unknown bolt command code', answer: 'close' },
  /** A length field of a frame head is negative. */
  SR_WIRE_FRAME_LENGTH: { message: 'negative length in bolt frame', answer: 'close' },
  /** A frame, its class name or its header is longer than the configured limit. */
  SR_WIRE_FRAME_TOO_BIG: { message: 'bolt frame exceeds limit', answer: 'close' },
  /** The CRC-32 at the end of a protocol 2 frame does not match its bytes. */
  SR_WIRE_FRAME_CRC: { message: 'bolt frame checksum mismatch', answer: 'close' },
  /** Content ends in the middle of a value. */
  SR_WIRE_TRUNCATED: { message: 'content ends inside a value', answer: 'deserialException' },
  /** Bytes are left after the one value a content must hold. */
  SR_WIRE_TRAILING: { message: 'bytes after the end of the value', answer: 'deserialException' },
  /** A tag or shape that the grammar does not allow at this place. */
  SR_WIRE_SYNTAX: { message: 'malformed content', answer: 'deserialException' },
  /** A value has another type than the field needs. */
  SR_WIRE_TYPE: { message: 'value of unexpected type', answer: 'deserialException' },
  /** A string is not valid CESU-8 (Hessian) or UTF-8 (protobuf). */
  SR_WIRE_STRING: { message: 'malformed string bytes', answer: 'deserialException' },
  /** An object of a class that is not on the allow-list, or not the one expected here. */
  SR_WIRE_CLASS: { message: 'class not allowed', answer: 'deserialException' },
  /** A reference to a type, class or object that was not seen before. */
  SR_WIRE_REFERENCE: { message: 'dangling reference', answer: 'deserialException' },
  /** Depth, length, count or size limit of content exceeded. */
  SR_WIRE_LIMIT: { message: 'content exceeds limit', answer: 'deserialException' },
  /** Content was written by a Hessian 4.x library (published Hessian 2.0), which this port does not speak (wire 2.3). */
  SR_WIRE_HESSIAN_V4: { message: 'content written by a hessian 4.x client', answer: 'deserialException' },
  /** A message of ours does not fit the wire: number out of range, string or frame too long, no class known. */
  SR_WIRE_ENCODE: { message: 'message cannot be encoded', answer: 'serialException' },
} as const satisfies Record<string, WireErrorInfo>;

/** One of the codes of {@link WIRE_ERRORS}. */
export type WireErrorCode = keyof typeof WIRE_ERRORS;

/** All codes, for metrics that pre-register one counter per code. */
export const WIRE_ERROR_CODES = Object.keys(WIRE_ERRORS) as readonly WireErrorCode[];

/** The only error this package throws. `code` is stable, `message` is for people. */
export class WireError extends Error {
  readonly code: WireErrorCode;

  constructor(code: WireErrorCode, detail?: string) {
    const text = WIRE_ERRORS[code].message;
    super(detail === undefined ? text : `${text}: ${detail}`);
    this.name = 'WireError';
    this.code = code;
  }

  /** What a server does with the peer. */
  get answer(): WireErrorAnswer {
    return WIRE_ERRORS[this.code].answer;
  }
}
