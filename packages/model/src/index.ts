/** Public surface of `@sofa-registry/model`: pure facts and functions, no I/O. */
export * from './compress-push.ts';
export * from './crc32c.ts';
export * from './data-info-id.ts';
export * from './digest.ts';
export * from './doc-json.ts';
export * from './hybrid-clock.ts';
export * from './node-identity.ts';
export * from './publisher.ts';
export * from './scope.ts';
export * from './slot.ts';
export * from './traffic-docs.ts';
export * from './traffic-rules.ts';
