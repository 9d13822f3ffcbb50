/** From a checked configuration to what exactly will be started: addresses, directories, store. */
import { createServer } from 'node:net';
import { homedir, networkInterfaces } from 'node:os';
import { join, resolve } from 'node:path';
import {
  formatAddress,
  type HostPort,
  NODE_ROLES,
  type NodeRole,
  SLOT_FUNCTION,
  type SlotConfig,
} from '@sofa-registry/model';
import type { Config } from '../config/effective.ts';
import { readSecret } from '../config/sources.ts';

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
  /** '' when none is configured. */
  readonly operatorToken: string;
  readonly bodyBytesMax: number;
  readonly connectionsMax: number;
  readonly stopMs: number;
}

const ANY_HOSTS: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** True when nobody outside this machine can connect. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
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
  const bind = config.text('bind');
  const advertisedHost = config.text('advertise') || (ANY_HOSTS.has(bind) ? firstAddress() : bind);
  const roles: RolePlan[] = [];
  for (const role of NODE_ROLES) {
    if (!config.list('roles').includes(role)) continue;
    const port = await portOf(config.number(`${role}.port`), bind);
    const httpPort = await portOf(config.number(`${role}.httpPort`), bind);
    roles.push({
      role,
      listen: { host: bind, port },
      advertise: formatAddress(advertisedHost, port),
      http: { host: bind, port: httpPort },
      httpAddress: formatAddress(advertisedHost, httpPort),
    });
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
    operatorToken: operatorTokenOf(config, env),
    bodyBytesMax: config.number('http.bodyBytesMax'),
    connectionsMax: config.number('http.connectionsMax'),
    stopMs: config.number('stopMs'),
  };
}

function metasOf(config: Config, roles: readonly RolePlan[], host: string): readonly string[] {
  const configured = config.list('metas');
  const own = roles.find(({ role }) => role === 'meta')?.advertise;
  if (configured.length === 0) return [own ?? formatAddress(host, config.number('meta.port') || 9610)];
  return own === undefined || configured.includes(own) ? configured : [own, ...configured];
}

function storeOf(config: Config, dataDir: string): StorePlan {
  const passwordFile = config.text('storePasswordFile');
  const password =
    passwordFile === '' ? config.text('storePassword') : readSecret(passwordFile, 'storePasswordFile');
  return {
    url: config.text('store') || `sqlite:${dataDir}`,
    cluster: config.text('clusterId') || config.text('dataCenter'),
    user: config.text('storeUser') || undefined,
    password: password || undefined,
  };
}

function operatorTokenOf(config: Config, env: Readonly<Record<string, string | undefined>>): string {
  const file = config.text('operatorTokenFile');
  return file === '' ? (env['SOFA_REGISTRY_OPERATOR_TOKEN'] ?? '') : readSecret(file, 'operatorTokenFile');
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
