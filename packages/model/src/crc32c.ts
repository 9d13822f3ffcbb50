/** CRC-32C (Castagnoli), the slot function's hash (reference/data-and-slots.md 5). Hot path: table driven, no allocation for ASCII keys. */

const POLYNOMIAL = 0x82f63b78;
const TABLE = buildTable();

function buildTable(): Int32Array {
  const table = new Int32Array(256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    table[n] = crc;
  }
  return table;
}

/** CRC-32C of the UTF-8 bytes of `text`, as a signed int32. */
export function crc32c(text: string): number {
  let crc = -1;
  const units = text.length;
  for (let i = 0; i < units; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) return crc32cBytes(Buffer.from(text, 'utf8'));
    crc = TABLE[(crc ^ unit) & 0xff] ^ (crc >>> 8);
  }
  return ~crc;
}

/** CRC-32C of bytes, as a signed int32. */
export function crc32cBytes(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc;
}
