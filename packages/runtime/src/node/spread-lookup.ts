/** Host names with several addresses, such as one DNS name for all metas: resolved anew for each attempt, each begins elsewhere. */
import * as dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import type { Random } from '../ports.ts';

type Resolve = (
  host: string,
  options: dns.LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: dns.LookupAddress[]) => void,
) => void;

/**
 * The `lookup` of a connect. All A and AAAA addresses are tried one after the other, beginning at a random one, so that attempts do
 * not stick to the first node of a list.
 */
export function spreadLookup(random: Random, resolve: Resolve = dns.lookup): LookupFunction {
  return (host, options, done) => {
    resolve(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return done(error, []);
      const first = Math.floor(random.next() * addresses.length);
      const spread = [...addresses.slice(first), ...addresses.slice(0, first)];
      if (options.all === true) done(null, spread);
      else done(null, spread[0]?.address ?? '', spread[0]?.family);
    });
  };
}
