/**
 * What an operator does while things fail: takes nodes out, freezes the slot table, stops pushes, asks for a table, restores the
 * store from a backup. As over HTTP: the leader of the moment is asked until it says that it is done, and in the end everything is
 * taken back.
 */
import type { MetaServer } from '@sofa-registry/meta';
import type { Fault } from './faults.ts';
import { leads, metaOf, type SimCluster, type SimNode } from './sim-cluster.ts';
import { simDelay } from './sim-clock.ts';
import type { SimWorld } from './sim-host.ts';

/** How often a leader is looked for that takes the word, ms. */
const RETRY_MS = 300;
/** A leader that has not answered after so long is asked again, ms. */
const ANSWER_MS = 3000;
/** What was asked of a leader that stood still is done by now, ms. */
const LATE_MS = 1000;
/** A restored store is not there at once: longer than the second in which a term is counted by the store's clock. */
const RESTORE_MS = 1100;

type Admin = MetaServer['admin'];
type Word = (admin: Admin) => Promise<unknown>;

/** What the operator needs beside the cluster. */
export interface OperatorPorts {
  /** Name of the nth client that lives; '' if there are fewer. */
  client(index: number): string;
  /** Begins a disturbance of a node; returns its end. */
  disturb(node: SimNode): () => void;
  /** Runs what makes the store another one. */
  restoring(restore: () => void): void;
}

/** The operator. */
export class Operator {
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  readonly #ports: OperatorPorts;
  /** What was said, by what it is about; `count`: of how many faults it is part now. */
  readonly #said = new Map<string, { readonly word: Word; readonly back: Word; count: number }>();
  /** Words that were not taken yet. */
  #unsaid = 0;
  /** The last word about something; earlier ones are not repeated. */
  readonly #last = new Map<string, number>();
  #words = 0;
  /** Since when the slot table is frozen for sure; Infinity while it may move. */
  frozenMs = Infinity;
  /** Ends when the store is whole again: the backup. */
  #restore: (() => void) | null = null;

  constructor(world: SimWorld, cluster: SimCluster, ports: OperatorPorts) {
    this.#world = world;
    this.#cluster = cluster;
    this.#ports = ports;
  }

  /** True while something is to be said or taken back. */
  get busy(): boolean {
    return this.#unsaid > 0;
  }

  /** Begins what the fault says; returns its end, undefined if it is nothing an operator does. */
  begin(fault: Fault): (() => void) | null | undefined {
    switch (fault.kind) {
      case 'drain': {
        const { address } = this.#cluster.node(fault.node);
        return this.#during(
          address,
          (admin) => admin.setDraining(address, true),
          (admin) => admin.setDraining(address, false),
        );
      }
      case 'freeze':
        return this.#freeze();
      case 'stopPush': {
        const gray = Array.from({ length: fault.gray }, (_, i) => this.#ports.client(i));
        return this.#during(
          'push',
          async (admin) => {
            await admin.putDoc('switch/push-gray', JSON.stringify(gray));
            await admin.putDoc('switch/stop-push', 'true');
          },
          (admin) => admin.putDoc('switch/stop-push', 'false'),
        );
      }
      case 'refresh':
        this.#say('refresh', (admin) => admin.refreshTable());
        return null;
      case 'restore':
        return this.#backup();
      default:
        return undefined;
    }
  }

  /** Takes everything back. */
  end(): void {
    this.#restore = null;
    for (const [what, said] of this.#said) {
      if (said.count === 0) continue;
      said.count = 0;
      this.#takeBack(what, LATE_MS);
    }
  }

  #during(what: string, word: Word, back: Word): () => void {
    const said = this.#said.get(what) ?? { word, back, count: 0 };
    this.#said.set(what, said);
    said.count++;
    this.#say(what, word);
    return () => {
      if (said.count > 0 && --said.count === 0) this.#takeBack(what, 0);
    };
  }

  #freeze(): () => void {
    return this.#during(
      'table',
      async (admin) => {
        await admin.setReconcile(false);
        if (this.#said.get('table')?.count === 0) return;
        this.frozenMs = Math.min(this.frozenMs, this.#world.clock.monoMs());
      },
      (admin) => admin.setReconcile(true),
    );
  }

  #takeBack(what: string, afterMs: number): void {
    const said = this.#said.get(what);
    if (what === 'table') this.frozenMs = Infinity;
    this.#unsaid++;
    this.#later(afterMs, () => {
      this.#unsaid--;
      if (said !== undefined && said.count === 0) this.#say(what, said.back);
    });
  }

  /** Says it until a leader has done it, or something else was said about it. */
  #say(what: string, word: Word): void {
    const number = ++this.#words;
    this.#last.set(what, number);
    this.#unsaid++;
    let done = false;
    const end = (): void => {
      if (done) return;
      done = true;
      this.#unsaid--;
    };
    const ask = (): void => {
      if (done) return;
      if (this.#last.get(what) !== number) {
        end();
        return;
      }
      const leader = this.#cluster.up('meta').find(leads);
      const server = leader === undefined ? null : metaOf(leader);
      if (server === null) {
        this.#later(RETRY_MS, ask);
        return;
      }
      let answered = false;
      // It is a request to that process: it waits while the process stands still, and dies with it.
      leader?.host?.clock.run(() => {
        if (done || this.#last.get(what) !== number) return;
        word(server.admin).then(end, () => {
          answered = true;
          this.#later(RETRY_MS, ask);
        });
      });
      this.#later(ANSWER_MS, () => {
        if (!answered) ask();
      });
    };
    ask();
  }

  #later(ms: number, fn: () => void): void {
    this.#world.clock.setTimer(simDelay(ms), fn);
  }

  /** The store goes back to what it is now when this ends: the metas are stopped meanwhile, as the book says. */
  #backup(): () => void {
    const restore = this.#cluster.backend.snapshot();
    this.#restore = restore;
    return () => this.#stopMetas(restore, new Map(), true);
  }

  /** Stops the metas that run, for as long as a restore takes; and again, should one have been started meanwhile. */
  #stopMetas(restore: () => void, stopped: Map<SimNode, () => void>, first: boolean): void {
    if (this.#restore !== restore) return;
    const metas = this.#cluster.of('meta').filter((meta) => meta.host !== null);
    for (const meta of metas) {
      if (!stopped.has(meta)) stopped.set(meta, this.#ports.disturb(meta));
      this.#cluster.crash(meta.name, false);
    }
    if (first || metas.length > 0) this.#later(RESTORE_MS, () => this.#stopMetas(restore, stopped, false));
    else this.#restored(restore, stopped);
  }

  #restored(restore: () => void, stopped: ReadonlyMap<SimNode, () => void>): void {
    this.#restore = null;
    this.#ports.restoring(restore);
    for (const end of stopped.values()) end();
    for (const meta of stopped.keys()) this.#cluster.start(meta.name);
    this.frozenMs = Infinity;
    // The documents are those of then: they are put again.
    for (const [what, { word, back, count }] of this.#said) this.#say(what, count > 0 ? word : back);
  }
}
