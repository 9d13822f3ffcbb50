/** What the process itself costs: memory, CPU, event loop. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { MetricSet } from '@sofa-registry/runtime';
import { VERSION } from '../version.ts';

const LOOP_RESOLUTION_MS = 20;
const NS_PER_MS = 1e6;

/** Metrics of the process. The loop monitor wakes it 50 times a second, so it starts when somebody first asks. */
export function processMetrics(): MetricSet {
  const set = new MetricSet('process');
  const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  const beyond = (read: () => number): number => {
    loop.enable();
    const ns = read();
    return Number.isFinite(ns) ? Math.max(0, ns / NS_PER_MS - LOOP_RESOLUTION_MS) : 0;
  };
  set.gaugeVec('info', 'Always 1; the version is a label.', ['version', 'node'], () => [
    [[VERSION, process.version], 1],
  ]);
  set.gauge('resident_bytes', 'Resident memory.', () => process.memoryUsage.rss());
  set.gauge('heap_used_bytes', 'Live and not yet collected heap.', () => process.memoryUsage().heapUsed);
  set.gauge('cpu_seconds', 'CPU time used since the start, user and system.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  set.gauge('uptime_seconds', 'Time since the process started.', () => process.uptime());
  set.gauge(
    'event_loop_delay_p99_ms',
    'Delay of the event loop, 99th percentile since the first scrape.',
    () => beyond(() => loop.percentile(99)),
  );
  set.gauge('event_loop_delay_max_ms', 'Longest delay of the event loop since the first scrape.', () =>
    beyond(() => loop.max),
  );
  return set;
}
