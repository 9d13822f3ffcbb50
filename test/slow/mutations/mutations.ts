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
    caughtBy: 'an old write comes late',
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
    name: 'off-client-stays-registered',
    what: 'a client that is off is taken out of the lists, but the session still holds it: the comparison brings it back',
    file: 'session/src/registry/session-registry.ts',
    find: `store.removePublisher(publisher);
    metrics.withheld.publish.value++;`,
    replace: '',
    caughtBy: 'a client is off while everything restarts',
  },
  {
    name: 'off-client-may-register',
    what: 'what a client that is off registers is stored',
    file: 'session/src/registry/session-registry.ts',
    find: 'if (kind.use !== null && !traffic.allows(kind.use, connection.host, service)) {',
    replace: 'if (kind.use !== null && version < 0) {',
    caughtBy: 'a client is off while everything restarts',
  },
  {
    name: 'off-client-stays-where-it-was',
    what: 'what a client that is off registers is not taken out of the lists, where another session has put it',
    file: 'session/src/registry/session-registry.ts',
    find: `kind.remove(service, registerId, version, stamp, held);
      store.release(service);
      connection.withhold(kind.use, service);`,
    replace: 'store.release(service);\n      connection.withhold(kind.use, service);',
    caughtBy: 'a client is off when its session has died',
  },
  {
    name: 'opened-client-is-not-asked',
    what: 'a client that is opened is not made to register anew',
    file: 'session/src/operator/session-traffic.ts',
    find: 'if (missing && !rules.reduced(host)) this.#closing.add(connection);',
    replace: '',
    caughtBy: 2,
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
    name: 'delta-on-a-wrong-base',
    what: 'a session applies a delta to whatever list it has',
    file: 'session/src/data/watched-datum.ts',
    find: "if (update.kind === UpdateKind.delta && update.from !== this.version) return 'gap';",
    replace: '',
    caughtBy: 'answers that come too late',
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
    find: 'const held = fault || this.mass(nowMs);',
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
    caughtBy: 29,
  },
  {
    name: 'no-new-stamp',
    what: 'a live publisher hidden by a newer stamp of another session stays hidden',
    file: 'session/src/registry/doubts.ts',
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
  {
    name: 'show-twice',
    what: 'a data leader shows temporary publications again with the next change',
    file: 'data/src/temporaries.ts',
    find: 'this.#waiting.clear();',
    replace: '',
    caughtBy: 4,
  },
  {
    name: 'temporary-under-the-next-version',
    what: 'the list with temporary publications has the version of the list without',
    file: 'data/src/temporaries.ts',
    find: 'version: store.raisePast(slot.store, datum)',
    replace: 'version: (store.raisePast(slot.store, datum), datum.version)',
    caughtBy: 4,
  },
  {
    name: 'temporary-stays',
    what: 'nothing takes a temporary publication off the lists again',
    file: 'session/src/data/watched-datum.ts',
    find: 'this.contentVersion = this.version;\n    const inZone',
    replace: 'const inZone',
    caughtBy: 4,
  },
  {
    name: 'older-record-wins',
    what: 'an older record of a publisher replaces a newer one',
    file: 'data/src/datum-store.ts',
    find: 'if (order <= 0) return this.#stale(held.version, held.stamp);',
    replace: 'if (order === 0) return this.#stale(held.version, held.stamp);',
    caughtBy: 'an old write comes late',
  },
  {
    name: 'promote-a-stale-follower',
    what: 'the follower whose copy is least complete takes over',
    file: 'meta/src/core/slot-repair.ts',
    find: 'Number(rb?.complete ?? false) - Number(ra?.complete ?? false) ||\n    (rb?.leaderEpoch ?? 0) - (ra?.leaderEpoch ?? 0) ||\n    (rb?.sequence ?? 0) - (ra?.sequence ?? 0) ||',
    replace:
      'Number(ra?.complete ?? false) - Number(rb?.complete ?? false) ||\n    (ra?.leaderEpoch ?? 0) - (rb?.leaderEpoch ?? 0) ||\n    (ra?.sequence ?? 0) - (rb?.sequence ?? 0) ||',
    caughtBy: 'one of two followers has no copy yet',
  },
  {
    name: 'drop-a-retry',
    what: 'a read that a data node refused or did not answer is not tried again',
    file: 'session/src/data/subscriptions.ts',
    find: 'this.#retry = null;\n      this.wake();',
    replace: 'this.#retry = null;',
    caughtBy: 39,
  },
  {
    name: 'renew-without-term-check',
    what: 'the store extends the lock for whoever asks, whatever its term',
    file: 'store/src/memory.ts',
    find: `if (live === null || live.token !== this.ctx.token || live.term !== term) throw leaseLost(term);
      live.untilMs = monoMs + live.ttlMs;
      return this.row(c, monoMs);`,
    replace: `if (live === null) throw leaseLost(term);
      live.untilMs = monoMs + live.ttlMs;
      return { ...this.row(c, monoMs), term, mine: true };`,
    caughtBy: 'meta 5',
  },
  {
    name: 'double-leader',
    what: 'a second meta gets the lock while the first one holds it',
    file: 'store/src/memory.ts',
    find: 'if (live !== null && !this.holds(live, me)) return this.row(c, monoMs);',
    replace: '',
    caughtBy: 'meta 1',
  },
  {
    name: 'lead-beyond-the-lease',
    what: 'a meta leads until the store tells it otherwise',
    file: 'meta/src/elector.ts',
    find: 'return this.#leading && this.#clock.monoMs() < this.#leadUntilMs;',
    replace: 'return this.#leading;',
    caughtBy: 'meta 1',
  },
  {
    name: 'lease-counts-from-the-answer',
    what: 'the holder counts its lease, all of it, from when it hears of it',
    file: 'store/src/driver-store.ts',
    find: 'const leadUntilMonoMs = row.mine ? sentMs + Math.max(0, trustMs) : 0;',
    replace:
      'const leadUntilMonoMs = row.mine && sentMs >= 0 && trustMs > 0 ? this.ctx.clock.monoMs() + this.ttlMs : 0;',
    caughtBy: 'the store answers late, then not at all',
  },
  {
    name: 'restarted-node-leads',
    what: 'a data node that restarted gets the old table and leads what its former process held',
    file: 'meta/src/slot-keeper.ts',
    find: 'if (!this.#fresh.has(address)) return false;',
    replace: 'return false;',
    caughtBy: 109,
  },
  {
    name: 'write-without-fence',
    what: 'the slot table is written whoever leads by now',
    file: 'meta/src/slot-keeper.ts',
    find: 'await store.docs.put(TABLE_DOC, text, { expect: this.#stored, fence });',
    replace: "await store.docs.put(TABLE_DOC, text, { expect: 'any' });",
    caughtBy: 'meta 21',
  },
  {
    name: 'table-without-term',
    what: 'epochs of slot tables are counted on, without the term',
    file: 'meta/src/core/slot-plan.ts',
    find: 'const epoch = Math.max(epochOf(term, 1), table.epoch + 1);',
    replace: 'const epoch = term < 0 ? epochOf(term, 1) : table.epoch + 1;',
    caughtBy: 'meta 2',
  },
  {
    name: 'publish-before-stored',
    what: 'nodes hear of a slot table before the store has it',
    file: 'meta/src/slot-keeper.ts',
    find: 'const written = await this.#write(table);',
    replace: "void this.#write(table);\n    const written: string = 'written';",
    caughtBy: 'meta 2',
  },
  {
    name: 'forget-the-stored-table',
    what: 'a new leader does not go on from the table that is stored',
    file: 'meta/src/slot-keeper.ts',
    find: 'if (doc === null) return [];',
    replace: 'if (doc !== undefined) return [];',
    caughtBy: 'meta 1',
  },
  {
    name: 'act-before-listening',
    what: 'a new leader acts at once',
    file: 'meta/src/slot-keeper.ts',
    find: 'if (this.table.epoch === 0 || listenMs === 0) this.warm = true;',
    replace: 'if (listenMs >= 0) this.warm = true;',
    caughtBy: 'meta 2',
  },
  {
    name: 'evict-on-a-wall-clock',
    what: 'leases of nodes are counted on the wall clock',
    file: 'meta/src/term.ts',
    find: 'this.#ports = ports;\n    this.#facts = facts;',
    replace: `const { clock } = ports;
    this.#ports = {
      ...ports,
      clock: {
        monoMs: () => clock.wallMs(),
        wallMs: () => clock.wallMs(),
        setTimer: (ms, fn) => clock.setTimer(ms, fn),
        defer: (fn) => clock.defer(fn),
      },
    };
    this.#facts = facts;`,
    caughtBy: 'the clock is set back when a data node dies',
  },
  {
    name: 'no-eviction-guard',
    what: 'any number of data nodes may be evicted at once',
    file: 'meta/src/core/membership.ts',
    find: 'const held = data.slice(Math.max(0, allowed));',
    replace: 'const held = data.slice(allowed < 0 ? 0 : data.length);',
    caughtBy: 'most data nodes are cut off from the metas',
  },
  {
    name: 'evict-without-asking',
    what: 'a suspect is evicted without a question to its peers',
    file: 'meta/src/core/membership.ts',
    find: "if (member.verdict !== 'dead') return false;",
    replace: '',
    caughtBy: 'meta 1',
  },
  {
    name: 'move-while-protected',
    what: 'slots are moved although it is not known who lives',
    file: 'meta/src/slot-keeper.ts',
    find: "return kind === 'refill' || !this.#host.protected();",
    replace: 'return true;',
    caughtBy: 'a data node joins while evictions are held back',
  },
  {
    name: 'accept-another-slot-count',
    what: 'a node with another number of slots may join',
    file: 'meta/src/term.ts',
    find: 'if (slotCount !== slotConfig.slotCount) return',
    replace: 'if (slotCount < 0) return',
    caughtBy: 'meta 9',
  },
  {
    name: 'accept-another-data-centre',
    what: 'a node of another data centre may join',
    file: 'meta/src/term.ts',
    find: 'if (node.dataCenter !== dataCenter) return',
    replace: "if (node.dataCenter === '') return",
    caughtBy: 'meta 1',
  },
  {
    name: 'same-content-is-news',
    what: 'publishing the same content again moves the version',
    file: 'data/src/datum-store.ts',
    find: 'const same = held?.sameContent(record) ?? false;',
    replace: 'const same = false;',
    caughtBy: 1,
  },
  {
    name: 'data-before-role',
    what: 'a data node that loses a slot keeps its data readable',
    file: 'data/src/slot-board.ts',
    find: 'slot.store = null;\n    if (led) this.#events.closed(slot);\n    if (store !== null) this.#state.store.dropSlot(store);',
    replace: 'if (led && store !== null) this.#events.closed(slot);',
    caughtBy: 1,
  },
  {
    name: 'tombstones-without-limit',
    what: 'the limit of tombstones is ignored',
    file: 'data/src/datum-store.ts',
    find: 'if (this.tombstones >= tunables.tombstonesMax) {',
    replace: 'if (this.tombstones < 0) {',
    caughtBy: 'small buffers',
  },
];
