/** Steady change over many services with one watcher each. */
import type { Context, Row, Scenario } from '../harness/scenario.ts';
import { WITH_INSPECTOR } from '../harness/scenario.ts';
import { openMany } from '../load/connection.ts';
import { changeItem, closeAll, publishAll, type Services, watchAll } from '../load/fleet.ts';
import { quantile } from '../load/stats.ts';
import { sleep, until } from '../load/waiting.ts';

const PUBLISHER_CONNECTIONS = 50;
const WATCHER_CONNECTIONS = 100;
const SETTLE_MS = 2_000;
/** Steady state is what is measured: compilers and caches get this much first. */
const WARM_MS = 5_000;
const WARM_PER_SECOND = 2_500;
const RUN_MS = 10_000;
const TICK_MS = 2;
const TAIL_LIMIT_MS = 10_000;
const TAIL_MS = 500;

interface Steady {
  perSecond: number;
  services: number;
}

interface Outcome {
  latencies: number[];
  changes: number;
  pushes: number;
  cpuEach: number;
  missing: number;
}

async function steady(context: Context, plan: Steady, family: string): Promise<Outcome> {
  const { host, port } = context.target;
  const services: Services = { family, count: plan.services, payloadBytes: 300 };
  const publishers = await openMany(host, port, PUBLISHER_CONNECTIONS);
  const watchers = await openMany(host, port, WATCHER_CONNECTIONS);
  const sent = Array.from({ length: plan.services }, () => [] as { sequence: number; at: number }[]);
  const latencies: number[] = [];
  let open = 0;
  await publishAll(publishers, services);
  await watchAll(watchers, services, (service, sequence) => {
    const now = performance.now();
    const waiting = sent[service];
    // A push with a newer change also settles the older ones it replaced.
    while (waiting.length > 0 && waiting[0].sequence <= sequence) {
      latencies.push(now - waiting[0].at);
      waiting.shift();
      open--;
    }
  });
  await sleep(SETTLE_MS);
  const order = shuffled(plan.services);
  const sequences = new Int32Array(plan.services);
  const change = (): void => {
    const service = order[changes++ % order.length];
    const sequence = ++sequences[service];
    const item = changeItem(services, service, sequence);
    sent[service].push({ sequence, at: performance.now() });
    open++;
    publishers[service % PUBLISHER_CONNECTIONS].request(item.className, item.content, () => undefined);
  };
  let changes = 0;
  const run = async (ms: number, perSecond: number): Promise<void> => {
    const began = performance.now();
    const from = changes;
    while (performance.now() - began < ms) {
      const due = from + Math.floor(((performance.now() - began) * perSecond) / 1000);
      while (changes < due) change();
      await sleep(TICK_MS);
    }
  };
  await run(WARM_MS, WARM_PER_SECOND);
  await until(() => open === 0, TAIL_LIMIT_MS);
  await sleep(SETTLE_MS);
  latencies.length = 0;
  changes = 0;
  const pushesBefore = total(watchers);
  const cpu = context.cpu();
  await run(RUN_MS, plan.perSecond);
  await until(() => open === 0, TAIL_LIMIT_MS);
  await sleep(TAIL_MS);
  const cpuEach = (context.cpu() - cpu) / changes;
  const pushes = total(watchers) - pushesBefore;
  closeAll([...publishers, ...watchers]);
  return { latencies, changes, pushes, cpuEach, missing: open };
}

function total(connections: readonly { pushes: number }[]): number {
  return connections.reduce((sum, connection) => sum + connection.pushes, 0);
}

/** Every number below `count` once, in an order that is always the same. */
function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  let state = 12345;
  for (let i = count - 1; i > 0; i--) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const j = state % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

function rowsOf(outcome: Outcome, budget: { p50: number; p99: number; cpu?: number }): Row[] {
  const missing = outcome.missing > 0 ? `, ${outcome.missing} NEVER CAME` : '';
  return [
    {
      what: 'change -> watcher has it, p50',
      value: quantile(outcome.latencies, 0.5),
      unit: 'ms',
      budget: budget.p50,
      note: `${outcome.changes} changes, each service in turn${missing}`,
    },
    {
      what: 'change -> watcher has it, p99',
      value: quantile(outcome.latencies, 0.99),
      unit: 'ms',
      budget: budget.p99,
    },
    { what: 'server CPU per change', value: outcome.cpuEach, unit: 'us', budget: budget.cpu },
    { what: 'pushes per change', value: outcome.pushes / outcome.changes, unit: '' },
  ];
}

export const changes500: Scenario = {
  name: 'changes500',
  title: '500 changes/s over 1,000 services, 1 watcher each',
  ownServer: false,
  limitMs: 60_000,
  async run(context: Context): Promise<Row[]> {
    const outcome = await steady(context, { perSecond: 500, services: 1_000 }, 'steady500');
    return rowsOf(outcome, { p50: 0.8, p99: 3, cpu: 100 });
  },
};

export const changes3000: Scenario = {
  name: 'changes3000',
  title: '3,000 changes/s over 5,000 services, 1 watcher each',
  ownServer: false,
  limitMs: 90_000,
  async run(context: Context): Promise<Row[]> {
    const outcome = await steady(context, { perSecond: 3_000, services: 5_000 }, 'steady3000');
    return rowsOf(outcome, { p50: 5, p99: 50 });
  },
};

export const stalls: Scenario = {
  name: 'stalls',
  title: 'Event-loop stalls at 500 changes/s',
  ownServer: true,
  nodeOptions: WITH_INSPECTOR,
  limitMs: 60_000,
  async run(context: Context): Promise<Row[]> {
    const inspector = await context.inspector();
    if (inspector === null) throw new Error('no inspector');
    await inspector.startLoopWatch();
    await steady(context, { perSecond: 500, services: 1_000 }, 'stalls');
    const delay = await inspector.stopLoopWatch();
    inspector.close();
    return [
      {
        what: 'event-loop delay, p99',
        value: delay.p99,
        unit: 'ms',
        budget: 10,
        note: 'timer lateness inside the server, set-up included',
      },
      { what: 'event-loop delay, longest', value: delay.max, unit: 'ms' },
    ];
  },
};
