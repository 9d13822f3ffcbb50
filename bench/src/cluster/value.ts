/** Payloads that say whose they are: publication and revision. */
import { payloadOf } from '../load/messages.ts';

const PAYLOAD_BYTES = 120;

/** Payload of a revision of a publication. */
export function valueOf(publication: number, revision: number): string {
  return payloadOf(`#${publication}.${revision}#`, PAYLOAD_BYTES);
}

/** The reverse of {@link valueOf}. @throws if it is none */
export function readValue(value: string): { publication: number; revision: number } {
  const found = /^#(\d+)\.(\d+)#/.exec(value);
  if (found === null) throw new Error(`a payload nobody published: ${value.slice(0, 80)}`);
  return { publication: Number(found[1]), revision: Number(found[2]) };
}
