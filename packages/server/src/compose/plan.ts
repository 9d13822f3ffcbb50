/** From a checked configuration to what exactly will be started: addresses, directories, store. */
import { createServer, isIP } from 'node:net';
import { homedir, networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import {
  formatAddress,
  type HostPort,
  NODE_ROLES,
  type NodeRole,
  parseAddress,
  SLOT_FUNCTION,
  type SlotConfig,
} from '@sofa-registry/model';
import type { Config } from '../config/effective.ts';
import { readNamedFile } from '../config/sources.ts';

/** Addresses of one role. */
export interface RolePlan {
  readonly role: NodeRole;
  /** Where the registry port listens. */
  readonly listen: HostPort;
  /** `host:port` under which others reach it. */
  readonly advertise: string;
  readonly http: HostPort;
  readonly httpAddress: string;
}

/** How to open the store. */
export interface StorePlan {
  readonly url: string;
  readonly cluster: string;
  readonly user: string | undefined;
  readonly password: string | undefined;
}

/** Everything the composition needs to know. */
export interface Plan {
  /** In start order: meta, data, session. */
  readonly roles: readonly RolePlan[];
  readonly bind: string;
  readonly advertisedHost: string;
  readonly metas: readonly string[];
  readonly zone: string;
  readonly dataCenter: string;
  readonly slotConfig: SlotConfig;
  readonly dataDir: string;
  readonly store: StorePlan;
  readonly bodyBytesMax: number;
  readonly connectionsMax: number;
  readonly stopMs: number;
}

const ANY_HOSTS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** True when nobody outside this machine can connect. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(::ffff:)?127\./.test(host);
}

/** Directory for state that survives a restart. */
export function dataDirOf(config: Config, env: Readonly<Record<string, string | undefined>>): string {
  const configured = config.text('dataDir');
  if (configured !== '') return resolve(configured.replace(/^~(?=\/|$)/, homedir()));
  const state = env['XDG_STATE_HOME'];
  return join(
    state !== undefined && state.startsWith('/') ? state : join(homedir(), '.local', 'state'),
    'sofa-registry',
  );
}

/** Decides addresses, directories and the store. Free ports are chosen here when 0 is configured. */
export async function makePlan(
  config: Config,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Plan> {
  const bind = bareHost(config.text('bind'));
  const advertisedHost = bareHost(config.text('advertise')) || (ANY_HOSTS.has(bind) ? firstAddress() : bind);
  const roles: RolePlan[] = [];
  for (const role of NODE_ROLES) {
    if (config.list('roles').includes(role)) roles.push(await rolePlan(config, role, bind, advertisedHost));
  }
  const dataDir = dataDirOf(config, env);
  return {
    roles,
    bind,
    advertisedHost,
    metas: metasOf(config, roles, advertisedHost),
    zone: config.text('zone'),
    dataCenter: config.text('dataCenter'),
    slotConfig: {
      slotCount: config.number('slotCount'),
      replicas: config.number('replicas'),
      slotFunction: SLOT_FUNCTION,
    },
    dataDir,
    store: storeOf(config, dataDir),
    bodyBytesMax: config.number('http.bodyBytesMax'),
    connectionsMax: config.number('http.connectionsMax'),
    stopMs: config.number('stopMs'),
  };
}

/** Where a role listens, and under which addresses others reach it. */
async function rolePlan(config: Config, role: NodeRole, bind: string, host: string): Promise<RolePlan> {
  const ownBind = bareHost(config.text(`${role}.bind`));
  const listenHost = ownBind || bind;
  const httpHost = bareHost(config.text(`${role}.httpBind`)) || listenHost;
  const port = await portOf(config.number(`${role}.port`), listenHost);
  const httpPort = await portOf(config.number(`${role}.httpPort`), httpHost);
  const known = ownBind === '' || ANY_HOSTS.has(ownBind) ? host : ownBind;
  const address = placeOf(config.text(`${role}.advertise`), known, port);
  const http = placeOf(config.text(`${role}.httpAdvertise`), address.host, httpPort);
  return {
    role,
    listen: { host: listenHost, port },
    advertise: formatAddress(address.host, address.port),
    http: { host: httpHost, port: httpPort },
    httpAddress: formatAddress(http.host, http.port),
  };
}

/** `host`, `host:port` or nothing, completed. */
function placeOf(text: string, host: string, port: number): HostPort {
  if (text === '') return { host, port };
  const whole = isIP(text) === 0 ? parseAddress(text) : null;
  return whole === null ? { host: bareHost(text), port } : { host: bareHost(whole.host), port: whole.port };
}

/** Without brackets; an IPv6 address in its one canonical form, since addresses are compared as texts. */
function bareHost(text: string): string {
  const host = text.replace(/^\[(.*)\]$/, '$1');
  return isIP(host) === 6 ? new URL(`http://[${host}]`).hostname.slice(1, -1) : host;
}

function metasOf(config: Config, roles: readonly RolePlan[], host: string): readonly string[] {
  const configured = config.list('metas').map((meta) => {
    const parsed = parseAddress(meta);
    return parsed === null ? meta : formatAddress(bareHost(parsed.host), parsed.port);
  });
  const own = roles.find(({ role }) => role === 'meta')?.advertise;
  if (configured.length === 0) return [own ?? formatAddress(host, config.number('meta.port') || 9610)];
  return own === undefined || configured.includes(own) ? configured : [own, ...configured];
}

function storeOf(config: Config, dataDir: string): StorePlan {
  const passwordFile = config.text('storePasswordFile');
  const password =
    passwordFile === '' ? config.text('storePassword') : readNamedFile(passwordFile, 'storePasswordFile');
  return {
    url: config.text('store') || `sqlite:${dataDir}`,
    cluster: config.text('clusterId') || config.text('dataCenter'),
    user: config.text('storeUser') || undefined,
    password: password || undefined,
  };
}

function firstAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outer = addresses.filter(({ internal }) => !internal);
  return (outer.find(({ family }) => family === 'IPv4') ?? outer[0])?.address ?? '127.0.0.1';
}

/** A port that was free a moment ago, so that a node knows its own address before it opens it. */
function portOf(port: number, host: string): Promise<number> {
  if (port !== 0) return Promise.resolve(port);
  return new Promise((resolvePort, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen({ host, port: 0 }, () => {
      const address = probe.address();
      probe.close(() => resolvePort(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
