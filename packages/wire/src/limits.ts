/**
 * Every bound this package enforces on bytes from the network. A decoder takes a complete limits object; build one with
 * the `...Limits` functions once, not per message.
 */

/** Limits of Bolt framing (wire 1.3: the reference has none, we must). */
export interface BoltLimits {
  /** Whole frame, head to CRC, in bytes. */
  readonly frameBytesMax: number;
  /** Class name field, in bytes; the format allows 32767. */
  readonly classNameBytesMax: number;
  /** Header map field, in bytes; registry frames carry none, SOFARPC ones may. */
  readonly headerBytesMax: number;
}

/** Default Bolt limits. */
export const BOLT_LIMITS: BoltLimits = Object.freeze({
  frameBytesMax: 10 * 1024 * 1024,
  classNameBytesMax: 1024,
  headerBytesMax: 32767,
});

/** Limits of message content, shared by the Hessian and the protobuf decoders. */
export interface ContentLimits {
  /** Nesting of lists, maps, objects and groups. */
  readonly depthMax: number;
  /** Elements of one list. */
  readonly listItemsMax: number;
  /** Entries of one map. */
  readonly mapEntriesMax: number;
  /** UTF-16 units of one string. */
  readonly stringUnitsMax: number;
  /** Values of one message in total, of any kind, skipped ones included. */
  readonly nodesMax: number;
  /** Class definitions of one message (Hessian). */
  readonly classDefsMax: number;
  /** Fields of one class definition (Hessian). */
  readonly fieldsMax: number;
  /** Distinct list and map type names of one message (Hessian). */
  readonly typesMax: number;
}

/** Default content limits: far above what a registry message needs, far below what hurts. */
export const CONTENT_LIMITS: ContentLimits = Object.freeze({
  depthMax: 32,
  listItemsMax: 200_000,
  mapEntriesMax: 20_000,
  stringUnitsMax: 4 * 1024 * 1024,
  nodesMax: 1_000_000,
  classDefsMax: 64,
  fieldsMax: 128,
  typesMax: 256,
});

/** Limits of packed boxes that arrive from another node. */
export interface BoxLimits {
  /** Boxes in one packed payload. */
  readonly boxesMax: number;
  /** Bytes of one packed payload. */
  readonly packedBytesMax: number;
}

/** Default limits of packed boxes. */
export const BOX_LIMITS: BoxLimits = Object.freeze({
  boxesMax: 200_000,
  packedBytesMax: 10 * 1024 * 1024,
});

/** Completes partial Bolt limits with the defaults. */
export function boltLimits(partial?: Partial<BoltLimits>): BoltLimits {
  return partial === undefined ? BOLT_LIMITS : Object.freeze({ ...BOLT_LIMITS, ...partial });
}

/** Completes partial content limits with the defaults. */
export function contentLimits(partial?: Partial<ContentLimits>): ContentLimits {
  return partial === undefined ? CONTENT_LIMITS : Object.freeze({ ...CONTENT_LIMITS, ...partial });
}
