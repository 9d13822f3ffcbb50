/** int64 values of the wire: numbers as long as they are safe integers, bigints beyond (datum versions pass 2^53 in 2027). */
import { WireError } from '../errors.ts';

/** An int64 of the wire: a number when it is a safe integer, else a bigint, never a rounded number. */
export type Int64 = number | bigint;

const TWO_32 = 0x1_0000_0000;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Joins a signed high and an unsigned low half. */
export function int64Of(high: number, low: number): Int64 {
  const value = high * TWO_32 + low;
  // The sum is exact whenever it is a safe integer; a rounded one is never within the safe range.
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
}

/** Signed high half. @throws WireError SR_WIRE_ENCODE if the value is no int64 */
export function int64High(value: Int64): number {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) throw new WireError('SR_WIRE_ENCODE', 'number is not a safe integer');
    return Math.floor(value / TWO_32);
  }
  if (value < INT64_MIN || value > INT64_MAX) throw new WireError('SR_WIRE_ENCODE', 'bigint is not an int64');
  return Number(value >> 32n);
}

/** Unsigned low half of a value that {@link int64High} accepted. */
export function int64Low(value: Int64): number {
  return typeof value === 'number' ? value >>> 0 : Number(value & 0xffff_ffffn);
}

/** The number form of a value if it is a safe integer, so that equal values have equal types. */
export function normalInt64(value: Int64): Int64 {
  if (typeof value === 'number') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** @throws WireError SR_WIRE_ENCODE if the value is no int32 */
export function checkInt32(value: number): void {
  if ((value | 0) !== value) throw new WireError('SR_WIRE_ENCODE', 'number is not an int32');
}
