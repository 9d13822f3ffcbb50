/** The tables of the reference pages in `docs/`, made from the code. `npm run docs` writes them, a test compares them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLUSTER_METRICS } from '../../packages/cluster/src/index.ts';
import { DataServer } from '../../packages/data/src/index.ts';
import { MetaServer, storeMetrics } from '../../packages/meta/src/index.ts';
import {
  BOLT_METRICS,
  ManualClock,
  memoryNetwork,
  type MetricFamily,
  noopLogger,
  seededRandom,
} from '../../packages/runtime/src/index.ts';
import { NET_METRICS } from '../../packages/runtime/src/node/index.ts';
import { Operators } from '../../packages/server/src/compose/operators.ts';
import { processMetrics } from '../../packages/server/src/compose/process-metrics.ts';
import { securityMetrics } from '../../packages/server/src/compose/secrets.ts';
import { numberRule, type Setting } from '../../packages/server/src/config/setting.ts';
import { SETTINGS } from '../../packages/server/src/config/settings.ts';
import type { Endpoint } from '../../packages/server/src/http/endpoint.ts';
import { AuditLog } from '../../packages/server/src/http/audit.ts';
import { Gate } from '../../packages/server/src/http/gate.ts';
import { ENDPOINTS } from '../../packages/server/src/http/routes.ts';
import { SessionServer } from '../../packages/session/src/index.ts';
import { MemoryStoreBackend, memoryStore } from '../../packages/store/src/index.ts';
import { MUTATIONS } from '../slow/mutations/mutations.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** A page, the marker in it, and what belongs there. */
export interface DocTable {
  readonly page: string;
  readonly marker: string;
  readonly text: string;
}

function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function rule(setting: Setting): string {
  if (setting.choices !== undefined)
    return `${setting.list === true ? 'any of' : 'one of'} ${setting.choices.join(', ')}`;
  if (setting.list === true) return 'list';
  if (typeof setting.default === 'number') return numberRule(setting);
  return typeof setting.default === 'boolean' ? 'true or false' : 'text';
}

function configurationRow(setting: Setting): string[] {
  const shown = setting.default === '' ? '(empty)' : `\`${setting.default}\``;
  return [`\`${setting.key}\``, shown, setting.unit, rule(setting), setting.doc, setting.source];
}

function configuration(prefix: RegExp): string {
  const rows = [...SETTINGS.values()].filter(({ key }) => prefix.test(key)).map(configurationRow);
  return markdown(['key', 'default', 'unit', 'rule', 'meaning', 'source'], rows);
}

/** Files that hold a closed table of error codes. */
const ERROR_FILES = [
  ['server', 'packages/server/src/errors.ts'],
  ['SDK', 'packages/client/src/errors.ts'],
  ['wire', 'packages/wire/src/errors.ts'],
  ['runtime', 'packages/runtime/src/errors.ts'],
  ['store', 'packages/store/src/errors.ts'],
] as const;

/** Codes of an error table with the doc comment above each, read from the source. */
export function errorRows(source: string): { code: string; meaning: string; facts: string }[] {
  const entry = /\/\*\*\s*((?:(?!\*\/)[\s\S])*?)\s*\*\/\s*\n\s*(SR_[A-Z0-9_]+):\s*(\{[^}]*\}|'[^']*')/g;
  return [...source.matchAll(entry)].map(([, comment, code, value]) => ({
    code,
    meaning: comment.replace(/\s*\n\s*\*\s?/g, ' ').trim(),
    facts: factsOf(value),
  }));
}

function factsOf(value: string): string {
  if (value.startsWith("'")) return value.slice(1, -1);
  const pairs = [...value.matchAll(/(\w+):\s*('[^']*'|[\w.]+)/g)].filter(([, name]) => name !== 'message');
  return pairs
    .filter(([, , text]) => text !== '0' && text !== 'false')
    .map(([, name, text]) => (text === 'true' ? name : `${name} ${text.replaceAll("'", '')}`))
    .join(', ');
}

function errors(file: string): string {
  const rows = errorRows(readFileSync(join(ROOT, file), 'utf8'));
  return markdown(
    ['code', 'meaning', 'facts'],
    rows.map(({ code, meaning, facts }) => [`\`${code}\``, meaning, facts]),
  );
}

const OPEN_GATE = { reads: 'open', secretsNeedTls: false, nowMs: () => 0 } as const;

/** Every metric of the program, by the component it belongs to. */
export function allMetrics(): [string, readonly MetricFamily[]][] {
  const clock = new ManualClock();
  const random = seededRandom(1);
  const network = memoryNetwork({ clock });
  const ports = { clock, random, network, logger: noopLogger() };
  const base = {
    listen: { host: '127.0.0.1', port: 0 },
    advertise: '127.0.0.1:1',
    httpAddress: '127.0.0.1:2',
    metas: ['127.0.0.1:3'],
    zone: 'DEFAULT_ZONE',
    dataCenter: 'DefaultDataCenter',
    slotConfig: { slotCount: 4, replicas: 2, slotFunction: 'crc32c' },
  };
  const store = memoryStore(new MemoryStoreBackend({ clock }), ports);
  return [
    ['session', new SessionServer({ ...ports, clientNetwork: network }, base).metrics.families()],
    ['data', new DataServer(ports, base).metrics.families()],
    ['meta', new MetaServer({ ...ports, store }, base).metrics.families()],
    ['store', storeMetrics().set.families()],
    ['cluster', CLUSTER_METRICS.families()],
    ['bolt', BOLT_METRICS.set.families()],
    ['net', NET_METRICS.set.families()],
    ['process', processMetrics().families()],
    ['security', securityMetrics(() => null).set.families()],
    ['operator', new Gate({ operators: new Operators([]), ...OPEN_GATE }).metrics.families()],
    ['audit', new AuditLog({ file: '', fileBytesMax: 1, filesMax: 1, entriesMax: 1 }).metrics.families()],
  ];
}

function metrics(families: readonly MetricFamily[]): string {
  const rows = families.map(({ name, kind, help, labels, source }) => [
    `\`${name}\``,
    kind,
    labels.join(', '),
    help,
    source,
  ]);
  return markdown(['metric', 'kind', 'labels', 'meaning', 'source'], rows);
}

function endpoints(role: keyof typeof ENDPOINTS): string {
  const rows = ENDPOINTS[role].map(({ method, path, access, changes, leader, doc }: Endpoint<never>) => [
    `${method} \`${path}\``,
    doc,
    [
      changes === true ? 'operator, audited' : (access ?? ''),
      leader === undefined ? '' : leader === true ? 'leader' : 'leader, or last seen',
    ]
      .filter((word) => word !== '')
      .join(', '),
  ]);
  return markdown(['endpoint', 'answer', ''], rows);
}

function deliberateBugs(): string {
  const rows = MUTATIONS.map(({ name, what, breaks, caughtBy }) => [name, what, breaks, String(caughtBy)]);
  return markdown(['deliberate bug', 'what it does', 'caught by', 'trial'], rows);
}

/** All tables. */
export function docTables(): DocTable[] {
  return [
    {
      page: 'configuration.md',
      marker: 'process',
      text: configuration(
        /^(?!session\.|data\.|meta\.)|\.(port|httpPort|bind|advertise|httpBind|httpAdvertise)$/,
      ),
    },
    ...(['session', 'data', 'meta'] as const).map((tier) => ({
      page: 'configuration.md',
      marker: tier,
      text: configuration(
        new RegExp(`^${tier}\\.(?!(port|httpPort|bind|advertise|httpBind|httpAdvertise)$)`),
      ),
    })),
    ...ERROR_FILES.map(([marker, file]) => ({ page: 'errors.md', marker, text: errors(file) })),
    ...allMetrics().map(([marker, families]) => ({ page: 'metrics.md', marker, text: metrics(families) })),
    ...(['session', 'data', 'meta'] as const).map((role) => ({
      page: 'http.md',
      marker: role,
      text: endpoints(role),
    })),
    { page: 'simulation.md', marker: 'deliberate-bugs', text: deliberateBugs() },
  ];
}

const START = (marker: string): string => `<!-- table ${marker}: made by npm run docs -->`;
const END = '<!-- end -->';

/** The page with a table replaced. @throws if the page has no such marker */
export function withTable(page: string, { marker, text }: DocTable): string {
  const at = page.indexOf(START(marker));
  const end = page.indexOf(END, at);
  if (at < 0 || end < 0) throw new Error(`no marker ${START(marker)} ... ${END}`);
  return `${page.slice(0, at)}${START(marker)}\n${text}\n${page.slice(end)}`;
}

/** Path of a page. */
export function pagePath(page: string): string {
  return join(ROOT, 'docs', page);
}
