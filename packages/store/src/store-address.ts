/**
 * Store addresses: URL and JDBC forms to a checked description. Pure. Credentials may stand in the address; nothing that is
 * printed comes from here without {@link redactStoreAddress}. Source: reference/meta-and-admin.md 12.8.
 */
import { StoreError } from './errors.ts';

/** TLS wishes of an address: off, encrypted, or encrypted with a verified certificate. */
export type StoreTls = 'off' | 'encrypt' | 'verify';

/** A server with a database. */
export interface SqlAddress {
  readonly kind: 'postgres' | 'mysql';
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly tls: StoreTls;
}

/** An etcd cluster. */
export interface EtcdAddress {
  readonly kind: 'etcd';
  /** Base URLs, `http://host:port`. */
  readonly endpoints: readonly string[];
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** A checked store address. */
export type StoreAddress =
  | { readonly kind: 'memory' }
  | { readonly kind: 'sqlite'; readonly dir: string }
  | SqlAddress
  | EtcdAddress;

const FORMS =
  'memory:, sqlite:/data/dir, postgres://user@host:5432/db, mysql://user@host:3306/db, mariadb://..., etcd://host:2379,host:2379, jdbc:mysql://host/db';

const SQL_SCHEMES = new Map<string, { kind: SqlAddress['kind']; port: number }>([
  ['postgres', { kind: 'postgres', port: 5432 }],
  ['postgresql', { kind: 'postgres', port: 5432 }],
  ['mysql', { kind: 'mysql', port: 3306 }],
  ['mariadb', { kind: 'mysql', port: 3306 }],
]);

/** The address with every password replaced, for messages and logs. */
export function redactStoreAddress(address: string): string {
  return address
    .replace(/(\/\/[^/?#]*?:)[^/?#]*(@)/, '$1***$2')
    .replace(/([?&;](?:password|pass|pwd|token)=)[^&;]*/gi, '$1***');
}

/**
 * Reads an address.
 * @throws SR_STORE_CONFIG naming the address (redacted) and the accepted forms
 */
export function parseStoreAddress(text: string): StoreAddress {
  const address = text.trim();
  const plain = address.replace(/^jdbc:/i, '');
  const scheme = /^([a-z]+):/i.exec(plain)?.[1].toLowerCase() ?? '';
  if (scheme === 'memory') return { kind: 'memory' };
  if (scheme === 'sqlite') return sqlite(plain.slice('sqlite:'.length), address);
  if (scheme === 'etcd' || scheme === 'etcds') return etcd(plain, address);
  const sql = SQL_SCHEMES.get(scheme);
  if (sql === undefined) throw bad(address, 'its kind of store is not known');
  return sqlServer(plain, address, sql);
}

function bad(address: string, why: string): StoreError {
  const shown = redactStoreAddress(address);
  return new StoreError('SR_STORE_CONFIG', `store address "${shown}": ${why}; accepted forms: ${FORMS}`);
}

function sqlite(rest: string, address: string): StoreAddress {
  const dir = rest.startsWith('///') ? rest.slice(2) : rest;
  if (dir === '' || dir.startsWith('//')) throw bad(address, 'it names no data directory');
  return { kind: 'sqlite', dir };
}

function decode(text: string, address: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw bad(address, 'a % in user or password must be written %25');
  }
}

function parseUrl(text: string, address: string): URL {
  // Without an origin scheme WHATWG URLs leave host and port unchecked.
  const url = URL.parse(text.replace(/^[a-z]+:/i, 'http:'));
  if (url === null || url.hostname === '') throw bad(address, 'host and port cannot be read');
  return url;
}

function sqlServer(
  plain: string,
  address: string,
  known: { kind: SqlAddress['kind']; port: number },
): SqlAddress {
  const url = parseUrl(plain, address);
  const database = decode(url.pathname.slice(1), address);
  if (database === '') throw bad(address, 'it names no database');
  const query = url.searchParams;
  const user = url.username === '' ? (query.get('user') ?? undefined) : decode(url.username, address);
  const password = url.password === '' ? (query.get('password') ?? undefined) : decode(url.password, address);
  return {
    kind: known.kind,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    // The URL parser drops port 80 as the default of its own scheme.
    port: url.port === '' ? (/:80(?:[/?]|$)/.test(plain) ? 80 : known.port) : Number(url.port),
    database,
    user,
    password,
    tls: tlsOf(query, address),
  };
}

/** sslmode of libpq, sslMode and useSSL of the JDBC drivers. Other parameters are the JDBC driver's own and ignored. */
function tlsOf(query: URLSearchParams, address: string): StoreTls {
  for (const [name, value] of query) {
    const wish = value.toLowerCase().replaceAll('_', '-');
    if (name.toLowerCase() === 'usessl' || name.toLowerCase() === 'ssl') {
      return wish === 'true' ? 'encrypt' : 'off';
    }
    if (name.toLowerCase() !== 'sslmode') continue;
    if (wish === 'disable' || wish === 'disabled') return 'off';
    if (wish === 'require' || wish === 'required') return 'encrypt';
    if (/^verify-(ca|full|identity)$/.test(wish)) return 'verify';
    throw bad(address, `sslmode must be disable, require or verify-full, got "${value}"`);
  }
  return 'off';
}

function etcd(plain: string, address: string): EtcdAddress {
  const [, scheme, userInfo, hosts, query] =
    /^(etcds?):\/\/(?:([^/?#]*)@)?([^/?#@]*)\/?(?:\?(.*))?$/i.exec(plain) ?? [];
  if (hosts === undefined || hosts === '') throw bad(address, 'it names no endpoint');
  const tls = scheme.toLowerCase() === 'etcds' || new URLSearchParams(query).get('tls') === 'true';
  const endpoints = hosts.split(',').map((host) => {
    const url = parseUrl(`http://${host.trim()}`, address);
    const port = url.port === '' && !host.trim().endsWith(':80') ? '2379' : url.port || '80';
    return `${tls ? 'https' : 'http'}://${url.hostname}:${port}`;
  });
  const [user, password] = userInfo?.split(/:(.*)/s) ?? [];
  return {
    kind: 'etcd',
    endpoints,
    user: user === undefined ? undefined : decode(user, address),
    password: password === undefined ? undefined : decode(password, address),
  };
}
