/** All scenarios, in the order in which they run. */
import type { Scenario } from '../harness/scenario.ts';
import { changes3000, changes500, stalls } from './changes.ts';
import { fanout } from './fanout.ts';
import { floor } from './floor.ts';
import { idle } from './idle.ts';
import { latency } from './latency.ts';
import { leave } from './leave.ts';
import { memoryConnections, memoryPublishers, memorySubscribers } from './memory.ts';
import { overload } from './overload.ts';
import { publishRate } from './publish.ts';
import { reconnect } from './reconnect.ts';
import { start } from './start.ts';

export const SCENARIOS: readonly Scenario[] = [
  floor,
  start,
  idle,
  latency,
  publishRate,
  fanout,
  changes500,
  changes3000,
  stalls,
  reconnect,
  leave,
  overload,
  memoryPublishers,
  memorySubscribers,
  memoryConnections,
];
