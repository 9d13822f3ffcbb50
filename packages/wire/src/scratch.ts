/** The one scratch writer all message encoders share: encoding is synchronous, so it is never in use twice. */
import { ByteWriter } from './bytes/byte-writer.ts';

const scratch = new ByteWriter(16 * 1024);

/** The scratch writer, empty, whatever happened to the last message. */
export function freshScratch(): ByteWriter {
  scratch.reset();
  return scratch;
}
