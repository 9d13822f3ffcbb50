/**
 * Ports for processes that are killed and started again on the same ones: outside the range from which the kernel takes ports of
 * outgoing connections, or one of those might sit on the port in between.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOWEST = 10_000;
/** Lower end of the kernel's range where it cannot be read. */
const USUAL_EPHEMERAL = 32_768;

const taken = new Set<number>();

/** Ports that are free at the moment and were not handed out before, all different. */
export async function stablePorts(host: string, count: number): Promise<number[]> {
  const end = ephemeralFrom();
  const ports: number[] = [];
  let port = LOWEST + Math.floor(Math.random() * (end - LOWEST));
  for (let tries = 0; ports.length < count; tries++) {
    if (tries > end - LOWEST) throw new Error(`no ${count} free ports from ${LOWEST} to ${end}`);
    port = port + 1 < end ? port + 1 : LOWEST;
    if (taken.has(port) || !(await isFree(host, port))) continue;
    taken.add(port);
    ports.push(port);
  }
  return ports;
}

function ephemeralFrom(): number {
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').split(/\s+/)[0]);
  } catch {
    return USUAL_EPHEMERAL;
  }
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port }, () => server.close(() => resolve(true)));
  });
}
