/**
 * A registry of many processes on loopback that can be hurt: killed, stopped, paused, started again, extended. Meta and data nodes are
 * reached through fault proxies: they listen on 127.0.0.1 and are known to the others as 127.0.0.2, where a proxy has the same port.
 */
import { type FaultProxy, type ProxyLink, startFaultProxy } from '@sofa-registry/testing';
import { get } from '../harness/http.ts';
import { RegistryProcess, type Role, type RolePorts } from '../harness/registry-process.ts';
import { sleep } from '../load/waiting.ts';
import { ownsLocalPort } from './port-owner.ts';
import { stablePorts } from './ports.ts';

const HOST = '127.0.0.1';
const PROXY_HOST = '127.0.0.2';
const POLL_MS = 20;
const START_OUTPUT_CHARS = 3_000;
/** Many processes that start at once on few cores. */
const HEALTHY_LIMIT_MS = 60_000;
const LEADER_ANSWER_MS = 1_000;
/** Longer than the registry gives itself (`stopMs`). */
const RESTART_STOP_MS = 30_000;

/** One node; its process may change. */
export interface ClusterNode {
  readonly name: string;
  readonly role: Role;
  readonly ports: RolePorts;
  /** Address under which others know it. */
  readonly address: string;
  /** The proxy in front of it; sessions have none. */
  readonly proxy: FaultProxy | null;
  /** The same for its HTTP port, without faults. */
  readonly httpProxy: FaultProxy | null;
  process: RegistryProcess;
  /** False while it is killed or paused: the load balancer before the sessions sees that. */
  up: boolean;
}

/** How to start a cluster. */
export interface ClusterOptions {
  /** 1 unless the store is shared. */
  readonly metas?: number;
  readonly data: number;
  readonly sessions: number;
  /** Directory of the meta's store, unless it has another. */
  readonly dir: string;
  /** Address of a shared store. */
  readonly store?: string;
  /** Environment of single nodes, by name. */
  readonly env?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** `--set` values of all processes. */
  readonly sets?: readonly string[];
  /** False: no fault proxies, nodes reach one another directly. Default true. */
  readonly proxied?: boolean;
  /** Options of Node for the processes of a role. */
  readonly nodeOptions?: Readonly<Partial<Record<Role, readonly string[]>>>;
}

/** A meta that says that it leads. */
export interface Leader {
  readonly node: ClusterNode;
  readonly term: number;
  /** False while it listens before it acts. */
  readonly warm: boolean;
}

/** What meta says of the slot table. */
export interface TableStatus {
  readonly slotTableEpoch: number;
  readonly leaderCount: Readonly<Record<string, number>>;
  readonly followerCount: Readonly<Record<string, number>>;
  readonly slotTableLeaderBalanced: boolean;
  readonly slotTableStable: boolean;
  /** True while the guard holds evictions back. */
  readonly protectionMode: boolean;
}

/** See above. */
export class Cluster {
  readonly nodes: ClusterNode[] = [];
  readonly #options: ClusterOptions;
  readonly #metas: readonly RolePorts[];
  /** Error lines of processes that are no more. */
  readonly #pastErrors: string[] = [];

  private constructor(options: ClusterOptions, metas: readonly RolePorts[]) {
    this.#options = options;
    this.#metas = metas;
  }

  /** Starts all processes and waits until they are healthy. */
  static async start(options: ClusterOptions): Promise<Cluster> {
    const metas: RolePorts[] = [];
    for (let i = 0; i < (options.metas ?? 1); i++) {
      const [port, httpPort] = await stablePorts(HOST, 2);
      metas.push({ port, httpPort });
    }
    const cluster = new Cluster(options, metas);
    try {
      for (const [i, ports] of metas.entries()) await cluster.#spawn(`meta-${i + 1}`, 'meta', ports);
      for (let i = 1; i <= options.data; i++) await cluster.#add(`data-${i}`, 'data');
      for (let i = 1; i <= options.sessions; i++) await cluster.#add(`session-${i}`, 'session');
      await cluster.healthy();
    } catch (error) {
      const output = cluster.output(START_OUTPUT_CHARS);
      await cluster.stop();
      throw new Error(`the cluster did not start\n${output}`, { cause: error });
    }
    return cluster;
  }

  node(name: string): ClusterNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`no node ${name}`);
    return found;
  }

  of(role: Role): ClusterNode[] {
    return this.nodes.filter((node) => node.role === role);
  }

  /** Adds a node and waits until it is healthy. */
  async add(name: string, role: Role): Promise<ClusterNode> {
    const node = await this.#add(name, role);
    await node.process.healthy();
    return node;
  }

  /** SIGKILL. */
  async kill(...names: string[]): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        const node = this.node(name);
        node.up = false;
        await node.process.kill();
      }),
    );
  }

  /** SIGTERM, and SIGKILL when that takes too long. */
  async stopNodes(...names: string[]): Promise<void> {
    await Promise.all(
      names.map(async (name) => {
        const node = this.node(name);
        node.up = false;
        await node.process.stop();
      }),
    );
  }

  /** What a supervisor does with `restart`: SIGTERM, time to drain, the same command again. Does not wait until it is ready. */
  async restart(name: string): Promise<void> {
    const node = this.node(name);
    node.up = false;
    await node.process.stop(RESTART_STOP_MS);
    this.revive(name);
  }

  /** Starts killed nodes again on their old ports. */
  revive(...names: string[]): void {
    for (const name of names) {
      const node = this.node(name);
      this.#pastErrors.push(...errorsOf(node));
      node.process = this.#process(node);
      node.up = true;
    }
  }

  /** SIGSTOP. */
  pause(name: string): void {
    const node = this.node(name);
    node.up = false;
    process.kill(node.process.pid, 'SIGSTOP');
  }

  /** SIGCONT. */
  resume(name: string): void {
    const node = this.node(name);
    process.kill(node.process.pid, 'SIGCONT');
    node.up = true;
  }

  /** Connections through the proxy of one node that another node's process made. */
  linksOf(client: ClusterNode): (link: ProxyLink) => boolean {
    return (link) => ownsLocalPort(client.process.pid, link.client.port);
  }

  /** Waits until all nodes that are up answer their health check. */
  async healthy(): Promise<void> {
    const up = this.nodes.filter((node) => node.up);
    await Promise.all(up.map((node) => node.process.healthy(HEALTHY_LIMIT_MS)));
  }

  /** Waits until started nodes have said that they run: ports are open, nothing need be ready. */
  async running(...names: string[]): Promise<void> {
    const nodes = names.map((name) => this.node(name));
    while (!nodes.every((node) => node.process.output.includes('ready in'))) {
      const ended = nodes.find((node) => node.process.exited);
      if (ended !== undefined) throw new Error(`${ended.name} ended: ${ended.process.output}`);
      await sleep(POLL_MS);
    }
  }

  /** Takes a node that has ended out of the cluster. */
  async remove(name: string): Promise<void> {
    const node = this.node(name);
    await node.proxy?.close();
    await node.httpProxy?.close();
    this.#pastErrors.push(...errorsOf(node));
    this.nodes.splice(this.nodes.indexOf(node), 1);
  }

  /** Answer of `queryWithWeight` of any session that is up, as through a load balancer. */
  async queryWithWeight(): Promise<string> {
    const up = this.of('session').filter((node) => node.up);
    if (up.length === 0) throw new Error('no session is up');
    const node = up[Math.floor(Math.random() * up.length)];
    const { status, body } = await get(HOST, node.ports.httpPort, '/api/servers/queryWithWeight');
    if (status !== 200) throw new Error(`status ${status}`);
    return body;
  }

  /** Text of an HTTP path of a node. */
  async get(node: ClusterNode, path: string): Promise<string> {
    const { status, body } = await get(HOST, node.ports.httpPort, path);
    if (status !== 200) throw new Error(`${node.name} ${path}: ${status} ${body}`);
    return body;
  }

  /** PUT to a meta. */
  async change(path: string, body?: string): Promise<void> {
    const meta = this.of('meta').find(({ up }) => up) ?? this.node('meta-1');
    const answer = await fetch(`http://${HOST}:${meta.ports.httpPort}${path}`, {
      method: 'PUT',
      body,
      headers: body === undefined ? {} : { 'content-type': 'text/plain' },
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  }

  /** Metas that say that they lead. A meta that does not answer soon says nothing. */
  async leaders(): Promise<Leader[]> {
    const found = await Promise.all(
      this.of('meta')
        .filter(({ up }) => up)
        .map(async (node): Promise<Leader | null> => {
          try {
            const answer = await fetch(`http://${HOST}:${node.ports.httpPort}/registry/v1/status`, {
              signal: AbortSignal.timeout(LEADER_ANSWER_MS),
            });
            const { detail } = (await answer.json()) as {
              detail: { isLeader: boolean; term: number; warm: boolean };
            };
            return detail.isLeader ? { node, term: detail.term, warm: detail.warm } : null;
          } catch {
            return null;
          }
        }),
    );
    return found.filter((leader) => leader !== null);
  }

  async tableStatus(): Promise<TableStatus> {
    const { node } = (await this.leaders())[0] ?? { node: this.node('meta-1') };
    const body = await this.get(node, '/openapi/v1/slot/table/status');
    return (JSON.parse(body) as { data: TableStatus }).data;
  }

  /** Waits until the table is stable, even, and on all data nodes that are up (less those that drain). @throws with the status */
  async even(limitMs: number, without: readonly string[] = []): Promise<number> {
    const began = performance.now();
    const wanted = this.of('data').filter(({ up, name }) => up && !without.includes(name));
    let last = '';
    while (performance.now() - began < limitMs) {
      const status = await this.tableStatus().catch((error: unknown) => String(error));
      last = JSON.stringify(status);
      if (typeof status !== 'string' && isEven(status, wanted)) return performance.now() - began;
      await sleep(POLL_MS);
    }
    throw new Error(`the slots are not even after ${limitMs} ms: ${last}`);
  }

  /** A metric summed over the nodes of a role that are up, by its labels. */
  async metric(role: Role, name: string): Promise<Map<string, number>> {
    const sums = new Map<string, number>();
    for (const node of this.of(role).filter(({ up }) => up)) {
      for (const line of (await this.get(node, '/metrics')).split('\n')) {
        const found = /^(\w+)(?:\{(.*)\})? ([\d.e+-]+)$/.exec(line);
        if (found?.[1] !== name) continue;
        const labels = found[2] ?? '';
        sums.set(labels, (sums.get(labels) ?? 0) + Number(found[3]));
      }
    }
    return sums;
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    for (const node of this.nodes) if (!node.process.exited) process.kill(node.process.pid, 'SIGCONT');
    await Promise.all(this.nodes.map(({ process: child }) => child.kill()));
    await Promise.all(this.nodes.flatMap(({ proxy, httpProxy }) => [proxy?.close(), httpProxy?.close()]));
  }

  /** What the processes printed, newest part. */
  output(chars: number): string {
    return this.nodes
      .map(({ name, process: child }) => `--- ${name}\n${child.output.slice(-chars)}`)
      .join('\n');
  }

  /** What all processes logged at level error, those that were replaced included: each is a bug, unless a test provokes it. */
  get errorLines(): string[] {
    return [...this.#pastErrors, ...this.nodes.flatMap(errorsOf)];
  }

  get #proxied(): boolean {
    return this.#options.proxied ?? true;
  }

  async #add(name: string, role: Role): Promise<ClusterNode> {
    const [port, httpPort] = await stablePorts(HOST, 2);
    return this.#spawn(name, role, { port, httpPort });
  }

  async #spawn(name: string, role: Role, ports: RolePorts): Promise<ClusterNode> {
    const proxied = this.#proxied && role !== 'session';
    const proxy = proxied ? await inFrontOf(ports.port) : null;
    const httpProxy = proxied ? await inFrontOf(ports.httpPort) : null;
    const bare = {
      name,
      role,
      ports,
      address: `${proxied ? PROXY_HOST : HOST}:${ports.port}`,
      proxy,
      httpProxy,
    };
    const node = { ...bare, process: this.#process(bare), up: true };
    this.nodes.push(node);
    return node;
  }

  #process({ name, role, ports, proxy }: Omit<ClusterNode, 'process' | 'up'>): RegistryProcess {
    const meta = { port: this.#metas[0].port, httpPort: 0 };
    const sets = [
      `metas=${this.#metas.map(({ port }) => `${this.#proxied ? PROXY_HOST : HOST}:${port}`).join(',')}`,
      `store=${this.#options.store ?? `sqlite:${this.#options.dir}/meta`}`,
      `dataDir=${this.#options.dir}`,
      ...(proxy === null ? [] : [`advertise=${PROXY_HOST}`]),
      ...(this.#options.sets ?? []),
    ];
    return RegistryProcess.spawn({
      roles: [role],
      nodeOptions: this.#options.nodeOptions?.[role],
      ports: { meta, data: meta, session: meta, [role]: ports },
      sets,
      env: this.#options.env?.[name],
    });
  }
}

function errorsOf({ name, process: child }: ClusterNode): string[] {
  return child.errorLines.map((line) => `${name}: ${line}`);
}

function inFrontOf(port: number): Promise<FaultProxy> {
  return startFaultProxy({ listen: { host: PROXY_HOST, port }, target: { host: HOST, port } });
}

/** Leaders differ by at most one, all wanted nodes lead, nothing is on its way. */
function isEven(status: TableStatus, wanted: readonly ClusterNode[]): boolean {
  const led = wanted.map(
    ({ address, ports }) => status.leaderCount[address] ?? status.leaderCount[`${HOST}:${ports.port}`] ?? 0,
  );
  const leaders = Object.values(status.leaderCount).filter((count) => count > 0).length;
  return status.slotTableStable && leaders === wanted.length && Math.max(...led) - Math.min(...led) <= 1;
}
