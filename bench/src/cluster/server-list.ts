/** How the official client finds a session: `queryWithWeight`, and its way of choosing (reference/wire.md 3.1, 3.2). */

/** One entry of the answer. */
export interface Candidate {
  readonly host: string;
  readonly port: number;
  readonly weight: number;
}

/** Splits an answer; entries that are none are left out. */
export function readServerList(body: string): Candidate[] {
  const candidates: Candidate[] = [];
  for (const entry of body.split(';')) {
    const found = /^([^:]+):(\d+)(?:\?(.*))?$/.exec(entry.trim());
    if (found === null) continue;
    const weight = Number(new URLSearchParams(found[3] ?? '').get('weight') ?? 0);
    candidates.push({
      host: found[1],
      port: Number(found[2]),
      weight: Number.isInteger(weight) ? weight : 0,
    });
  }
  return candidates;
}

/** The order in which the client tries: the lighter one of each pair of neighbours in a shuffled list. */
export function choose(candidates: readonly Candidate[], random: () => number): Candidate[] {
  const shuffled = [...candidates];
  for (let i = shuffled.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [shuffled[i], shuffled[j]] = [shuffled[j], shuffled[i]];
  }
  return shuffled.map((candidate, i) => {
    const next = shuffled[(i + 1) % shuffled.length];
    return candidate.weight > next.weight ? next : candidate;
  });
}
