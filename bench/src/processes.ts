/**
 * One session process against two (`start --processes`): republishes per second and what each costs, with a meta and a data node in
 * processes of their own. `node --conditions=development bench/src/processes.ts`; on two cores the load itself takes one of them.
 */
import { NO_ACCESS_LIMIT } from './harness/scenario.ts';
import { cpuMicros } from './harness/proc.ts';
import { freeRolePorts, RegistryProcess, type Role } from './harness/registry-process.ts';
import { openMany } from './load/connection.ts';
import { changeItem, closeAll, publishAll, type Services } from './load/fleet.ts';
import { flood } from './load/flood.ts';
import { sleep } from './load/waiting.ts';

const CONNECTIONS = 16;
const WINDOW = 64;
const SERVICES: Services = { family: 'processes', count: 8_000, payloadBytes: 300 };
const RUN_MS = 4_000;

async function measure(sessions: number): Promise<string> {
  const ports = await freeRolePorts();
  const spawn = (roles: readonly Role[], own = ports): RegistryProcess =>
    RegistryProcess.spawn({ roles, ports: { ...own, meta: ports.meta }, sets: NO_ACCESS_LIMIT });
  const tier = [spawn(['meta']), spawn(['data'])];
  const own = [ports, ...(await Promise.all(Array.from({ length: sessions - 1 }, freeRolePorts)))];
  const processes = own.map((each) => spawn(['session'], each));
  await Promise.all([...tier, ...processes].map((process) => process.healthy()));
  const connections = (
    await Promise.all(own.map(({ session }) => openMany('127.0.0.1', session.port, CONNECTIONS / sessions)))
  ).flat();
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
  await republish(1_500);
  const cpu = (group: readonly RegistryProcess[]): number =>
    group.reduce((sum, { pid }) => sum + cpuMicros(pid), 0);
  const [before, dataBefore] = [cpu(processes), cpu([tier[1]])];
  const { answered, elapsedMs, refused, lost } = await republish(RUN_MS);
  await sleep(500);
  const each = (cpu(processes) - before) / answered;
  const data = (cpu([tier[1]]) - dataBefore) / answered;
  closeAll(connections);
  await Promise.all([...tier, ...processes].map((process) => process.kill()));
  const rate = Math.round((answered / elapsedMs) * 1000);
  return `${sessions} session process(es): ${rate}/s, session CPU ${each.toFixed(1)} us, data CPU ${data.toFixed(1)} us each, ${refused + lost} not accepted`;
}

for (const sessions of [1, 2, 1, 2]) process.stdout.write(`${await measure(sessions)}\n`);
process.exit(0);
