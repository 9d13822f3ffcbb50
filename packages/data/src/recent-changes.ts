/** Hot path. The latest changes of a datum, for deltas. Plain state; a datum at rest has none. */

/** The changes after a version. */
export class RecentChanges {
  /** The version before the first of them: deltas start from it or later. */
  floor: number;
  /** Ascending. */
  versions: number[];
  /** registerId of each change; null where only the version moved. */
  ids: (string | null)[];

  constructor(floor: number, version: number, registerId: string | null) {
    this.floor = floor;
    // Literals of one element: an empty array that is pushed to takes room for seventeen.
    this.versions = [version];
    this.ids = [registerId];
  }

  /** Adds a change; forgets the oldest half above `limit`. */
  push(version: number, registerId: string | null, limit: number): void {
    this.versions.push(version);
    this.ids.push(registerId);
    if (this.versions.length <= limit) return;
    const count = this.versions.length - (limit >> 1);
    this.floor = this.versions[count - 1];
    this.versions = this.versions.slice(count);
    this.ids = this.ids.slice(count);
  }

  /** Index of the first change after `version`. */
  indexAfter(version: number): number {
    const { versions } = this;
    let low = 0;
    let high = versions.length;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (versions[mid] <= version) low = mid + 1;
      else high = mid;
    }
    return low;
  }

  /** True if `version` is where the changes begin, or one of theirs. */
  knows(version: number): boolean {
    if (version === this.floor) return true;
    const at = this.indexAfter(version);
    return at > 0 && this.versions[at - 1] === version;
  }
}
