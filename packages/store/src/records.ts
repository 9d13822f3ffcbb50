/**
 * The three kinds of record the meta tier keeps, and how each becomes bytes. Encodings are deterministic, because an upsert
 * that equals the stored bytes only touches the row. Maps stand where keys come from clients, so no key can reach a prototype.
 * Source: reference/meta-and-admin.md 5.1, 5.2, 6.
 */
import { errorText, StoreError } from './errors.ts';

/** One interface an application build offers. */
export interface RevisionInterface {
  readonly id: string;
  readonly params: ReadonlyMap<string, readonly string[]>;
}

/** An immutable description of one build of an application (reference 5.1). */
export interface AppRevisionRecord {
  readonly revision: string;
  readonly appName: string;
  readonly clientVersion: string;
  readonly baseParams: ReadonlyMap<string, readonly string[]>;
  readonly interfaces: ReadonlyMap<string, RevisionInterface>;
}

/** An application offers an interface (reference 5.1). */
export interface InterfaceAppRecord {
  /** dataInfoId of the interface. */
  readonly interfaceName: string;
  readonly appName: string;
}

/** What an operator ordered for the traffic of an address (reference 5.2). */
export type ClientOperation = 'clientOff' | 'clientOpen' | 'reduce';

/** Traffic mark of one client address. `clientOff` rows never expire. */
export interface ClientAddressRecord {
  readonly address: string;
  readonly operation: ClientOperation;
  readonly pub: boolean;
  readonly sub: boolean;
}

/** How one kind of record is named, written and read. */
export interface RecordCodec<T> {
  /** Name of the log inside the store. */
  readonly log: string;
  /** Natural key. */
  keyOf(value: T): string;
  /** True when the row must survive `expire`. */
  keep(value: T): boolean;
  /** JSON-able form, with a fixed order of members. */
  toJson(value: T): unknown;
  fromJson(json: never): T;
}

type Params = ReadonlyMap<string, readonly string[]>;
type ParamsJson = [string, string[]][];

const byKey = (a: readonly [string, unknown], b: readonly [string, unknown]): number =>
  a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;

function paramsToJson(params: Params): ParamsJson {
  return [...params].map(([k, v]): [string, string[]] => [k, [...v]]).sort(byKey);
}

/** App revisions, by revision id. */
export const APP_REVISIONS: RecordCodec<AppRevisionRecord> = {
  log: 'revisions',
  keyOf: (r) => r.revision,
  keep: () => false,
  toJson: (r) => ({
    revision: r.revision,
    appName: r.appName,
    clientVersion: r.clientVersion,
    baseParams: paramsToJson(r.baseParams),
    interfaces: [...r.interfaces]
      .map(([name, i]): [string, string, ParamsJson] => [name, i.id, paramsToJson(i.params)])
      .sort((a, b) => byKey([a[0], 0], [b[0], 0])),
  }),
  fromJson(json: {
    revision: string;
    appName: string;
    clientVersion: string;
    baseParams: ParamsJson;
    interfaces: [string, string, ParamsJson][];
  }) {
    return {
      revision: json.revision,
      appName: json.appName,
      clientVersion: json.clientVersion,
      baseParams: new Map(json.baseParams),
      interfaces: new Map(
        json.interfaces.map(([name, id, params]) => [name, { id, params: new Map(params) }]),
      ),
    };
  },
};

/** Interface index, by (application, interface). */
export const INTERFACE_APPS: RecordCodec<InterfaceAppRecord> = {
  log: 'interfaces',
  keyOf: (r) => `${r.appName}\n${r.interfaceName}`,
  keep: () => false,
  toJson: (r) => [r.appName, r.interfaceName],
  fromJson: (json: [string, string]) => ({ appName: json[0], interfaceName: json[1] }),
};

/** Traffic marks, by client address. */
export const CLIENT_ADDRESSES: RecordCodec<ClientAddressRecord> = {
  log: 'clients',
  keyOf: (r) => r.address,
  keep: (r) => r.operation === 'clientOff',
  toJson: (r) => [r.address, r.operation, r.pub, r.sub],
  fromJson: (json: [string, ClientOperation, boolean, boolean]) => ({
    address: json[0],
    operation: json[1],
    pub: json[2],
    sub: json[3],
  }),
};

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** The bytes of a value. */
export function encodeRecord<T>(codec: RecordCodec<T>, value: T): Buffer {
  return Buffer.from(JSON.stringify(codec.toJson(value)), 'utf8');
}

/** The value of stored bytes. @throws SR_STORE_CORRUPT when they are not ours */
export function decodeRecord<T>(codec: RecordCodec<T>, key: string, body: Uint8Array): T {
  try {
    return codec.fromJson(JSON.parse(utf8.decode(body)) as never);
  } catch (error) {
    throw new StoreError(
      'SR_STORE_CORRUPT',
      `record "${key}" of log "${codec.log}" cannot be read (${errorText(error)}); remove that row by hand`,
      error,
    );
  }
}
