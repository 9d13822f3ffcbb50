/** `sofa-registry client-off` and `client-open`: clients out of the traffic, and in again. */
import { ServerError } from '../errors.ts';
import { askJson, metaOf, print } from './http-client.ts';
import type { QueryFlags } from './query-flags.ts';
import { table } from './table.ts';

/** Flags of `client-off`. */
interface OffFlags extends QueryFlags {
  /** Take the subscriptions as well. */
  readonly sub?: boolean;
}

interface Answer<T> {
  readonly success: boolean;
  readonly message: string | null;
  readonly data: T;
}
interface OffList {
  readonly clientOffAddress: Readonly<Record<string, { readonly pub: boolean; readonly sub: boolean }>>;
}

const PATH = '/api/clientManager/persistence';
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };

async function change(name: string, ips: string, flags: QueryFlags): Promise<number> {
  const body = `ips=${encodeURIComponent(ips)}`;
  const answer = await askJson<Answer<number>>(await metaOf(flags), `${PATH}/${name}`, {
    method: 'POST',
    headers: FORM,
    body,
  });
  if (!answer.success) throw new ServerError('SR_CLI_REFUSED', answer.message ?? 'no reason given');
  return answer.data;
}

/** Takes the publications of clients at these addresses out of all lists; without an address it shows who is off. */
export async function clientOff(addresses: readonly string[], flags: OffFlags): Promise<void> {
  if (addresses.length === 0) return show(flags);
  const marks = addresses.map((address) => ({ address, pub: true, sub: true }));
  const version = await (flags.sub === true
    ? change('clientOffWithSub', JSON.stringify(marks), flags)
    : change('clientOff', addresses.join(';'), flags));
  print(flags, { off: addresses, version }, () => `off: ${addresses.join(', ')} (version ${version})\n`);
}

/** Opens clients that are off. */
export async function clientOpen(addresses: readonly string[], flags: QueryFlags): Promise<void> {
  const version = await change('clientOpen', addresses.join(';'), flags);
  print(flags, { open: addresses, version }, () => `open: ${addresses.join(', ')} (version ${version})\n`);
}

async function show(flags: QueryFlags): Promise<void> {
  const { data } = await askJson<Answer<OffList | null>>(await metaOf(flags), `${PATH}/query`);
  const rows = Object.entries(data?.clientOffAddress ?? {});
  print(
    flags,
    rows.map(([address, { pub, sub }]) => ({ address, pub, sub })),
    () =>
      rows.length === 0
        ? 'no client is off\n'
        : table(
            ['client'],
            rows.map(([address]) => [address]),
          ),
  );
}
