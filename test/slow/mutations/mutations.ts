/**
 * Deliberate bugs: each is one replacement in one source file of a tier, made while the module is loaded in a worker of its own.
 * Production code carries no switches. The simulator must find every one of them (docs/simulation.md has the table).
 */

import type { Trial } from './trials.ts';

/** One bug. */
export interface Mutation {
  readonly name: string;
  /** What it breaks, for people. */
  readonly what: string;
  /** Below packages/. */
  readonly file: string;
  /** Must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** The seed or scenario that finds it. */
  readonly caughtBy: Trial;
}

/** All of them. */
export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'skip-tombstone',
    what: 'a removal leaves no tombstone, so a delayed write brings the publisher back',
    file: 'data/src/datum-store.ts',
    find: 'this.#grave(slot, datum, held.registerId, version, stamp);',
    replace: '',
    caughtBy: 6,
  },
  {
    name: 'removal-keeps-version',
    what: 'removing a publisher does not move the version of the datum',
    file: 'data/src/datum-store.ts',
    find: 'this.#touch(slot, datum, held.registerId, datumVersion);',
    replace: '',
    caughtBy: 1,
  },
  {
    name: 'client-off-of-any-owner',
    what: 'a closed connection removes publishers that another session owns by now',
    file: 'data/src/datum-store.ts',
    find: `if (held.owner !== owner) return Outcome.ignored;
    if (compareRegisterVersion(version, stamp, held.version, held.stamp) < 0) return Outcome.ignored;`,
    replace: '',
    caughtBy: 6,
  },
  {
    name: 'first-session-is-enough',
    what: 'a migrating leader answers when the first session has replayed',
    file: 'data/src/held-slot.ts',
    find: `if (heard.size === 0 || heard.size < census.present.size) return false;
    for (const processId of census.present) if (!heard.has(processId)) return false;`,
    replace: 'if (heard.size === 0) return false;',
    caughtBy: 21,
  },
  {
    name: 'lease-ignores-life-signs',
    what: 'the lease of a session ends although it is connected and listed',
    file: 'data/src/lease.ts',
    find: 'const alive = new Set<string>();',
    replace: 'const alive = new Set<string>();\n    if (nowMs > 0) return alive;',
    caughtBy: 1,
  },
  {
    name: 'lease-never-ends',
    what: 'publishers of a dead session stay for ever',
    file: 'data/src/lease.ts',
    find: 'nowMs - owner.aliveMs >= this.#leaseOf(owner)',
    replace: 'nowMs < 0',
    caughtBy: 1,
  },
  {
    name: 'version-not-raised',
    what: 'a data node that is behind a session does not raise its version',
    file: 'data/src/notifier.ts',
    find: 'if (version <= datum.version || slot.store === null) return;',
    replace: 'if (version >= 0 || slot.store === null) return;',
    caughtBy: 1,
  },
  {
    name: 'follower-drops-removals',
    what: 'a follower does not apply removals of the op-log',
    file: 'data/src/replica-follower.ts',
    find: 'rules.applyRemoval(store, op.dataInfoId, op.registerId, op.version, op.stamp, version);',
    replace: '{}',
    caughtBy: 13,
  },
  {
    name: 'follower-never-complete',
    what: 'a follower that is in step does not say so',
    file: 'data/src/replica-follower.ts',
    find: 'if (answer.mode === FollowMode.equal) this.#completed(slot, true);',
    replace: 'if (answer.mode === FollowMode.equal) this.#completed(slot, false);',
    caughtBy: 1,
  },
  {
    name: 'fail-over-to-anybody',
    what: 'a slot whose leader died goes to any node, with a copy or without',
    file: 'meta/src/core/slot-repair.ts',
    find: 'if (heir !== undefined) plan.lead(slot, heir);',
    replace: 'if (heir !== undefined) plan.lead(slot, (heir + 1) % plan.nodes.length);',
    caughtBy: 1,
  },
  {
    name: 'forget-the-epoch-check',
    what: 'a node takes over any slot table it is sent',
    file: 'cluster/src/cluster-view.ts',
    find: 'const table = parts.table !== null && parts.table.epoch > this.table.epoch;',
    replace: 'const table = parts.table !== null;',
    caughtBy: 1,
  },
  {
    name: 'delta-on-a-wrong-base',
    what: 'a session applies a delta to whatever list it has',
    file: 'session/src/data/watched-datum.ts',
    find: "if (update.kind === UpdateKind.delta && update.from !== this.version) return 'gap';",
    replace: '',
    caughtBy: 'hand-overs under writes',
  },
  {
    name: 'delta-forgets-removals',
    what: 'a session does not remove what a delta removes',
    file: 'session/src/data/watched-datum.ts',
    find: 'this.entries.delete(registerId);\n      changes.push({ registerId, beforeZone: before.zone, after: null });',
    replace: 'changes.push({ registerId, beforeZone: before.zone, after: null });',
    caughtBy: 1,
  },
  {
    name: 'no-hold-for-many',
    what: 'clients that are lost together are taken off the lists like a single one',
    file: 'session/src/departures.ts',
    find: 'const held = fault || wasMass || isMass;',
    replace: 'const held = fault;',
    caughtBy: 7,
  },
  {
    name: 'no-grace',
    what: 'publishers of a closed connection leave at once',
    file: 'session/src/departures.ts',
    find: '(held ? holdMs : graceMs)',
    replace: '(held ? holdMs : 0)',
    caughtBy: 1,
  },
  {
    name: 'no-wait-after-a-restart',
    what: 'first pushes do not wait for the clients to be back after a restart of everything',
    file: 'session/src/restart-gate.ts',
    find: 'this.#closed = expectedPublishers > 0 && holdMs > 0;',
    replace: 'this.#closed = false;',
    caughtBy: 'restart of everything',
  },
  {
    name: 'forget-what-changed-in-flight',
    what: 'a change that comes while a push is unacknowledged is not pushed',
    file: 'session/src/push/push-engine.ts',
    find: 'if (this.#behind(target)) this.#afterChange(target);',
    replace: '',
    caughtBy: 13,
  },
  {
    name: 'no-new-stamp',
    what: 'a live publisher hidden by a newer stamp of another session stays hidden',
    file: 'session/src/session-registry.ts',
    find: 'metrics.writeRestamped.value++;',
    replace: 'store.hide(publisher);\n    if (metrics !== null) return;',
    caughtBy: 'moved to a session that is behind',
  },
  {
    name: 'no-comparison',
    what: 'a session never compares what it holds with the data leaders',
    file: 'session/src/anti-entropy.ts',
    find: 'if (channel === null) return;\n    if (this.#comparing.has(leader)) {',
    replace: 'if (channel !== undefined) return;\n    if (this.#comparing.has(leader)) {',
    caughtBy: 1,
  },
];
