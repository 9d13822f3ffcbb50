/** Public surface of `@sofa-registry/wire`: bytes in, bytes out, no I/O. */
export * from './errors.ts';
export * from './limits.ts';
export * from './boxes.ts';
export { ByteWriter } from './bytes/byte-writer.ts';
export * from './bolt/frame.ts';
export { FrameDecoder } from './bolt/frame-decoder.ts';
export * from './bolt/frame-encoder.ts';
export * from './client/class-names.ts';
export * from './client/types.ts';
