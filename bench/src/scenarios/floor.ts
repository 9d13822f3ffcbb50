/**
 * What this machine costs at this moment, whatever the registry does: a bare Node server that writes 2.8 KB to every socket
 * and reads a short answer. The figures of the other scenarios are to be read against it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { cpuMicros } from '../harness/proc.ts';
import type { Row, Scenario } from '../harness/scenario.ts';
import { median } from '../load/stats.ts';
import { sleep, until } from '../load/waiting.ts';

const SERVER = fileURLToPath(new URL('../load/bare-server.ts', import.meta.url));
const BODY_BYTES = 2_848;
const CONNECTIONS = 4_000;
const WARM_ROUNDS = 4;
const ROUNDS = 10;
const QUIET_MS = 500;
const LIMIT_MS = 10_000;
const ACK = Buffer.alloc(127, 'a');
const RELAY_CONNECTIONS = 100;
const RELAY_PER_SECOND = 500;
const RELAY_MS = 6_000;
const RELAY = Buffer.alloc(700, '"');
const ONE_BYTES = 600;

export const floor: Scenario = {
  name: 'floor',
  title: 'A bare Node server on this machine, for comparison',
  ownServer: true,
  limitMs: 60_000,
  async run(): Promise<Row[]> {
    const child = spawn(process.execPath, [SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [line]: Buffer[] = await once(child.stdout, 'data');
      const port = Number(line.toString());
      const pid = child.pid ?? 0;
      return [...(await measureRelay(port, pid)), ...(await measureBroadcast(port, pid))];
    } finally {
      child.kill('SIGKILL');
    }
  },
};

async function measureBroadcast(port: number, pid: number): Promise<Row[]> {
  let received = 0;
  let last = 0;
  const sockets: Socket[] = [];
  for (let i = 0; i < CONNECTIONS; i++) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    let bytes = 0;
    socket.on('data', (chunk) => {
      bytes += chunk.length;
      if (bytes < BODY_BYTES) return;
      bytes = 0;
      received++;
      last = performance.now();
      socket.write(ACK);
    });
    sockets.push(socket);
  }
  const cpus: number[] = [];
  const times: number[] = [];
  for (let round = 0; round < WARM_ROUNDS + ROUNDS; round++) {
    await sleep(QUIET_MS);
    received = 0;
    const cpu = cpuMicros(pid);
    const began = performance.now();
    sockets[0].write('!');
    await until(() => received === CONNECTIONS, LIMIT_MS);
    await sleep(QUIET_MS);
    if (round < WARM_ROUNDS) continue;
    cpus.push((cpuMicros(pid) - cpu) / CONNECTIONS);
    times.push(last - began);
  }
  for (const socket of sockets) socket.destroy();
  return [
    {
      what: `${CONNECTIONS} connections: CPU of one write of ${BODY_BYTES} B and one read`,
      value: cpus.reduce((sum, each) => sum + each, 0) / cpus.length,
      unit: 'us',
    },
    {
      what: `${CONNECTIONS} connections: first write -> last has it (median)`,
      value: median(times),
      unit: 'ms',
    },
  ];
}

/** 500 times a second: a request, its answer, 600 bytes to another connection, its short answer. */
async function measureRelay(port: number, pid: number): Promise<Row[]> {
  const sockets: Socket[] = [];
  for (let i = 0; i < RELAY_CONNECTIONS; i++) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    socket.on('data', (chunk) => {
      if (chunk.length >= ONE_BYTES) socket.write(ACK);
    });
    sockets.push(socket);
  }
  let sent = 0;
  let cpu = 0;
  for (let round = 0; round < 2; round++) {
    sent = 0;
    cpu = cpuMicros(pid);
    const began = performance.now();
    while (performance.now() - began < RELAY_MS) {
      const due = Math.floor(((performance.now() - began) * RELAY_PER_SECOND) / 1000);
      for (; sent < due; sent++) sockets[sent % RELAY_CONNECTIONS].write(RELAY);
      await sleep(2);
    }
    await sleep(QUIET_MS);
    cpu = cpuMicros(pid) - cpu;
  }
  for (const socket of sockets) socket.destroy();
  await sleep(QUIET_MS);
  return [
    {
      what: `${RELAY_PER_SECOND}/s: CPU of a request, its answer, one message on and its answer`,
      value: cpu / sent,
      unit: 'us',
    },
  ];
}
