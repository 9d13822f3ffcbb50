/**
 * The few calls of etcd this store needs, over etcd's JSON gateway (`/v3/*`, etcd 3.4 and later) with fetch. Bytes travel as
 * base64, 64 bit numbers as strings, and members that are false or 0 are left out. Source: reference/meta-and-admin.md 12.7.
 */
import { errorText, StoreError } from './errors.ts';
import type { StoreClock } from './ports.ts';
import type { EtcdAddress } from './store-address.ts';

/** When a call is given up, on the monotonic clock. */
export interface Deadline {
  readonly atMonoMs: number;
}

/** A key with its value, as etcd returns it. */
export interface EtcdKv {
  readonly key: Buffer;
  readonly value: Buffer;
  /** Revision of its last write. */
  readonly mod: string;
}

/** A condition of a transaction. */
export type EtcdCompare = Readonly<Record<string, string>>;
/** An operation of a transaction. */
export type EtcdOp = Readonly<Record<string, unknown>>;

const b64 = (bytes: string | Uint8Array): string => Buffer.from(bytes as Uint8Array).toString('base64');

/** The key must be at this revision ('0' = must not exist). */
export const unchanged = (key: string, mod: string): EtcdCompare => ({
  key: b64(key),
  target: 'MOD',
  result: 'EQUAL',
  mod_revision: mod,
});
/** The key must exist. */
export const exists = (key: string): EtcdCompare => ({
  key: b64(key),
  target: 'CREATE',
  result: 'GREATER',
  create_revision: '0',
});
/** The key must hold this value. */
export const holds = (key: string, value: string): EtcdCompare => ({
  key: b64(key),
  target: 'VALUE',
  result: 'EQUAL',
  value: b64(value),
});
/** Writes a key, optionally for as long as a lease lives. */
export const put = (key: string, value: string | Uint8Array, lease?: string): EtcdOp => ({
  request_put: { key: b64(key), value: b64(value), ...(lease === undefined ? {} : { lease }) },
});
/** Reads a key, or up to `limit` keys from `key` up to (not including) `end`. */
export const range = (key: string, end?: string | Uint8Array, limit = 0): EtcdOp => ({
  request_range: {
    key: b64(key),
    ...(end === undefined ? {} : { range_end: b64(end), limit: String(limit) }),
  },
});
/** Deletes a key, or the keys from `key` up to `end`. */
export const remove = (key: string, end?: string): EtcdOp => ({
  request_delete_range: { key: b64(key), ...(end === undefined ? {} : { range_end: b64(end) }) },
});

/** Answer of a transaction. */
export interface EtcdTxn {
  readonly succeeded: boolean;
  /** Keys read by each operation, in order (empty for writes). */
  readonly reads: readonly (readonly EtcdKv[])[];
  /** Wall clock of the member that answered, ms, in whole seconds. */
  readonly wallMs: number;
}

interface RawKv {
  key: string;
  value?: string;
  mod_revision: string;
}
interface RawTxn {
  succeeded?: boolean;
  responses?: { response_range?: { kvs?: RawKv[] } }[];
}
interface Answer<T> {
  readonly body: T;
  readonly wallMs: number;
}

/** Errors that came before anything was sent: another endpoint may be tried even for a write. */
const NOT_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** gRPC status codes. */
const GRPC = {
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  unauthenticated: 16,
};

/** A refusal by etcd with its gRPC code. */
class EtcdRefusal extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Client of one etcd cluster. */
export class EtcdClient {
  private readonly clock: StoreClock;
  private readonly endpoints: readonly string[];
  private readonly user: string | undefined;
  private readonly password: string | undefined;
  private readonly opTimeoutMs: number;
  private readonly stopped = new AbortController();
  private current = 0;
  private token = '';

  constructor(address: EtcdAddress, clock: StoreClock, opTimeoutMs: number) {
    this.endpoints = address.endpoints;
    this.user = address.user;
    this.password = address.password;
    this.clock = clock;
    this.opTimeoutMs = opTimeoutMs;
  }

  /** A deadline one operation from now. */
  deadline(): Deadline {
    return { atMonoMs: this.clock.monoMs() + this.opTimeoutMs };
  }

  /** Aborts everything under way. */
  close(): void {
    this.stopped.abort();
  }

  /** Runs `ops` in one transaction if all `compare` hold. A transaction that only reads is repeated on other members. */
  async txn(compare: readonly EtcdCompare[], ops: readonly EtcdOp[], deadline: Deadline): Promise<EtcdTxn> {
    const write = ops.some((op) => !('request_range' in op));
    const { body, wallMs } = await this.call<RawTxn>(
      '/v3/kv/txn',
      { compare, success: ops },
      write,
      deadline,
    );
    const reads = (body.responses ?? []).map((r) => (r.response_range?.kvs ?? []).map(toKv));
    return { succeeded: body.succeeded === true, reads, wallMs };
  }

  /** Creates a lease; etcd may grant a longer ttl than asked. */
  async grantLease(ttlSeconds: number, deadline: Deadline): Promise<string> {
    const { body } = await this.call<{ ID: string }>(
      '/v3/lease/grant',
      { TTL: String(ttlSeconds) },
      true,
      deadline,
    );
    return body.ID;
  }

  /** Extends a lease. False when it is gone. */
  async keepAlive(lease: string, deadline: Deadline): Promise<boolean> {
    const { body } = await this.call<{ result?: { TTL?: string } }>(
      '/v3/lease/keepalive',
      { ID: lease },
      true,
      deadline,
    );
    return Number(body.result?.TTL ?? 0) > 0;
  }

  /** Seconds a lease has left; 0 when it is gone. */
  async timeToLive(lease: string, deadline: Deadline): Promise<number> {
    const { body } = await this.call<{ TTL?: string }>(
      '/v3/lease/timetolive',
      { ID: lease },
      false,
      deadline,
    );
    return Math.max(0, Number(body.TTL ?? 0));
  }

  /** Ends a lease and deletes its keys. Harmless when it is gone. */
  async revoke(lease: string, deadline: Deadline): Promise<void> {
    try {
      await this.call('/v3/lease/revoke', { ID: lease }, true, deadline);
    } catch (error) {
      if ((error as { cause?: unknown }).cause instanceof EtcdRefusal) {
        if (((error as StoreError).cause as EtcdRefusal).code === GRPC.notFound) return;
      }
      throw error;
    }
  }

  /** Calls `heard` whenever `key` is written, until the stream breaks (it resolves) or the client is closed. */
  async listen(key: string, heard: () => void): Promise<void> {
    const response = await this.post(
      this.endpoints[this.current],
      '/v3/watch',
      { create_request: { key: b64(key) } },
      this.stopped.signal,
    );
    if (response.body === null) return;
    // Every chunk is at least part of an event; what it says is read from the store.
    for await (const _ of response.body) heard();
  }

  private async call<T>(path: string, body: unknown, write: boolean, deadline: Deadline): Promise<Answer<T>> {
    let last: unknown = new Error('no time left');
    // One more attempt than endpoints, for a login that ran out.
    for (let attempt = 0; attempt <= this.endpoints.length; attempt += 1) {
      const leftMs = deadline.atMonoMs - this.clock.monoMs();
      if (leftMs <= 0) break;
      // A reader leaves time to ask another member; a writer waits, because giving up early is not knowing.
      const ms = write || this.endpoints.length === 1 ? leftMs : Math.min(leftMs, this.opTimeoutMs / 2);
      try {
        return await this.attempt<T>(path, body, ms);
      } catch (error) {
        last = error;
        if (error instanceof EtcdRefusal) {
          if (error.code === GRPC.unauthenticated && this.user !== undefined && attempt === 0) {
            this.token = '';
            continue;
          }
          throw this.refused(error, write);
        }
        this.current = (this.current + 1) % this.endpoints.length;
        if (write && !notSent(error)) throw this.lost(error);
      }
    }
    throw new StoreError('SR_STORE_UNAVAILABLE', `etcd does not answer (${causeText(last)})`, last);
  }

  private async attempt<T>(path: string, body: unknown, ms: number): Promise<Answer<T>> {
    const abort = new AbortController();
    const timer = this.clock.setTimer(ms, () =>
      abort.abort(new Error(`no answer within ${Math.round(ms)} ms`)),
    );
    const signal = AbortSignal.any([abort.signal, this.stopped.signal]);
    const endpoint = this.endpoints[this.current];
    try {
      if (this.token === '' && this.user !== undefined) await this.login(endpoint, signal);
      const response = await this.post(endpoint, path, body, signal);
      const text = await response.text();
      const wallMs = Date.parse(response.headers.get('date') ?? '') || 0;
      const json = JSON.parse(text) as T & { error?: unknown; code?: number; message?: string };
      if (!response.ok || json.error !== undefined) throw refusalOf(json, response.status);
      return { body: json, wallMs };
    } finally {
      timer.cancel();
    }
  }

  private async login(endpoint: string, signal: AbortSignal): Promise<void> {
    const credentials = { name: this.user, password: this.password ?? '' };
    const response = await this.post(endpoint, '/v3/auth/authenticate', credentials, signal);
    const json = (await response.json()) as { token?: string; code?: number; message?: string };
    if (json.token === undefined) throw refusalOf(json, response.status);
    this.token = json.token;
  }

  private post(endpoint: string, path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (this.token !== '') headers.authorization = this.token;
    return fetch(endpoint + path, { method: 'POST', body: JSON.stringify(body), headers, signal });
  }

  private refused(error: EtcdRefusal, write: boolean): StoreError {
    const text = errorText(error);
    if (/too large|larger than max/.test(text)) {
      return new StoreError('SR_STORE_TOO_LARGE', `etcd refused the size of a request (${text})`, error);
    }
    const login = /authentication|user name|auth token/.test(text);
    if (error.code === GRPC.permissionDenied || error.code === GRPC.unauthenticated || login) {
      return new StoreError('SR_STORE_CONFIG', `etcd refused the credentials of the store (${text})`, error);
    }
    const known = error.code === GRPC.resourceExhausted || error.code === GRPC.notFound;
    if (!write || known || error.code === GRPC.invalidArgument) {
      return new StoreError('SR_STORE_UNAVAILABLE', `etcd refused (${text})`, error);
    }
    return this.lost(error);
  }

  private lost(error: unknown): StoreError {
    return new StoreError('SR_STORE_UNKNOWN', `etcd did not confirm a write (${causeText(error)})`, error);
  }
}

function toKv(kv: RawKv): EtcdKv {
  return {
    key: Buffer.from(kv.key, 'base64'),
    value: Buffer.from(kv.value ?? '', 'base64'),
    mod: kv.mod_revision,
  };
}

function refusalOf(json: { code?: number; message?: string; error?: unknown }, status: number): EtcdRefusal {
  const inner = json.error as { grpc_code?: number; message?: string } | string | undefined;
  const text = json.message ?? (typeof inner === 'string' ? inner : inner?.message) ?? `HTTP ${status}`;
  return new EtcdRefusal(json.code ?? (typeof inner === 'object' ? (inner.grpc_code ?? 0) : 0), text);
}

function notSent(error: unknown): boolean {
  const cause = (error as { cause?: { code?: unknown } }).cause;
  return typeof cause?.code === 'string' && NOT_SENT.has(cause.code);
}

/** fetch says "fetch failed"; the reason is in its cause. */
function causeText(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return cause instanceof Error ? errorText(cause) : errorText(error);
}
