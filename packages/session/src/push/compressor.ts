/** Compression of pushes, off the event loop (F228, wire 4.7). */
import { promisify } from 'node:util';
import { gzip, zstdCompress } from 'node:zlib';

/** Compresses bodies. */
export interface Compressor {
  /** True if this encoding can be made. */
  knows(encoding: string): boolean;
  /** The compressed bytes. @throws for bytes that cannot be compressed */
  compress(encoding: string, bytes: Buffer): Promise<Buffer>;
}

const METHODS: ReadonlyMap<string, (bytes: Buffer) => Promise<Buffer>> = new Map([
  ['zstd', promisify(zstdCompress) as (bytes: Buffer) => Promise<Buffer>],
  ['gzip', promisify(gzip) as (bytes: Buffer) => Promise<Buffer>],
]);

/** zstd and gzip on the thread pool of the process. */
export function zlibCompressor(): Compressor {
  return {
    knows: (encoding) => METHODS.has(encoding),
    compress: (encoding, bytes) => {
      const method = METHODS.get(encoding);
      return method === undefined ? Promise.reject(new Error(`unknown encoding ${encoding}`)) : method(bytes);
    },
  };
}
