/** 1,000 clients with 15 registrations each at once; then every socket is killed and all come back. */
import type { Context, Row, Scenario } from '../harness/scenario.ts';
import { type FleetFaults, JavaLikeClient } from '../load/java-client.ts';
import { sleep, until } from '../load/waiting.ts';

const CLIENTS = 1_000;
const PUBLISHES = 5;
const WATCHES = 10;
const SERVICES = 500;
const LIST_SIZE = (CLIENTS * PUBLISHES) / SERVICES;
const REGISTRATIONS = CLIENTS * (PUBLISHES + WATCHES);
const COMPLETE_LIMIT_MS = 30_000;
const SETTLE_MS = 4_000;
const TAIL_MS = 500;

export const reconnect: Scenario = {
  name: 'reconnect',
  title: '1,000 clients x 15 registrations at once, then all sockets killed and back',
  ownServer: false,
  limitMs: 120_000,
  async run(context: Context): Promise<Row[]> {
    const faults = noFaults();
    const plan = {
      family: 'mass',
      host: context.target.host,
      port: context.target.port,
      listSize: LIST_SIZE,
    };
    const clients = Array.from(
      { length: CLIENTS },
      (_, n) => new JavaLikeClient(plan, faults, n, servicesOf(n, PUBLISHES, 1), servicesOf(n, WATCHES, 7)),
    );
    const first = await phase(context, clients, (client) => client.run());
    const faultsOfFirst = { ...faults };
    Object.assign(faults, noFaults());
    await sleep(SETTLE_MS);
    const back = await phase(context, clients, (client, n) => client.dropAndReturn(n / CLIENTS));
    await sleep(SETTLE_MS);
    for (const client of clients) client.stop();
    return [...rowsOf('at once', first, faultsOfFirst, false), ...rowsOf('all back', back, faults, true)];
  },
};

interface Phase {
  elapsedMs: number;
  cpuEach: number;
  incomplete: number;
}

async function phase(
  context: Context,
  clients: readonly JavaLikeClient[],
  act: (client: JavaLikeClient, n: number) => Promise<void>,
): Promise<Phase> {
  const cpu = context.cpu();
  const began = performance.now();
  const all = Promise.all(clients.map(act));
  all.catch(() => undefined);
  await until(() => clients.every((client) => client.complete), COMPLETE_LIMIT_MS, 10);
  const elapsedMs = performance.now() - began;
  await sleep(TAIL_MS);
  return {
    elapsedMs,
    cpuEach: (context.cpu() - cpu) / REGISTRATIONS,
    incomplete: clients.filter((client) => !client.complete).length,
  };
}

/** Different services, spread so that every one has the same number of publishers and of watchers. */
function servicesOf(client: number, count: number, step: number): number[] {
  return Array.from({ length: count }, (_, k) => (client * step + k * (SERVICES / count)) % SERVICES);
}

function noFaults(): FleetFaults {
  return { shrunken: 0, empty: 0, repeated: 0, older: 0, pushes: 0 };
}

function rowsOf(name: string, phase: Phase, faults: FleetFaults, strict: boolean): Row[] {
  const note = phase.incomplete > 0 ? `${phase.incomplete} clients NEVER COMPLETE` : undefined;
  const zero = strict ? 0 : undefined;
  return [
    {
      what: `${name}: until all lists are complete`,
      value: phase.elapsedMs,
      unit: 'ms',
      budget: 1_500,
      note,
    },
    { what: `${name}: server CPU per registration`, value: phase.cpuEach, unit: 'us', budget: 60 },
    {
      what: `${name}: pushes per subscription`,
      value: faults.pushes / (CLIENTS * WATCHES),
      unit: '',
    },
    { what: `${name}: pushes shorter than before`, value: faults.shrunken, unit: 'count', budget: 0 },
    { what: `${name}: empty pushes`, value: faults.empty, unit: 'count', budget: zero },
    { what: `${name}: pushes with an older version`, value: faults.older, unit: 'count', budget: 0 },
    {
      what: `${name}: registrations that had to be repeated`,
      value: faults.repeated,
      unit: 'count',
      budget: 0,
    },
  ];
}
