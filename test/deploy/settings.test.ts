/** What deploy/ says to the program must exist in the program: keys, ports, times, commands. Needs no tool beyond the repository's. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { SETTINGS } from '../../packages/server/src/config/settings.ts';

const DEPLOY = join(import.meta.dirname, '..', '..', 'deploy');
const read = (...path: string[]): string => readFileSync(join(DEPLOY, ...path), 'utf8');
const files = readdirSync(DEPLOY, { recursive: true, encoding: 'utf8' }).filter((name) =>
  statSync(join(DEPLOY, name)).isFile(),
);
const units = readdirSync(join(DEPLOY, 'systemd')).filter((name) => name.endsWith('.service'));
const variables = new Set([...SETTINGS.values()].map(({ env }) => env));
/** Variables that are no settings: where the configuration is, and the image tag of the Compose file. */
const OTHERS = new Set(['SOFA_REGISTRY_CONFIG', 'SOFA_REGISTRY_TAG']);

it.each(files)('%s names only settings that exist', (name) => {
  const named = read(name).match(/SOFA_REGISTRY_[A-Z_]*[A-Z]/g) ?? [];
  expect(named.filter((variable) => !variables.has(variable) && !OTHERS.has(variable))).toEqual([]);
});

it('no secret is in any file, and none is given by a setting that holds it', () => {
  const secret = [...SETTINGS.values()].filter((setting) => setting.secret === true).map(({ env }) => env);
  expect(secret).toContain('SOFA_REGISTRY_STORE_PASSWORD');
  for (const name of files) {
    for (const variable of secret)
      expect(read(name), name).not.toMatch(new RegExp(`${variable}(?!_FILE)\\b`));
  }
});

it('the image runs as nobody special, from the built artefact, and opens the usual ports', () => {
  const dockerfile = read('Dockerfile');
  expect(dockerfile.match(/^FROM .*$/gm)).toHaveLength(2);
  expect(dockerfile).toMatch(/^USER 1000:1000$/m);
  // Exec form: the registry is process 1 and gets the signals itself.
  const entry = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile)![1];
  expect(JSON.parse(entry)).toEqual(['node', '/opt/sofa-registry/packages/server/dist/cli.js']);
  const ports = /^EXPOSE (.*)$/m.exec(dockerfile)![1].split(' ').map(Number);
  const usual = [...SETTINGS.values()]
    .filter(({ unit }) => unit === 'port')
    .map((setting) => setting.default as number);
  expect(new Set(ports)).toEqual(new Set(usual));
});

it('whoever stops a process waits longer than its graceful stop takes', () => {
  const stopSeconds = (SETTINGS.get('stopMs')!.default as number) / 1000;
  for (const unit of units) {
    const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(read('systemd', unit))?.[1]);
    expect(seconds, unit).toBeGreaterThan(stopSeconds + 10);
  }
  const values = parse(read('helm/sofa-registry/values.yaml')) as {
    terminationGracePeriodSeconds: number;
    session: { preStopSeconds: number };
  };
  expect(values.terminationGracePeriodSeconds).toBeGreaterThan(
    stopSeconds + 10 + values.session.preStopSeconds,
  );
  expect(read('compose/compose.yaml')).toContain('stop_grace_period: 45s');
});

it.each(units)('%s is one role under restrictions', (unit) => {
  const text = read('systemd', unit);
  for (const line of [
    'User=sofa-registry',
    'NoNewPrivileges=yes',
    'ProtectSystem=strict',
    'KillMode=mixed',
    'Restart=always',
  ])
    expect(text.split('\n')).toContain(line);
  // Node.js writes code as it runs.
  expect(text).not.toMatch(/^MemoryDenyWriteExecute=yes/m);
  if (/data|session/.test(unit)) expect(text).toMatch(/^ExecStop=-.* drain --self$/m);
});

interface Service {
  readonly image: string;
  readonly environment: Record<string, string>;
  readonly secrets: string[];
  readonly depends_on?: Record<string, unknown>;
  readonly ports?: string[];
}

it('the Compose file is three metas on one store, three data nodes and two sessions, each with what it needs', () => {
  const file = parse(read('compose/compose.yaml'), { merge: true }) as {
    services: Record<string, Service>;
    secrets: Record<string, unknown>;
  };
  const { postgres, ...nodes } = file.services;
  const roles = Object.values(nodes).map(({ environment }) => environment['SOFA_REGISTRY_ROLES']);
  expect(roles.toSorted()).toEqual(['data', 'data', 'data', 'meta', 'meta', 'meta', 'session', 'session']);
  for (const [name, { environment, secrets, ports }] of Object.entries(nodes)) {
    expect(environment['SOFA_REGISTRY_ADVERTISE']).toBe(name);
    for (const meta of environment['SOFA_REGISTRY_METAS'].split(','))
      expect(nodes).toHaveProperty(meta.split(':')[0]);
    for (const secret of secrets) expect(file.secrets).toHaveProperty(secret);
    for (const [key, value] of Object.entries(environment))
      if (key.endsWith('_FILE'))
        expect(secrets, `${name} ${key}`).toContain(value.replace('/run/secrets/', ''));
    // Only metas talk to the store; only this machine reaches the sessions.
    expect('SOFA_REGISTRY_STORE' in environment).toBe(environment['SOFA_REGISTRY_ROLES'] === 'meta');
    for (const port of ports ?? []) expect(port).toMatch(/^127\.0\.0\.1:/);
  }
  expect(postgres.secrets).toEqual(['store-password']);
});
