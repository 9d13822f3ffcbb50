import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { copyLines } from '../src/cli/labelled-lines.ts';
import { planProcesses } from '../src/cli/process-plan.ts';
import { banner } from '../src/compose/banner.ts';
import { makePlan } from '../src/compose/plan.ts';
import { Secrets } from '../src/compose/secrets.ts';
import { loadConfig, REDACTED } from '../src/config/effective.ts';
import { checkValue, defaultOf, envName } from '../src/config/setting.ts';
import { nearestKey, REFERENCE_KEYS, SETTINGS } from '../src/config/settings.ts';

const dir = mkdtempSync(join(tmpdir(), 'sofa-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

function file(text: string): string {
  const path = join(dir, `${Math.abs(hash(text))}.yaml`);
  writeFileSync(path, text);
  return path;
}
const hash = (text: string): number =>
  [...text].reduce((sum, unit) => (sum * 31 + unit.charCodeAt(0)) | 0, 7);
const NO_ENV = {};

describe('sources', () => {
  it('are defaults < file < environment < flags < --set, and each value knows its place', async () => {
    const path = file('zone: file\nreplicas: 3\nsession:\n  port: 1001\n  httpPort: 1002\ndata.port: 1003\n');
    const env = { SOFA_REGISTRY_REPLICAS: '4', SOFA_REGISTRY_SESSION_PORT: '2001', OTHER: 'x' };
    const flags = [{ key: 'session.port', value: '3001', from: '--port', exposed: true }];
    const config = await loadConfig({
      file: path,
      env,
      flags,
      sets: ['meta.port=4001', 'session.httpPort=4_002'],
    });
    expect(config.entry('zone')).toEqual({ value: 'FILE', from: path });
    expect(config.entry('replicas')).toEqual({ value: 4, from: 'SOFA_REGISTRY_REPLICAS' });
    expect(config.entry('session.port')).toEqual({ value: 3001, from: '--port' });
    expect(config.entry('session.httpPort')).toEqual({ value: 4002, from: '--set' });
    expect(config.entry('data.port')).toEqual({ value: 1003, from: path });
    expect(config.entry('meta.port')).toEqual({ value: 4001, from: '--set' });
    expect(config.entry('bind')).toEqual({ value: '127.0.0.1', from: 'default' });
  });

  it('finds the file by the environment, and an empty file is no configuration', async () => {
    const config = await loadConfig({ env: { SOFA_REGISTRY_CONFIG: file('# nothing\n') } });
    expect(config.list('roles')).toEqual(['meta', 'data', 'session']);
  });

  it('understands the names of the reference', async () => {
    const text =
      'nodes:\n  localRegion: gz00\n  metaNode: DefaultDataCenter:m1,m2\njdbc.url: jdbc:mysql://db/registry\n';
    const config = await loadConfig({ file: file(text), env: NO_ENV });
    expect(config.text('zone')).toBe('GZ00');
    expect(config.list('metas')).toEqual(['m1:9610', 'm2:9610']);
    expect(config.text('store')).toBe('jdbc:mysql://db/registry');
    for (const key of REFERENCE_KEYS.values()) expect(SETTINGS.has(key), key).toBe(true);
  });

  it('takes JDBC_* only beside the jdbc profile', async () => {
    const jdbc = { JDBC_URL: 'jdbc:mysql://db/registry', JDBC_PASSWORD: 'secret' };
    expect((await loadConfig({ env: jdbc })).text('store')).toBe('');
    const config = await loadConfig({ env: { ...jdbc, PERSISTENCE_PROFILE_ACTIVE: 'jdbc' } });
    expect([config.text('store'), config.text('storePassword')]).toEqual([
      'jdbc:mysql://db/registry',
      'secret',
    ]);
  });
});

describe('refusals', () => {
  const refused = (sets: string[], more = {}): Promise<string> =>
    loadConfig({ sets, env: NO_ENV, ...more }).then(
      () => 'accepted',
      (error: Error) => error.message,
    );

  it.each([
    ['sesion.port=1', 'unknown key sesion.port (from --set); did you mean session.port?'],
    ['completelyElse=1', 'unknown key completelyElse (from --set); see all keys with: sofa-registry config'],
    ['session.port=99999', 'session.port = "99999" (from --set): it must be a whole number from 0 to 65535'],
    ['session.port=1e3', 'session.port = "1e3" (from --set): it must be a whole number from 0 to 65535'],
    ['session.port=9603', 'session.port = "9603" (from --set)'],
    ['slotCount=100', 'slotCount = 100 (from --set): it must be a power of two'],
    ['roles=', 'roles = "" (from --set): it must be at least one of meta, data, session'],
    ['roles=meta,boss', 'it must be a list of one of meta, data, session'],
    ['log.level=loud', 'it must be one of auto, debug, info, warn, error'],
    ['metas=nohost', 'it must be a list of host:port'],
    ['bind=a b', 'it must be one address'],
    ['zone=', 'it must be a text that is not empty'],
    ['noequals', 'write it as --set key=value'],
  ])('%s', async (set, message) => {
    const text = await refused([set]);
    if (set === 'session.port=9603') expect(text).toContain('another port');
    else expect(text).toContain(message);
    expect(text).not.toContain('\n');
  });

  it('names the variable', async () => {
    expect(await refused([], { env: { SOFA_REGISTRY_REPLICAS: 'two' } })).toBe(
      'replicas = "two" (from SOFA_REGISTRY_REPLICAS): it must be a whole number from 1 to 7',
    );
    expect(await refused([], { env: { SOFA_REGISTRY_REPLICA: '2' } })).toContain('did you mean replicas?');
  });

  it('names the file', async () => {
    expect(await refused([], { file: join(dir, 'none.yaml') })).toContain('none.yaml: ENOENT');
    expect(await refused([], { file: file('a: [1') })).toContain('.yaml: ');
    expect(await refused([], { file: file('- 1\n') })).toContain('it must be a map');
    expect(await refused([], { file: file('session: {port: [1]}') })).toContain('session.port = [1]');
    expect(await refused([], { file: file('__proto__: {zone: x}\nzone: y') })).toContain('unknown key');
  });

  it('takes no secret from the command line and prints none', async () => {
    expect(await refused(['storePassword=hunter2'])).not.toContain('hunter2');
    const config = await loadConfig({
      env: { SOFA_REGISTRY_STORE_PASSWORD: 'hunter2', SOFA_REGISTRY_STORE: 'postgres://u:hunter2@h/d' },
    });
    const printed = JSON.stringify(config.printable());
    expect(printed).not.toContain('hunter2');
    expect(printed).toContain(REDACTED);
  });
});

describe('every setting', () => {
  it.each([...SETTINGS.keys()])('%s accepts its own default in every form', (key) => {
    const setting = SETTINGS.get(key)!;
    expect(checkValue(setting, setting.default)).toEqual({ value: defaultOf(setting) });
    expect(checkValue(setting, String(setting.default))).toEqual({ value: defaultOf(setting) });
    expect(envName(key)).toMatch(/^SOFA_REGISTRY_[A-Z0-9_]+$/);
  });

  it('never throws on any value, and a number it accepts is within the bounds', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SETTINGS.values()), fc.anything(), (setting, raw) => {
        const checked = checkValue(setting, raw);
        if ('rule' in checked) expect(checked.rule).not.toBe('');
        else if (typeof checked.value === 'number') {
          expect(checked.value).toBeGreaterThanOrEqual(setting.min ?? -Infinity);
          expect(checked.value).toBeLessThanOrEqual(setting.max ?? Infinity);
        }
      }),
    );
  });

  it('finds what was meant', () => {
    expect(nearestKey('datadir')).toBe('dataDir');
    expect(nearestKey('session.httpport')).toBe('session.httpPort');
    expect(nearestKey('xxxxxxxxxxxxxxxxxxxxxxx')).toBeNull();
  });
});

describe('plan', () => {
  const plan = async (...sets: string[]) =>
    makePlan(await loadConfig({ sets, env: NO_ENV }), { XDG_STATE_HOME: '/state' });
  const bannerOf = async (...sets: string[]) =>
    banner(
      await plan(...sets),
      await Secrets.load(await loadConfig({ sets, env: NO_ENV })),
      'sqlite:/state',
      7,
    );

  it('starts meta, data, session on the usual ports of loopback', async () => {
    const made = await plan();
    expect(made.roles.map(({ role, advertise, httpAddress }) => [role, advertise, httpAddress])).toEqual([
      ['meta', '127.0.0.1:9610', '127.0.0.1:9615'],
      ['data', '127.0.0.1:9620', '127.0.0.1:9622'],
      ['session', '127.0.0.1:9600', '127.0.0.1:9603'],
    ]);
    expect(made.metas).toEqual(['127.0.0.1:9610']);
    expect(made.store.url).toBe('sqlite:/state/sofa-registry');
    expect(await bannerOf()).toContain('listening on loopback only; --bind 0.0.0.0 opens it');
  });

  it('advertises a name where it binds everything, and itself among the metas', async () => {
    const sets = ['bind=0.0.0.0', 'advertise=registry.example', 'metas=m2:9610,m3:9610'];
    const made = await plan(...sets);
    expect(made.metas).toEqual(['registry.example:9610', 'm2:9610', 'm3:9610']);
    expect(made.roles[2].advertise).toBe('registry.example:9600');
    expect(await bannerOf(...sets)).toContain(
      'listening on 0.0.0.0, known as registry.example; HTTP serves this machine only',
    );
  });

  it('looks for a meta on this machine when it is none itself', async () => {
    expect((await plan('roles=session')).metas).toEqual(['127.0.0.1:9610']);
  });

  it('takes free ports for 0', async () => {
    const made = await plan('session.port=0', 'session.httpPort=0');
    expect(made.roles[2].listen.port).toBeGreaterThan(0);
    expect(made.roles[2].listen.port).not.toBe(made.roles[2].http.port);
  });
});

describe('several processes of one host', () => {
  const load = (...sets: string[]) => loadConfig({ sets, env: NO_ENV });

  it('get ports of their own, and everything else from the same command line', async () => {
    const config = await load('roles=session', 'processes=3', 'session.port=7000', 'session.httpPort=0');
    const [first, , third] = planProcesses(config, ['--zone', 'a']);
    expect(first.name).toBe('session-1');
    expect(third.name).toBe('session-3');
    expect(third.command).toContain('--zone');
    expect(third.command.slice(third.command.indexOf('a') + 1).filter((word) => word !== '--set')).toEqual([
      'processes=1',
      'log.level=info',
      'log.format=json',
      'session.port=7200',
      'session.httpPort=0',
    ]);
  });

  it('do not share what only one can have: advertised ports, and the file of the audit', async () => {
    const sets = [
      'roles=data',
      'processes=2',
      'data.advertise=d1:7000',
      'data.httpAdvertise=d1',
      'audit.file=/var/audit',
    ];
    const [first, second] = planProcesses(await load(...sets), []);
    expect(second.command).toEqual(
      expect.arrayContaining(['data.advertise=d1:7100', 'data.httpAdvertise=d1', 'audit.file=/var/audit-2']),
    );
    expect(first.command.some((word) => /advertise|audit/i.test(word))).toBe(false);
  });

  it('are refused for metas, and where a port would be too high', async () => {
    await expect(load('processes=2')).rejects.toThrow(
      'processes = 2 (from --set): it must be 1 for a process with',
    );
    await expect(load('roles=data', 'processes=64', 'processPortStep=1000')).rejects.toThrow(
      'data.port = 9620 (from default): it must be at most 2535 for 64 processes',
    );
  });
});

describe('lines of several processes', () => {
  it('carry the name, whatever chunks they come in', async () => {
    const source = new PassThrough();
    let out = '';
    copyLines('data-2', source, { write: (text) => ((out += text), true), once: () => undefined });
    for (const byte of Buffer.from('{"a":1}\nplain ä\n\nlast')) source.write(Buffer.of(byte));
    source.end();
    await once(source, 'end');
    expect(out).toBe('{"process":"data-2","a":1}\ndata-2: plain ä\ndata-2: last\n');
  });

  it('wait for a slow reader, and are cut when they are too long', async () => {
    const source = new PassThrough();
    const written: string[] = [];
    let drained = (): void => undefined;
    copyLines('p', source, {
      write: (text) => written.push(text) === 0,
      once: (_event, listener) => (drained = listener),
    });
    source.write('x'.repeat(70_000));
    await eventuallyTrue(() => written.length === 1);
    expect(source.isPaused()).toBe(true);
    expect(written[0]).toHaveLength(65_536 + 'p: \n'.length);
    drained();
    expect(source.isPaused()).toBe(false);
  });
});

async function eventuallyTrue(condition: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100 && !condition(); turn++) await new Promise((done) => setImmediate(done));
  expect(condition()).toBe(true);
}
