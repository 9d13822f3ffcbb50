/**
 * Hot path. A slot's latest operations, for followers: a bounded ring with one sequence number per operation (design
 * section 5, reference/data-and-slots.md 18.3 point 7).
 */
import type { Datum } from './datum.ts';
import type { StoredPublisher } from './stored-publisher.ts';

/** One operation. `record` set: stored (version and stamp are the record's, here 0). `registerId` set: removed at (version, stamp). Neither: only the datum version moved. */
export interface SlotOp {
  readonly datum: Datum;
  /** Version of the datum after the operation. */
  readonly datumVersion: number;
  readonly record: StoredPublisher | null;
  readonly registerId: string | null;
  readonly version: number;
  readonly stamp: number;
}

/** Limits of one ring. */
export interface OpLogLimits {
  readonly opsMax: number;
  readonly bytesMax: number;
}

const OP_BYTES = 64;

/** The ring. */
export class OpLog {
  readonly #limits: OpLogLimits;
  #ops: (SlotOp | null)[] = [];
  /** Index of the oldest operation in the array; what is before it has been dropped. */
  #head = 0;
  #bytes = 0;
  #first: number;

  /** @param next sequence of the first operation to come */
  constructor(limits: OpLogLimits, next: number) {
    this.#limits = limits;
    this.#first = next;
  }

  /** Sequence of the oldest operation held (of the next one, when empty). */
  get first(): number {
    return this.#first;
  }

  /** Operations held. */
  get length(): number {
    return this.#ops.length - this.#head;
  }

  /** Payload bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Appends the operation with the sequence `first + length`. */
  push(op: SlotOp): void {
    this.#ops.push(op);
    this.#bytes += sizeOf(op);
    while (this.length > 0 && (this.length > this.#limits.opsMax || this.#bytes > this.#limits.bytesMax))
      this.#dropOldest();
  }

  /** The operation with this sequence, or undefined when it is not held. */
  at(sequence: number): SlotOp | undefined {
    const index = sequence - this.#first;
    return index < 0 ? undefined : (this.#ops[this.#head + index] ?? undefined);
  }

  #dropOldest(): void {
    const op = this.#ops[this.#head] as SlotOp;
    this.#ops[this.#head++] = null;
    this.#bytes -= sizeOf(op);
    this.#first++;
    if (this.#head > 64 && this.#head * 2 > this.#ops.length) {
      this.#ops = this.#ops.slice(this.#head);
      this.#head = 0;
    }
  }
}

function sizeOf(op: SlotOp): number {
  return OP_BYTES + (op.record === null ? 0 : op.record.bytes);
}
