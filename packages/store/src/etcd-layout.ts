/**
 * Where things lie in etcd, and the value formats. All keys of a cluster start with `/sofa-registry/<cluster>/`:
 *
 *     schema            version of this layout
 *     lock              JSON Lock; lives as long as the holder's lease
 *     term              last term given out, decimal
 *     docs/head         JSON DocHead, compared and written by every write of a document: their order
 *     docs/log          JSON [seq, bytes][] of the remembered changes, oldest first
 *     docs/d/<key>      "<version>\n" value
 *     docs/c/<seq>      JSON ChangeHeader "\n" value
 *     r/<log>/head      JSON RecordHead, compared and written by every upsert: their order
 *     r/<log>/p/<key>   JSON Pointer to the row
 *     r/<log>/s/<seq>   JSON [key] "\n" body
 *     r/<log>/t/<key>   when it was last written or touched, ms, decimal; only for rows that may expire
 *
 * Sequences are written with 16 digits, so that their byte order is their order.
 */
import { StoreError } from './errors.ts';

/** Version of this layout. */
export const ETCD_SCHEMA = '1';

/** Who holds the lock. */
export interface EtcdLock {
  readonly owner: string;
  readonly token: string;
  readonly term: number;
  readonly lease: string;
}

/** Counters of the documents. */
export interface DocHead {
  readonly seq: number;
  readonly rows: number;
}

/** First line of a change. */
export interface ChangeHeader {
  readonly key: string;
  readonly prev: number;
  readonly removed: boolean;
  /** The value is too large to be here: it is that of the document, if that still has this version. */
  readonly inDoc: boolean;
}

/** Counters of a record log. */
export interface RecordHead {
  readonly seq: number;
  readonly rows: number;
}

/** Where a record lies, and the fingerprint of its body. */
export interface RecordPointer {
  readonly seq: number;
  readonly keep: boolean;
  readonly sha: string;
}

/** Keys of one cluster. */
export class EtcdKeys {
  readonly root: string;
  readonly schema: string;
  readonly lock: string;
  readonly term: string;
  readonly docHead: string;
  readonly docLog: string;
  readonly docs: string;
  readonly changes: string;

  constructor(cluster: string) {
    this.root = `/sofa-registry/${encodeURIComponent(cluster)}/`;
    this.schema = `${this.root}schema`;
    this.lock = `${this.root}lock`;
    this.term = `${this.root}term`;
    this.docHead = `${this.root}docs/head`;
    this.docLog = `${this.root}docs/log`;
    this.docs = `${this.root}docs/d/`;
    this.changes = `${this.root}docs/c/`;
  }

  /** Prefix of one kind of key of a record log. */
  records(log: string, kind: 'p/' | 's/' | 't/' | 'head'): string {
    return `${this.root}r/${log}/${kind}`;
  }
}

/** A sequence as the end of a key. */
export function seqKey(seq: number): string {
  return String(seq).padStart(16, '0');
}

/** End of the range of sequences ('~' sorts behind all digits). */
export const SEQ_END = '~';

/** A first line and the bytes after it. */
export function withHeader(header: unknown, body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`, 'utf8'), body]);
}

/** Splits what {@link withHeader} made. @throws SR_STORE_CORRUPT */
export function splitHeader<T>(value: Buffer): { readonly header: T; readonly body: Buffer } {
  const end = value.indexOf(0x0a);
  if (end < 0) throw corrupt();
  return { header: json<T>(value.subarray(0, end)), body: value.subarray(end + 1) };
}

/** A JSON value. @throws SR_STORE_CORRUPT */
export function json<T>(value: Buffer): T {
  try {
    return JSON.parse(value.toString('utf8')) as T;
  } catch (error) {
    throw corrupt(error);
  }
}

function corrupt(cause?: unknown): StoreError {
  return new StoreError(
    'SR_STORE_CORRUPT',
    'a key in etcd under /sofa-registry/ was not written by this program',
    cause,
  );
}
