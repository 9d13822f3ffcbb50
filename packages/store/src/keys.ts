/** Keys are compared, sorted and stored as their UTF-8 bytes, so that every backend orders them alike. */

const order = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a, 'utf8'), Buffer.from(b, 'utf8'));

/** Sorts by the UTF-8 bytes of `key`. */
export function compareKeys(a: { readonly key: string }, b: { readonly key: string }): number {
  return order(a.key, b.key);
}

/** The bytes of a key. */
export function keyBytes(key: string): Buffer {
  return Buffer.from(key, 'utf8');
}

/**
 * First byte string above every key with `prefix`: its last byte plus one, which UTF-8 (no 0xFF) always allows.
 * For the empty prefix, a byte no key starts with.
 */
export function prefixEnd(prefix: Uint8Array): Buffer {
  if (prefix.length === 0) return Buffer.from([0xff]);
  const end = Buffer.from(prefix);
  end[end.length - 1] += 1;
  return end;
}
