/** Many official-like clients on a cluster, with services spread over all slots, and changes all the time. */
import { slotOf } from '@sofa-registry/model';
import { dataIdOf, GROUP } from '../load/messages.ts';
import { sleep } from '../load/waiting.ts';
import { type FleetContext, OfficialLikeClient } from './official-client.ts';
import { Oracle, type Publication, type Sight } from './oracle.ts';
import { Pace } from './pace.ts';

const SLOTS = 256;
const POLL_MS = 10;
/** Of so many changes one is a publication that leaves and another that comes. */
const TOGGLE_EVERY = 10;
/** Wrong lists that an error describes. */
const EXPLAINED_MAX = 8;

/** Sizes. */
export interface FleetPlan {
  readonly clients: number;
  readonly services: number;
  /** Publishers and subscribers of each service. */
  readonly publishers: number;
  readonly subscribers: number;
  query(): Promise<string>;
}

/** A change somebody waits for. */
export interface Probe {
  readonly publication: Publication;
  readonly revision: number;
}

/** See above. */
export class Fleet {
  readonly oracle: Oracle;
  readonly clients: OfficialLikeClient[];
  readonly #plan: FleetPlan;
  readonly #probeServices: readonly number[];
  /** Publications that come and go, with their clients. */
  readonly #passing: { client: OfficialLikeClient; publication: Publication }[] = [];
  readonly #churn = new Pace(() => this.#changeSomething());
  #ticks = 0;

  constructor(plan: FleetPlan) {
    this.#plan = plan;
    this.oracle = new Oracle(plan.services);
    const context: FleetContext = { family: 'cluster', oracle: this.oracle, query: () => plan.query() };
    this.clients = Array.from({ length: plan.clients }, (_, n) => new OfficialLikeClient(context, n));
    this.#probeServices = servicesOfAllSlots(plan.services);
    for (let service = 0; service < plan.services; service++) {
      for (let k = 0; k < plan.publishers; k++) this.#client(service * 7 + k * 31).publish(service);
      for (let k = 0; k < plan.subscribers; k++) this.#client(service * 11 + k * 53 + 17).watch(service);
    }
    this.clients.forEach((client, n) => {
      this.#passing.push({ client, publication: client.publish((n * 13) % plan.services) });
    });
  }

  start(): void {
    for (const client of this.clients) client.start();
  }

  /** Clients that live, of one session or of all. */
  living(session?: string): OfficialLikeClient[] {
    return this.clients.filter(
      (client) => client.alive && (session === undefined || client.session === session),
    );
  }

  /** Registrations that had to be repeated, all clients. */
  get repeated(): number {
    return this.clients.reduce((sum, { repeated }) => sum + repeated, 0);
  }

  /** Registrations that were on their way when the session closed the connection, all clients. */
  get cutShort(): number {
    return this.clients.reduce((sum, { cutShort }) => sum + cutShort, 0);
  }

  /** Changes from now on, `perSecond` of them; 0 stops them. */
  churn(perSecond: number): void {
    this.#churn.set(perSecond);
  }

  /** Changes one publication of a service of every slot, of living clients (that are chosen). */
  probe(chosen: (client: OfficialLikeClient) => boolean = () => true): Probe[] {
    const owners = new Map<number, { client: OfficialLikeClient; publication: Publication }>();
    for (const client of this.clients) {
      if (!client.alive || !chosen(client)) continue;
      for (const publication of client.publications) owners.set(publication.service, { client, publication });
    }
    const probes: Probe[] = [];
    for (const service of this.#probeServices) {
      const owner = owners.get(service);
      if (owner === undefined) continue;
      owner.client.update(owner.publication);
      probes.push({ publication: owner.publication, revision: owner.publication.revision });
    }
    return probes;
  }

  /** Waits until all subscribers (that are chosen) have seen the probes. @returns ms it took from now @throws after the limit */
  async seen(probes: readonly Probe[], limitMs: number, at?: (sight: Sight) => boolean): Promise<number> {
    const unseen = (): Probe[] =>
      probes.filter(({ publication, revision }) => !this.oracle.isSeen(publication, revision, at));
    return this.#until(
      limitMs,
      () => unseen().length === 0,
      () => `${unseen().length} of ${probes.length} probes are not seen`,
    );
  }

  /** Waits until nobody lists these. @throws after the limit */
  async gone(publications: readonly Publication[], limitMs: number): Promise<number> {
    const listed = (): number =>
      publications.filter((publication) => !this.oracle.isGone(publication)).length;
    return this.#until(
      limitMs,
      () => listed() === 0,
      () => `${listed()} of ${publications.length} are still listed`,
    );
  }

  /** Waits until a share of the clients has everything registered. @throws after the limit */
  async back(share: number, limitMs: number): Promise<number> {
    const settled = (): number => this.living().filter((client) => client.settled).length;
    const wanted = this.living().length * share;
    return this.#until(
      limitMs,
      () => settled() >= wanted,
      () => `${settled()} clients are registered, not ${wanted}`,
    );
  }

  /** Waits until the server lists of all clients name exactly these sessions. @throws after the limit */
  async informed(sessions: readonly string[], limitMs: number): Promise<number> {
    const wanted = sessions.toSorted().join();
    const others = (): number =>
      this.living().filter((client) => client.knownSessions.toSorted().join() !== wanted).length;
    return this.#until(
      limitMs,
      () => others() === 0,
      () => `${others()} clients have another server list than ${wanted}`,
    );
  }

  /** Stops the changes and waits until every list is exactly right and every client registered. @throws after the limit */
  async equal(limitMs: number): Promise<number> {
    this.churn(0);
    const unsettled = (): number => this.living().filter(({ settled }) => !settled).length;
    return this.#until(
      limitMs,
      () => unsettled() === 0 && this.oracle.wrong().length === 0,
      () => {
        const wrong = this.oracle.wrong();
        const words = wrong.slice(0, EXPLAINED_MAX).map((sight) => this.oracle.explain(sight));
        return `${unsettled()} clients are not registered, ${wrong.length} lists are wrong:\n  ${words.join('\n  ')}`;
      },
    );
  }

  /** Publications that are published. */
  get published(): number {
    return this.living().reduce((sum, { publications }) => sum + publications.length, 0);
  }

  /** Ends all clients. */
  stop(): void {
    this.churn(0);
    for (const client of this.clients) if (client.alive) client.die();
  }

  #client(n: number): OfficialLikeClient {
    return this.clients[n % this.clients.length];
  }

  #changeSomething(): void {
    if (++this.#ticks % TOGGLE_EVERY === 0) {
      const passing = this.#passing[Math.floor(Math.random() * this.#passing.length)];
      if (!passing.client.alive) return;
      passing.client.withdraw(passing.publication);
      passing.publication = passing.client.publish(Math.floor(Math.random() * this.#plan.services));
      return;
    }
    const client = this.clients[Math.floor(Math.random() * this.clients.length)];
    if (!client.alive || client.publications.length === 0) return;
    client.update(client.publications[Math.floor(Math.random() * client.publications.length)]);
  }

  async #until(limitMs: number, condition: () => boolean, problem: () => string): Promise<number> {
    const began = performance.now();
    while (!condition()) {
      if (performance.now() - began > limitMs) throw new Error(`after ${limitMs} ms ${problem()}`);
      await sleep(POLL_MS);
    }
    return performance.now() - began;
  }
}

/** A service of every slot. @throws if a slot has none */
function servicesOfAllSlots(services: number): number[] {
  const found = new Map<number, number>();
  for (let service = 0; service < services; service++) {
    const slot = slotOf(`${dataIdOf('cluster', service)}#@#DEFAULT_INSTANCE_ID#@#${GROUP}`, SLOTS);
    if (!found.has(slot)) found.set(slot, service);
  }
  if (found.size !== SLOTS) throw new Error(`${SLOTS - found.size} slots have no service`);
  return [...found.values()];
}
