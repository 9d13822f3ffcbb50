/** How a tier declares its tunables: one table, from which defaults, configuration keys and documentation derive. Pure. */
import type { HostPort, SlotConfig } from '@sofa-registry/model';

/** One tunable: default, bounds and meaning. */
export interface Setting<T extends number | boolean = number | boolean> {
  readonly default: T;
  /** Least allowed value of a number. */
  readonly min?: number;
  /** Greatest allowed value of a number. */
  readonly max?: number;
  /** `ms`, `bytes`, `items`, `perSecond`, `share`, `flag`. */
  readonly unit: string;
  readonly doc: string;
  /** Feature id (Fnnn) or reference page and section; 'design' or '' when it is ours. */
  readonly source: string;
}

/** A tunable number with its bounds. */
export function setting(
  value: number,
  min: number,
  max: number,
  unit: string,
  doc: string,
  source = '',
): Setting<number> {
  return Object.freeze({ default: value, min, max, unit, doc, source });
}

/** A table of tunables by name. */
export type SettingTable = Readonly<Record<string, Setting>>;

/** Values of all tunables of a table. */
export type Tunables<S extends SettingTable> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** The values of a configuration, completed with the defaults of the table. */
export function completeTunables<S extends SettingTable>(
  table: S,
  config: Partial<Tunables<S>>,
): Tunables<S> {
  const values: Record<string, unknown> = {};
  for (const name of Object.keys(table)) values[name] = config[name] ?? table[name].default;
  return Object.freeze(values) as Tunables<S>;
}

/** What every tier is told at its start, beside its tunables. */
export interface NodeConfig {
  /** Port to open; port 0 = any free one. Clients' port of a session, internal port of the others. */
  readonly listen: HostPort;
  /** `host:port` under which others reach it; '' = the bound address. */
  readonly advertise: string;
  /** Advertised `host:port` of the HTTP port; '' = none. */
  readonly httpAddress: string;
  /** `host:port` of metas known at the start; a meta may be among them itself. */
  readonly metas: readonly string[];
  /** Region of a session (upper-cased: scope zone compares so, wire 4.6); placement label of a data node, '' = none. */
  readonly zone: string;
  readonly dataCenter: string;
  /** Number by which the operating system knows the process, for people; default 0 = none. */
  readonly pid?: number;
  readonly slotConfig: SlotConfig;
}
