/**
 * A client that behaves as the official Java one when its session dies (reference/wire.md 3 and 4): server list with weights,
 * serial registrations that are repeated until each is acknowledged, everything again after a reconnect, lists that outlive
 * connections, heartbeats.
 */
import * as wire from '@sofa-registry/wire';
import { LoadConnection } from '../load/connection.ts';
import {
  dataIdOf,
  isAccepted,
  publish,
  readPush,
  registIdOf,
  subscribe,
  unpublish,
} from '../load/messages.ts';
import { sleep } from '../load/waiting.ts';
import type { Oracle, Publication, Sight } from './oracle.ts';
import { type Candidate, choose, readServerList } from './server-list.ts';
import { valueOf } from './value.ts';

/** The worker looks for lost connections and for undone registrations this often. */
const RECHECK_MS = 500;
const REQUEST_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 3_000;
/** Longest random wait after a failed connect. */
const NEXT_SERVER_MS = 5_000;
const ALL_FAILED_MS = 5_000;
const REFRESH_MS = 30_000;
const BEAT_MS = 15_000;
const BEATS_LOST_MAX = 3;

/** What clients of one fleet share. */
export interface FleetContext {
  readonly family: string;
  readonly oracle: Oracle;
  /** Answer of `queryWithWeight` through whatever stands before the sessions. @throws when nobody answers */
  query(): Promise<string>;
}

interface Registration {
  readonly registId: string;
  readonly publication: Publication | null;
  readonly sight: Sight | null;
  version: number;
  acked: number;
}

/** See above. */
export class OfficialLikeClient {
  readonly name: string;
  /** Registrations that were refused or not answered. */
  repeated = 0;
  /** Registrations whose connection the session closed before the answer. */
  cutShort = 0;
  /** Connections it opened. */
  connects = 0;
  /** Longest time from a lost connection until everything was registered again, ms. */
  longestAwayMs = 0;
  readonly publications: Publication[] = [];
  readonly #context: FleetContext;
  readonly #registrations = new Map<string, Registration>();
  readonly #undone = new Set<Registration>();
  readonly #sights = new Map<string, Sight>();
  #candidates: Candidate[] = [];
  #connection: LoadConnection | null = null;
  #session = '';
  #alive = true;
  #awayUntilMs = 0;
  /** Since when it is without a session that has everything; Infinity if it has one. */
  #lostMs = Infinity;
  #wake: () => void = () => undefined;
  readonly #timers: ReturnType<typeof setTimeout>[] = [];

  constructor(context: FleetContext, number: number) {
    this.#context = context;
    this.name = `client-${number}`;
  }

  /** Address of its session; '' without one. */
  get session(): string {
    return this.#session;
  }

  /** Addresses of the sessions it would try. */
  get knownSessions(): string[] {
    return this.#candidates.map(({ host, port }) => `${host}:${port}`);
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** True when everything is registered. */
  get settled(): boolean {
    return this.#connection !== null && this.#undone.size === 0;
  }

  /** Starts connecting; see {@link settled}. */
  start(): void {
    const refresh = setTimeout(() => {
      void this.#refresh();
      this.#timers.push(setInterval(() => void this.#refresh(), REFRESH_MS));
    }, Math.random() * REFRESH_MS);
    this.#timers.push(
      refresh,
      setInterval(() => this.#beat(), BEAT_MS),
    );
    void this.#work();
  }

  publish(service: number): Publication {
    const publication = this.#context.oracle.publish(service);
    this.publications.push(publication);
    this.#add({
      registId: registIdOf('publication', publication.number),
      publication,
      sight: null,
      version: 1,
      acked: 0,
    });
    return publication;
  }

  update(publication: Publication): void {
    this.#context.oracle.update(publication);
    this.#changed(publication);
  }

  withdraw(publication: Publication): void {
    this.#context.oracle.withdraw(publication);
    this.publications.splice(this.publications.indexOf(publication), 1);
    this.#changed(publication);
  }

  watch(service: number): void {
    const sight = this.#context.oracle.watch(service, this.name);
    const dataId = dataIdOf(this.#context.family, service);
    this.#sights.set(dataId, sight);
    this.#add({
      registId: registIdOf(`watch-${service}`, this.#number()),
      publication: null,
      sight,
      version: 1,
      acked: 0,
    });
  }

  /** The socket breaks; the client comes back by itself, but not before `awayMs` have passed. */
  cut(awayMs = 0): void {
    this.#awayUntilMs = performance.now() + awayMs;
    this.#connection?.destroy();
  }

  /** Gone for good, without a word: its publications may leave the lists. */
  die(): void {
    this.#alive = false;
    for (const timer of this.#timers) clearTimeout(timer);
    for (const publication of this.publications) this.#context.oracle.withdraw(publication);
    for (const sight of this.#sights.values()) this.#context.oracle.forget(sight);
    this.#connection?.destroy();
    this.#wake();
  }

  #number(): number {
    return Number(this.name.slice('client-'.length));
  }

  #add(registration: Registration): void {
    this.#registrations.set(registration.registId, registration);
    this.#undone.add(registration);
    this.#wake();
  }

  #changed(publication: Publication): void {
    const registration = this.#registrations.get(registIdOf('publication', publication.number));
    if (registration === undefined) return;
    registration.version++;
    this.#undone.add(registration);
    this.#wake();
  }

  async #work(): Promise<void> {
    while (this.#alive) {
      if (this.#connection === null) await this.#connect();
      else if (!(await this.#registerAll())) await this.#awake(RECHECK_MS);
    }
  }

  /** Waits until something is to do. */
  async #awake(limitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, limitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }

  /** One pass over what is not acknowledged. @returns true when there may be more to do at once */
  async #registerAll(): Promise<boolean> {
    const connection = this.#connection;
    let refused = false;
    for (const registration of this.#undone) {
      if (connection === null || connection !== this.#connection) return true;
      refused = !(await this.#register(connection, registration)) || refused;
    }
    return !refused && this.#undone.size > 0;
  }

  async #register(connection: LoadConnection, registration: Registration): Promise<boolean> {
    const { version } = registration;
    const { className, content } = this.#message(registration);
    const sent = !connection.closed;
    const frame = await new Promise<wire.Frame | null>((resolve) => {
      const timer = setTimeout(() => resolve(null), REQUEST_TIMEOUT_MS);
      connection.request(className, content, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
    if (!isAccepted(frame, version)) {
      if (!connection.closed) this.repeated++;
      else if (sent && this.#alive) this.cutShort++;
      return false;
    }
    if (connection !== this.#connection) return false;
    registration.acked = version;
    const { publication } = registration;
    if (publication?.ackedMs === Infinity) publication.ackedMs = performance.now();
    if (registration.version !== version) return true;
    this.#undone.delete(registration);
    if (this.#undone.size === 0 && this.#lostMs !== Infinity) {
      this.longestAwayMs = Math.max(this.longestAwayMs, performance.now() - this.#lostMs);
      this.#lostMs = Infinity;
    }
    if (publication?.wanted === false) this.#registrations.delete(registration.registId);
    return true;
  }

  #message({ registId, publication, sight, version }: Registration): { className: string; content: Buffer } {
    const dataId = dataIdOf(this.#context.family, publication?.service ?? sight?.service ?? 0);
    if (publication === null)
      return { className: wire.SUBSCRIBER_REGISTER, content: subscribe(dataId, registId) };
    const content = publication.wanted
      ? publish(dataId, registId, version, valueOf(publication.number, publication.revision))
      : unpublish(dataId, registId, version);
    return { className: wire.PUBLISHER_REGISTER, content };
  }

  async #connect(): Promise<void> {
    await this.#awakeUnlessDead(this.#awayUntilMs - performance.now());
    if (this.#candidates.length === 0) await this.#refresh();
    for (const candidate of choose(this.#candidates, Math.random)) {
      if (!this.#alive) return;
      const connection = await open(candidate);
      if (connection !== null) {
        this.#connected(connection, `${candidate.host}:${candidate.port}`);
        return;
      }
      await this.#awakeUnlessDead(Math.random() * NEXT_SERVER_MS);
    }
    await this.#awakeUnlessDead(ALL_FAILED_MS);
  }

  /** A wait that only death shortens. */
  async #awakeUnlessDead(ms: number): Promise<void> {
    const end = performance.now() + ms;
    while (this.#alive && performance.now() < end) await this.#awake(end - performance.now());
  }

  #connected(connection: LoadConnection, session: string): void {
    if (!this.#alive) {
      connection.destroy();
      return;
    }
    this.#connection = connection;
    this.#session = session;
    this.connects++;
    connection.onPush = (frame) => {
      const seen = readPush(frame);
      const sight = this.#sights.get(seen.dataId);
      if (sight?.alive === true) this.#context.oracle.pushed(sight, seen, session);
    };
    connection.onClose = () => this.#lost(connection);
    for (const registration of this.#registrations.values()) {
      registration.acked = 0;
      this.#undone.add(registration);
    }
    if (connection.closed) this.#lost(connection);
  }

  #lost(connection: LoadConnection): void {
    if (connection !== this.#connection) return;
    this.#session = '';
    this.#lostMs = Math.min(this.#lostMs, performance.now());
    // The worker notices when it looks the next time.
    setTimeout(() => {
      if (connection === this.#connection) this.#connection = null;
      this.#wake();
    }, Math.random() * RECHECK_MS);
  }

  #beat(): void {
    const connection = this.#connection;
    if (connection === null || connection.closed) return;
    if (performance.now() - connection.lastHeardMs > BEATS_LOST_MAX * BEAT_MS) connection.destroy();
    else connection.beat();
  }

  async #refresh(): Promise<void> {
    try {
      this.#candidates = readServerList(await this.#context.query());
    } catch {
      // Keeps the list it has; the next round asks again.
    }
  }
}

async function open({ host, port }: Candidate): Promise<LoadConnection | null> {
  const opening = LoadConnection.open(host, port).catch(() => null);
  const connection = await Promise.race([opening, sleep(CONNECT_TIMEOUT_MS)]);
  if (connection instanceof LoadConnection) return connection;
  void opening.then((late) => late?.destroy());
  return null;
}
