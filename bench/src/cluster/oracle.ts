/**
 * Knows what every client publishes and judges every push: a list may lose only what left, is never empty while somebody
 * publishes, and never goes back.
 */
import type { SeenList } from '../load/messages.ts';
import { readValue } from './value.ts';

/** A service whose publisher was acknowledged so long ago has one: no push of it may be empty. */
const KNOWN_AFTER_MS = 1_000;
/** Bad pushes that are remembered in words. */
const EXAMPLES_MAX = 12;

/** A publication as its client wants it. */
export interface Publication {
  readonly number: number;
  readonly service: number;
  revision: number;
  /** When the revision was asked for, process time in ms. */
  sinceMs: number;
  /** False once the client withdrew it or died. */
  wanted: boolean;
  /** When it was first acknowledged, process time in ms; Infinity before. */
  ackedMs: number;
}

/** What was wrong with pushes, and how late right ones were. */
export interface Findings {
  pushes: number;
  /** Pushes without somebody the same subscriber had seen and who had not left. */
  shrunken: number;
  /** Pushes of nobody while somebody publishes. */
  empty: number;
  /** Pushes with an older version, or an older revision of somebody. */
  older: number;
  /** Pushes of somebody who had left and whose leaving the subscriber had seen. */
  revived: number;
  /** Changes seen by a subscriber for the first time. */
  changes: number;
  /** Longest time from a change to a subscriber that saw it, in ms. */
  slowestMs: number;
  /** The first bad pushes. */
  readonly examples: string[];
}

/** Nothing found yet. */
export function noFindings(): Findings {
  return {
    pushes: 0,
    shrunken: 0,
    empty: 0,
    older: 0,
    revived: 0,
    changes: 0,
    slowestMs: 0,
    examples: [],
  };
}

/** One subscriber's view of one service. It outlives connections, as the list in an official client does. */
export interface Sight {
  readonly service: number;
  readonly owner: string;
  version: number;
  /** Newest revision by publication. */
  list: Map<number, number>;
  /** Publications that were seen and are gone. */
  readonly left: Set<number>;
  /** False once its client died. */
  alive: boolean;
}

/** See above. */
export class Oracle {
  findings = noFindings();
  readonly publications = new Map<number, Publication>();
  readonly #byService: Set<number>[];
  readonly #sights: Sight[][];
  #next = 1;

  constructor(services: number) {
    this.#byService = Array.from({ length: services }, () => new Set());
    this.#sights = Array.from({ length: services }, () => []);
  }

  /** A new publication, wanted from now on. */
  publish(service: number): Publication {
    const publication = {
      number: this.#next++,
      service,
      revision: 1,
      sinceMs: performance.now(),
      wanted: true,
      ackedMs: Infinity,
    };
    this.publications.set(publication.number, publication);
    this.#byService[service].add(publication.number);
    return publication;
  }

  /** Its next revision. */
  update(publication: Publication): void {
    publication.revision++;
    publication.sinceMs = performance.now();
  }

  /** It may leave the lists from now on, and must in the end. */
  withdraw(publication: Publication): void {
    publication.wanted = false;
    publication.sinceMs = performance.now();
    this.#byService[publication.service].delete(publication.number);
  }

  /** A new subscriber. */
  watch(service: number, owner: string): Sight {
    const sight = { service, owner, version: 0, list: new Map(), left: new Set<number>(), alive: true };
    this.#sights[service].push(sight);
    return sight;
  }

  /** Takes a dead subscriber off the books. */
  forget(sight: Sight): void {
    sight.alive = false;
    const sights = this.#sights[sight.service];
    sights.splice(sights.indexOf(sight), 1);
  }

  /** Judges a push and applies it as an official client does: only a newer version counts. */
  pushed(sight: Sight, seen: SeenList, from: string): void {
    const { findings } = this;
    findings.pushes++;
    const list = new Map<number, number>();
    for (const box of seen.boxes) {
      const { publication, revision } = readValue(box);
      list.set(publication, Math.max(revision, list.get(publication) ?? 0));
    }
    if (list.size === 0 && this.#isPublished(sight.service)) {
      findings.empty++;
      this.#note('empty', sight, from, seen.version);
    }
    if (seen.version < sight.version) {
      findings.older++;
      this.#note('older version', sight, from, seen.version);
    }
    this.#judgeLosses(sight, list, from, seen.version);
    this.#judgeEntries(sight, list, from, seen.version);
    if (seen.version <= sight.version) return;
    for (const number of sight.list.keys()) if (!list.has(number)) sight.left.add(number);
    sight.version = seen.version;
    sight.list = list;
  }

  /** Subscribers whose list is not exactly what is published, of all services or of some. */
  wrong(services?: Iterable<number>): Sight[] {
    const wrong: Sight[] = [];
    for (const service of services ?? this.#sights.keys()) {
      for (const sight of this.#sights[service]) if (!this.#isRight(sight)) wrong.push(sight);
    }
    return wrong;
  }

  /** True when every subscriber (or those chosen) has seen a publication in this revision or a newer one, or it has left. */
  isSeen(publication: Publication, revision: number, at: (sight: Sight) => boolean = () => true): boolean {
    if (!publication.wanted) return true;
    return this.#sights[publication.service].every(
      (sight) => !at(sight) || (sight.list.get(publication.number) ?? 0) >= revision,
    );
  }

  /** True when nobody lists a publication. */
  isGone(publication: Publication): boolean {
    return this.#sights[publication.service].every((sight) => !sight.list.has(publication.number));
  }

  /** What a wrong subscriber misses and has too much, in words. */
  explain(sight: Sight): string {
    const parts: string[] = [];
    for (const number of this.#byService[sight.service]) {
      const wanted = this.publications.get(number)?.revision;
      const has = sight.list.get(number);
      if (has !== wanted)
        parts.push(`${number}: ${has === undefined ? 'missing' : `revision ${has}`} not ${wanted}`);
    }
    for (const number of sight.list.keys()) {
      if (!this.#byService[sight.service].has(number)) parts.push(`${number}: has left`);
    }
    return `service ${sight.service} at ${sight.owner} (version ${sight.version}): ${parts.join(', ')}`;
  }

  /** Starts a new account. @returns the old one */
  reset(): Findings {
    const { findings } = this;
    this.findings = noFindings();
    return findings;
  }

  #isPublished(service: number): boolean {
    const known = performance.now() - KNOWN_AFTER_MS;
    for (const number of this.#byService[service]) {
      if ((this.publications.get(number)?.ackedMs ?? Infinity) < known) return true;
    }
    return false;
  }

  #isRight(sight: Sight): boolean {
    const wanted = this.#byService[sight.service];
    if (sight.list.size !== wanted.size) return false;
    for (const number of wanted) {
      if (sight.list.get(number) !== this.publications.get(number)?.revision) return false;
    }
    return true;
  }

  #judgeLosses(sight: Sight, list: ReadonlyMap<number, number>, from: string, version: number): void {
    const lost: number[] = [];
    for (const number of sight.list.keys()) {
      if (!list.has(number) && this.publications.get(number)?.wanted === true) lost.push(number);
    }
    if (lost.length === 0) return;
    this.findings.shrunken++;
    this.#note(`lost ${lost.join(', ')}`, sight, from, version);
  }

  #judgeEntries(sight: Sight, list: ReadonlyMap<number, number>, from: string, version: number): void {
    const { findings } = this;
    let older = '';
    let revived = '';
    for (const [number, revision] of list) {
      const before = sight.list.get(number) ?? 0;
      const publication = this.publications.get(number);
      if (revision < before) older = `${number} from revision ${before} to ${revision}`;
      if (publication?.wanted === false && sight.left.has(number)) revived = `${number} again`;
      if (publication === undefined || revision <= before || revision !== publication.revision) continue;
      if (sight.left.has(number)) continue;
      findings.changes++;
      findings.slowestMs = Math.max(findings.slowestMs, performance.now() - publication.sinceMs);
    }
    if (older !== '') {
      findings.older++;
      this.#note(older, sight, from, version);
    }
    if (revived !== '') {
      findings.revived++;
      this.#note(revived, sight, from, version);
    }
  }

  #note(what: string, sight: Sight, from: string, version: number): void {
    if (this.findings.examples.length >= EXAMPLES_MAX) return;
    const at = new Date().toISOString().slice(11, 23);
    this.findings.examples.push(
      `${at} ${what}: service ${sight.service} at ${sight.owner} from ${from}, version ${version} after ${sight.version}, had ${sight.list.size}`,
    );
  }
}
