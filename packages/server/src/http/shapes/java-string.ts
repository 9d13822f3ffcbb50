/** A string as Java's own serialization writes it: how the reference shows boxes in its JSON. */

const MAGIC = Buffer.from([0xac, 0xed, 0x00, 0x05]);
const TC_STRING = 0x74;
const TC_LONG_STRING = 0x7c;
const SHORT_BYTES_MAX = 0xffff;

/** Modified UTF-8: every UTF-16 unit on its own, NUL in two bytes. */
export function modifiedUtf8(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(text.length * 3);
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit !== 0 && unit < 0x80) {
      bytes[at++] = unit;
    } else if (unit < 0x800) {
      bytes[at++] = 0xc0 | (unit >> 6);
      bytes[at++] = 0x80 | (unit & 0x3f);
    } else {
      bytes[at++] = 0xe0 | (unit >> 12);
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[at++] = 0x80 | (unit & 0x3f);
    }
  }
  return bytes.subarray(0, at);
}

/** The serialized form of a `java.lang.String`. */
export function javaString(text: string): Buffer {
  const body = modifiedUtf8(text);
  if (body.length <= SHORT_BYTES_MAX) {
    const head = Buffer.from([TC_STRING, body.length >> 8, body.length & 0xff]);
    return Buffer.concat([MAGIC, head, body]);
  }
  const head = Buffer.alloc(9);
  head[0] = TC_LONG_STRING;
  head.writeBigUInt64BE(BigInt(body.length), 1);
  return Buffer.concat([MAGIC, head, body]);
}

/** `String.hashCode`, a signed int32. */
export function javaHash(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return hash;
}
