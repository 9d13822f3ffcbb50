/** Messages between our own processes. Data-to-data replication messages are in the files named `replica-*`. */
export * from './app-metadata.ts';
export * from './beat.ts';
export * from './client-link.ts';
export * from './codec.ts';
export * from './compare.ts';
export * from './datum-update.ts';
export * from './fetch.ts';
export * from './hello.ts';
export * from './node.ts';
export * from './record.ts';
export * from './replica-copy.ts';
export * from './replica-follow.ts';
export * from './replica-ops.ts';
export * from './replica-relay.ts';
export * from './write-batch.ts';
