/**
 * Every bound of the store, in one place. Hitting one is answered with SR_STORE_TOO_LARGE and never with a truncated value.
 * Source: design.md law 6; reference/meta-and-admin.md 12.5 (7), 12.6 (limits row).
 */
export const STORE_LIMITS = {
  /** Longest key of a document or record, UTF-8 bytes (a MySQL index holds 3072 bytes; ours also carry the cluster id). */
  keyBytesMax: 1_024,
  /** Longest cluster id, UTF-8 bytes. */
  clusterBytesMax: 128,
  /** Longest address of a lock holder, bytes. */
  holderBytesMax: 255,
  /** Largest document value, UTF-8 bytes. A value of exactly 1 MiB is refused. */
  docBytesMax: 1_048_575,
  /** Most documents of one cluster. */
  docsMax: 10_000,
  /** Changes of documents that are remembered for watchers; a watcher further behind gets `reset`. */
  docChangesMax: 512,
  /** Bytes of values in the remembered changes. */
  docChangeBytesMax: 16_777_216,
  /** Largest encoded record, bytes. */
  recordBytesMax: 1_048_575,
  /** Most records of one log. */
  recordsMax: 200_000,
  /** Most rows of one upsert or keys of one touch. */
  recordBatchMax: 256,
  /** Most bytes of one upsert. */
  recordBatchBytesMax: 4_194_304,
  /** Most rows of one scan or expire; larger limits are lowered to this. */
  scanRowsMax: 1_000,
  /** Most bytes of one page of a scan; the page ends early when they are reached (but always holds one row). */
  scanBytesMax: 4_194_304,
  /** Most watches open on one store handle. */
  watchesMax: 64,
  /** Shortest and longest lease, ms. */
  leaseTtlMsMin: 100,
  leaseTtlMsMax: 3_600_000,
} as const;
