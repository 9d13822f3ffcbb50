/** Checks of what callers hand in, before any backend sees it. */
import { StoreError } from './errors.ts';
import { STORE_LIMITS } from './limits.ts';

/**
 * Bytes of `text`; refuses what not every backend can give back unchanged.
 * @throws SR_STORE_INVALID for a lone surrogate or a text too short, SR_STORE_TOO_LARGE for one too long
 */
export function checkText(what: string, text: string, bytesMin: number, bytesMax: number): number {
  const bytes = Buffer.byteLength(text, 'utf8');
  if (bytes < bytesMin) throw new StoreError('SR_STORE_INVALID', `${what} must not be empty`);
  if (bytes > bytesMax) {
    throw new StoreError('SR_STORE_TOO_LARGE', `${what} has ${bytes} bytes, at most ${bytesMax} are allowed`);
  }
  if (!text.isWellFormed()) throw new StoreError('SR_STORE_INVALID', `${what} holds half a surrogate pair`);
  return bytes;
}

/** A key of a document or record. */
export function checkKey(key: string): void {
  checkText('key', key, 1, STORE_LIMITS.keyBytesMax);
}

/** A name that people read and databases keep as text: 1 to `bytesMax` bytes, no control characters. */
export function checkName(what: string, name: string, bytesMax: number): void {
  checkText(what, name, 1, bytesMax);
  if (/\p{Cc}/u.test(name)) throw new StoreError('SR_STORE_INVALID', `${what} holds a control character`);
}

/** A number the store handed out earlier, or 0. */
export function checkNumber(what: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new StoreError('SR_STORE_INVALID', `${what} must be a whole number >= 0, got ${value}`);
  }
}
