/** The ports a link needs. */
import type { Clock, Logger, Network, Random } from '@sofa-registry/runtime';

/** Outside world of this package. */
export interface ClusterPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly logger: Logger;
}
