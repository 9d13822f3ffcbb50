/**
 * Hot path. Cuts a byte stream into Bolt frames. A frame that lies whole inside a chunk is decoded in place, without a
 * copy; only a frame that spans chunks is assembled, in a buffer of its own that grows with what has really arrived, so
 * neither many tiny chunks nor a large claimed length can cost more than about twice the received bytes.
 */
import { crc32 } from 'node:zlib';
import { StringCache } from '../bytes/string-cache.ts';
import { WireError } from '../errors.ts';
import { boltLimits, type BoltLimits } from '../limits.ts';
import { type BoltProto, CRC_BYTES, EMPTY, type Frame, type FrameType, frameHasCrc } from './frame.ts';

/** Frames up to this size are assembled in one allocation, larger ones in a doubling buffer. */
const ASSEMBLE_AT_ONCE_BYTES = 16 * 1024;
/** More than any frame head (24 bytes). */
const HEAD_SPACE_BYTES = 32;

const classNames = new StringCache(256);

/** Streaming decoder of one connection. */
export class FrameDecoder {
  readonly #limits: BoltLimits;
  /** Bytes of the frame under assembly, the first `#fill` are valid. */
  #asm: Buffer = EMPTY;
  #fill = 0;
  /** Bytes needed before the next step: of the head first, of the whole frame once it is known. */
  #need = 0;
  #sized = false;
  #closed = false;
  #error: WireError | null = null;

  constructor(limits?: Partial<BoltLimits>) {
    this.#limits = boltLimits(limits);
  }

  /** Bytes held back because their frame is not complete. */
  get bufferedBytes(): number {
    return this.#fill;
  }

  /**
   * Takes the next bytes of the stream and calls `sink` for each completed frame, in order. Frames before a bad one are
   * delivered before the error is thrown. After an error the stream has no frame boundary any more: every further call
   * throws the same error. `sink` must not throw and must not call `push`; it may call `close`.
   * @throws WireError with a code whose answer is `close`
   */
  push(chunk: Buffer, sink: (frame: Frame) => void): void {
    if (this.#error !== null) throw this.#error;
    try {
      let pos = this.#fill > 0 ? this.#assemble(chunk, sink) : 0;
      const end = chunk.length;
      while (pos < end && !this.#closed) {
        const size = this.#measure(chunk, pos, end);
        if (size < 0 || pos + size > end) {
          this.#hold(chunk, pos, end, size);
          return;
        }
        const frame = decodeFrame(chunk, pos, size);
        pos += size;
        sink(frame);
      }
    } catch (error) {
      this.#drop();
      if (error instanceof WireError) this.#error = error;
      throw error;
    }
  }

  /** Drops what is buffered and ignores everything that follows, also the rest of the chunk being pushed. */
  close(): void {
    this.#closed = true;
    this.#drop();
  }

  #drop(): void {
    this.#asm = EMPTY;
    this.#fill = 0;
    this.#sized = false;
  }

  /** Starts assembly with the incomplete tail of a chunk. */
  #hold(chunk: Buffer, pos: number, end: number, size: number): void {
    this.#sized = size > 0;
    this.#need = size > 0 ? size : -size;
    this.#asm = Buffer.allocUnsafeSlow(Math.max(this.#space(), end - pos));
    chunk.copy(this.#asm, 0, pos, end);
    this.#fill = end - pos;
  }

  /** Bytes to allocate for what is needed next. */
  #space(): number {
    return this.#sized ? Math.min(this.#need, ASSEMBLE_AT_ONCE_BYTES) : HEAD_SPACE_BYTES;
  }

  /** Adds bytes to the frame under assembly; returns the chunk offset where the next frame starts. */
  #assemble(chunk: Buffer, sink: (frame: Frame) => void): number {
    let pos = 0;
    for (;;) {
      const take = Math.min(this.#need - this.#fill, chunk.length - pos);
      if (this.#fill + take > this.#asm.length) this.#grow(this.#fill + take);
      chunk.copy(this.#asm, this.#fill, pos, pos + take);
      pos += take;
      this.#fill += take;
      if (this.#fill < this.#need) return pos;
      if (this.#sized) {
        const frame = decodeFrame(this.#asm, 0, this.#need);
        this.#drop();
        sink(frame);
        return pos;
      }
      const size = this.#measure(this.#asm, 0, this.#fill);
      this.#sized = size > 0;
      this.#need = size > 0 ? size : -size;
    }
  }

  #grow(filled: number): void {
    const grown = Buffer.allocUnsafeSlow(
      Math.max(filled, Math.min(this.#need, this.#asm.length * 2), this.#space()),
    );
    this.#asm.copy(grown, 0, 0, this.#fill);
    this.#asm = grown;
  }

  /**
   * Length of the frame at `pos`, from as little of its head as possible; every field that decides a length is checked
   * before any body is waited for.
   * @returns the frame's bytes, or minus the number of head bytes needed to know
   */
  #measure(buf: Buffer, pos: number, end: number): number {
    const proto = buf[pos];
    if (proto !== 1 && proto !== 2) throw new WireError('SR_WIRE_FRAME_PROTOCOL', String(proto));
    const v2 = proto - 1;
    const have = end - pos;
    // The shorter (response) head first: its size tells the type.
    if (have < 20 + v2 * 2) return -(20 + v2 * 2);
    if (v2 === 1 && buf[pos + 1] !== 1 && buf[pos + 1] !== 2) {
      throw new WireError('SR_WIRE_FRAME_VERSION', String(buf[pos + 1]));
    }
    const type = buf[pos + 1 + v2];
    if (type > 2) throw new WireError('SR_WIRE_FRAME_TYPE', String(type));
    const cmdCode = buf.readInt16BE(pos + 2 + v2);
    if (cmdCode < 0 || cmdCode > 2) throw new WireError('SR_WIRE_FRAME_COMMAND', String(cmdCode));
    const head = 20 + v2 * 2 + (type === 0 ? 0 : 2);
    if (have < head) return -head;
    const classLength = buf.readInt16BE(pos + head - 8);
    const headerLength = buf.readInt16BE(pos + head - 6);
    const contentLength = buf.readInt32BE(pos + head - 4);
    if (classLength < 0 || headerLength < 0 || contentLength < 0) throw new WireError('SR_WIRE_FRAME_LENGTH');
    const crc = frameHasCrc(proto, buf[pos + 1], buf[pos + 11]) ? CRC_BYTES : 0;
    const size = head + classLength + headerLength + contentLength + crc;
    const limits = this.#limits;
    if (
      size > limits.frameBytesMax ||
      classLength > limits.classNameBytesMax ||
      headerLength > limits.headerBytesMax
    ) {
      throw new WireError('SR_WIRE_FRAME_TOO_BIG', `${size} bytes`);
    }
    return size;
  }
}

/** Decodes the measured frame at `pos`. */
function decodeFrame(buf: Buffer, pos: number, size: number): Frame {
  const proto = buf[pos] as BoltProto;
  const v2 = proto - 1;
  const ver1 = v2 === 1 ? buf[pos + 1] : 1;
  const type = buf[pos + 1 + v2] as FrameType;
  const switchByte = v2 === 1 ? buf[pos + 11] : 0;
  // Fields after the codec: one more byte in v2 for the switch, two more in requests for the wider timeout.
  const variable = pos + 10 + v2 * 2;
  const body = variable + (type === 0 ? 10 : 12);
  let end = pos + size;
  if (frameHasCrc(proto, ver1, switchByte)) {
    end -= CRC_BYTES;
    if (crc32(buf.subarray(pos, end)) !== buf.readUInt32BE(end)) throw new WireError('SR_WIRE_FRAME_CRC');
  }
  const classEnd = body + buf.readInt16BE(body - 8);
  const headerEnd = classEnd + buf.readInt16BE(body - 6);
  return {
    proto,
    ver1,
    type,
    cmdCode: buf.readInt16BE(pos + 2 + v2),
    ver2: buf[pos + 4 + v2],
    requestId: buf.readInt32BE(pos + 5 + v2),
    codec: buf[pos + 9 + v2],
    switchByte,
    timeoutMs: type === 0 ? 0 : buf.readInt32BE(variable),
    status: type === 0 ? buf.readInt16BE(variable) : 0,
    className: classNames.get(buf, body, classEnd),
    header: headerEnd === classEnd ? EMPTY : buf.subarray(classEnd, headerEnd),
    content: end === headerEnd ? EMPTY : buf.subarray(headerEnd, end),
  };
}
