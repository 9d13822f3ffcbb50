import { describe, expect, it } from 'vitest';
import type { ClientConnection } from '../src/client-connection.ts';
import { standingOf } from '../src/registry/version-rule.ts';

function connection(ordinal: number, closed = false): ClientConnection {
  return { ordinal, closed } as ClientConnection;
}

describe('version rule', () => {
  const held = { version: 2, stamp: 5, clientTimestamp: 1000 };

  it('orders by client version, then stamp, strictly', () => {
    expect(standingOf(undefined, 0, 0)).toBe('newer');
    expect(standingOf(held, 1, 9)).toBe('older');
    expect(standingOf(held, 2, 4)).toBe('older');
    expect(standingOf(held, 2, 5)).toBe('same');
    expect(standingOf(held, 2, 6)).toBe('newer');
    expect(standingOf(held, 3, 1)).toBe('newer');
  });

  it('what an older connection repeats after a newer one is late, as long as that is open', () => {
    const [older, newer] = [connection(1), connection(2)];
    expect(standingOf(held, 2, 6, newer, older, 1000)).toBe('late');
    expect(standingOf(held, 2, 6, newer, newer, 1000)).toBe('newer');
    expect(standingOf(held, 2, 6, older, newer, 1000)).toBe('newer');
    expect(standingOf(held, 2, 6, connection(2, true), older, 1000)).toBe('newer');
    expect(standingOf(held, 2, 6, null, older, 1000)).toBe('newer');
  });

  it('what an older connection says anew is not late', () => {
    const [older, newer] = [connection(1), connection(2)];
    expect(standingOf(held, 3, 6, newer, older, 1000)).toBe('newer');
    expect(standingOf(held, 2, 6, newer, older, 1001)).toBe('newer');
    expect(standingOf(held, 1, 6, newer, older, 1001)).toBe('older');
  });
});
