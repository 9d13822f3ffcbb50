/** What the model stands on: the documented times, and what it asks about the rest of the simulation. */

/** Documented times the model relies on. */
export interface ModelHolds {
  /** A single client's publishers stay so long after its connection. */
  readonly graceMs: number;
  /** Those of many clients that were lost together. */
  readonly holdMs: number;
  /** Those of a dead session. */
  readonly leaseMs: number;
  /** Share and number of connections that count as many. */
  readonly massShare: number;
  readonly massMin: number;
}

/** What the model asks about the rest of the simulation. */
export interface ModelWorld {
  nowMs(): number;
  /** Client connections a session has open, as it sees it. */
  openAt(session: string): number;
  /** Zone of a session. */
  zoneOf(session: string): string;
  /** True if bytes get through between the two, both ways, and the session runs. */
  sound(client: string, session: string): boolean;
  /** True if a session has been paused or cut off from metas or data nodes for longer than a lease allows. */
  isolated(session: string): boolean;
  /** True while so many data nodes were lost together that copies of a slot may be gone. */
  dataAtRisk(): boolean;
  /** When that was last so, but for the first start of everything; -Infinity = never. */
  dataLostMs(): number;
  /** True while a session is paused, cut off from somebody, or was until a moment ago. */
  cutOff(session: string): boolean;
  /** True if a client does not read, or did not until a moment ago: it may be shown what is old. */
  slow(client: string): boolean;
  /** Since when nodes or store have been disturbed without a long enough rest; Infinity while all is calm. */
  disturbedSince(): number;
  /**
   * True while a session and a data node may both not have heard yet that the data node was deposed: availability comes first, so
   * such a pair goes on with what it knows, which is older than what others show meanwhile.
   */
  torn(session: string): boolean;
  /** True if the session withholds what the client registers: an operator wants it so. */
  withholds(session: string, client: string): boolean;
  /** True if all sessions do, those that are cut off or stand still as well. */
  withheldEverywhere(client: string): boolean;
  /** True if any session runs. */
  anySession(): boolean;
  violated(invariant: string, detail: string): void;
  trace(who: string, text: () => string): void;
}
