/** Cost of a publish: pipelined as fast as the server goes, and paced. Nobody subscribes. */
import { type Context, NO_ACCESS_LIMIT, type Row, type Scenario } from '../harness/scenario.ts';
import { openMany } from '../load/connection.ts';
import { changeItem, closeAll, publishAll, type Services } from '../load/fleet.ts';
import { flood } from '../load/flood.ts';
import { sleep } from '../load/waiting.ts';

const CONNECTIONS = 16;
const WINDOW = 64;
const SERVICES: Services = { family: 'publish', count: 8_000, payloadBytes: 300 };
const FRESH: Services = { family: 'publish-fresh', count: 60_000, payloadBytes: 300 };
const WARM_MS = 1_500;
const RUN_MS = 6_000;
const PACED_PER_SECOND = 1_000;
const PACED_MS = 8_000;
const PACE_TICK_MS = 5;
/** The server forwards to the data role after it has answered: wait for that before reading its CPU. */
const TAIL_MS = 500;

export const publishRate: Scenario = {
  name: 'publish',
  title: `Publishes, ${CONNECTIONS} connections, 300 B`,
  ownServer: false,
  sets: NO_ACCESS_LIMIT,
  limitMs: 90_000,
  async run(context: Context): Promise<Row[]> {
    const connections = await openMany(context.target.host, context.target.port, CONNECTIONS);
    await publishAll(connections, SERVICES);
    const sequences = new Int32Array(SERVICES.count);
    const republish = (ms: number): ReturnType<typeof flood> => {
      const end = performance.now() + ms;
      const cursor = connections.map((_, index) => index);
      return flood(connections, WINDOW, (index) => {
        if (performance.now() > end) return null;
        const service = cursor[index];
        cursor[index] = service + CONNECTIONS < SERVICES.count ? service + CONNECTIONS : index;
        return changeItem(SERVICES, service, ++sequences[service]);
      });
    };
    await republish(WARM_MS);
    const cpu = context.cpu();
    const result = await republish(RUN_MS);
    await sleep(TAIL_MS);
    const each = (context.cpu() - cpu) / result.answered;
    const fresh = await measureFresh(context, connections);
    const paced = await measurePaced(context, connections, sequences);
    closeAll(connections);
    const wrong = result.refused + result.lost;
    return [
      {
        what: 'republishes per second, pipelined',
        value: (result.answered / result.elapsedMs) * 1000,
        unit: '/s',
        budget: 30_000,
        atLeast: true,
        note: `${CONNECTIONS} x ${WINDOW} in flight, the load shares the machine${wrong > 0 ? `; ${wrong} NOT ACCEPTED` : ''}`,
      },
      { what: 'server CPU per republish, pipelined', value: each, unit: 'us', budget: 30 },
      ...fresh,
      paced,
    ];
  },
};

async function measureFresh(
  context: Context,
  connections: Awaited<ReturnType<typeof openMany>>,
): Promise<Row[]> {
  const cpu = context.cpu();
  const began = performance.now();
  await publishAll(connections, FRESH);
  const elapsed = performance.now() - began;
  await sleep(TAIL_MS);
  return [
    { what: 'new publishers per second, pipelined', value: (FRESH.count / elapsed) * 1000, unit: '/s' },
    {
      what: 'server CPU per new publisher',
      value: (context.cpu() - cpu) / FRESH.count,
      unit: 'us',
      budget: 30,
    },
  ];
}

async function measurePaced(
  context: Context,
  connections: Awaited<ReturnType<typeof openMany>>,
  sequences: Int32Array,
): Promise<Row> {
  await sleep(1_000);
  const cpu = context.cpu();
  const began = performance.now();
  let sent = 0;
  let accepted = 0;
  while (performance.now() - began < PACED_MS) {
    const due = Math.floor(((performance.now() - began) * PACED_PER_SECOND) / 1000);
    for (; sent < due; sent++) {
      const service = sent % SERVICES.count;
      const item = changeItem(SERVICES, service, ++sequences[service]);
      connections[service % CONNECTIONS].request(item.className, item.content, (frame) => {
        if (item.accepted(frame)) accepted++;
      });
    }
    await sleep(PACE_TICK_MS);
  }
  await sleep(TAIL_MS);
  return {
    what: 'server CPU per publish, paced at 1,000/s',
    value: (context.cpu() - cpu) / sent,
    unit: 'us',
    budget: 80,
    note: accepted === sent ? undefined : `${sent - accepted} of ${sent} NOT ACCEPTED`,
  };
}
