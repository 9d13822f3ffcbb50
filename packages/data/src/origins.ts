/** Hot path. Who published a record, in one object for all registrations of a client: four fields and as many look-ups less. */
import type { PublisherRecord } from '@sofa-registry/model';
import { Interner } from './interner.ts';
import type { Owner } from './owner.ts';

/** The client and the session that speaks for it. */
export class Origin {
  readonly owner: Owner;
  readonly zone: string;
  readonly appName: string;
  readonly clientAddress: string;

  constructor(owner: Owner, zone: string, appName: string, clientAddress: string) {
    this.owner = owner;
    this.zone = zone;
    this.appName = appName;
    this.clientAddress = clientAddress;
  }
}

/**
 * Origins by client address, in two generations: what was not asked for during a whole generation is forgotten, so memory is bounded
 * by twice `generationMax` whatever arrives. One address with several zones or names keeps the latest.
 */
export class Origins {
  readonly #words: Interner;
  readonly #generationMax: number;
  #young = new Map<string, Origin>();
  #old = new Map<string, Origin>();

  /** @param generationMax origins of one generation */
  constructor(generationMax: number) {
    this.#generationMax = generationMax;
    this.#words = new Interner(generationMax);
  }

  /** The origin of a record, shared. */
  of(record: PublisherRecord, owner: Owner): Origin {
    const { clientAddress } = record;
    const young = this.#young.get(clientAddress);
    if (young !== undefined && isOf(young, record, owner)) return young;
    const old = this.#old.get(clientAddress);
    const origin =
      old !== undefined && isOf(old, record, owner)
        ? old
        : new Origin(owner, this.#words.get(record.zone), this.#words.get(record.appName), clientAddress);
    if (this.#young.size >= this.#generationMax) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(clientAddress, origin);
    return origin;
  }
}

function isOf(origin: Origin, record: PublisherRecord, owner: Owner): boolean {
  return origin.owner === owner && origin.zone === record.zone && origin.appName === record.appName;
}
