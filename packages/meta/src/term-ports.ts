/** What the parts of one term of leadership work with. */
import type { NodeRecord } from '@sofa-registry/model';
import type { Clock, Logger, Random } from '@sofa-registry/runtime';
import type { MetaStore } from '@sofa-registry/store';
import type { DocMirror } from './doc-mirror.ts';
import type { MetaMetrics } from './metrics.ts';
import type { NodeHub } from './node-hub.ts';
import type { MetaConfig, MetaTunables } from './settings.ts';

/** The outside of a term. */
export interface TermPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly store: MetaStore;
  readonly docs: DocMirror;
  readonly hub: NodeHub;
  readonly metrics: MetaMetrics;
  /** True while this meta may act as the leader. */
  readonly leading: () => boolean;
  /** The store says that another leads. */
  readonly fenced: () => void;
  /** Gives the leadership up, for another meta to take. */
  readonly stepDown: () => void;
}

/** Fixed facts of a term. */
export interface TermFacts {
  readonly term: number;
  /** Own record. */
  readonly self: () => NodeRecord;
  readonly config: MetaConfig;
  readonly tunables: MetaTunables;
}
