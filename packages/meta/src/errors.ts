/** Errors of this package. */

/** An operator's call reached a meta that does not lead. */
export class NotLeaderError extends Error {
  readonly code = 'SR_META_NOT_LEADER';
  /** Address of the leader; '' when none is known. */
  readonly leader: string;

  constructor(leader: string) {
    super(leader === '' ? 'no meta leads at the moment' : `this meta does not lead; ${leader} does`);
    this.name = 'NotLeaderError';
    this.leader = leader;
  }
}

/** What an operator asked about does not exist. */
export class UnknownNodeError extends Error {
  readonly code = 'SR_META_UNKNOWN_NODE';

  constructor(name: string) {
    super(`no node ${name} in the cluster`);
    this.name = 'UnknownNodeError';
  }
}
