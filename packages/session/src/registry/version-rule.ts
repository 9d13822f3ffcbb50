/** The version rule: which of two words about one registration counts (F029, session.md 4). Pure. Hot path. */
import { compareRegisterVersion } from '@sofa-registry/model';
import type { ClientConnection } from '../client-connection.ts';

/**
 * How what is said of a registration stands to what is held of it. Only `newer` counts.
 *
 *   newer  nothing is held, or something with a lower (client version, session stamp)
 *   same   the very registration that is held
 *   older  something newer is held
 *   late   newer by our stamp alone, from a connection that is behind the one the registration came by
 */
export type Standing = 'newer' | 'same' | 'older' | 'late';

/** What the rule looks at of a registration of any kind. */
export interface Held {
  readonly version: number;
  readonly stamp: number;
  /** The client's own time. */
  readonly clientTimestamp: number;
}

/**
 * Standing of `(version, stamp)` to what is held.
 *
 * An older connection that repeats what a newer one, which is still open, has said already is late. Both sockets were filled before
 * we came to read them, or the network held one back: the client is behind the newer one, and would lose what the older one took
 * over with its close.
 * @param owner connection that what is held came by; null = it is gone, or does not matter
 * @param connection connection that this came by; null = none
 */
export function standingOf(
  held: Held | undefined,
  version: number,
  stamp: number,
  owner: ClientConnection | null = null,
  connection: ClientConnection | null = null,
  clientTimestamp = 0,
): Standing {
  if (held === undefined) return 'newer';
  const order = compareRegisterVersion(held.version, held.stamp, version, stamp);
  if (order >= 0) return order === 0 ? 'same' : 'older';
  if (owner === null || connection === null || owner === connection || owner.closed) return 'newer';
  if (connection.ordinal > owner.ordinal || version !== held.version) return 'newer';
  return clientTimestamp <= held.clientTimestamp ? 'late' : 'newer';
}
