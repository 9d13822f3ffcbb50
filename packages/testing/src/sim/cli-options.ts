/** What the command line of the simulator may say. */
import { parseArgs } from 'node:util';
import { FAULT_LEVELS, type FaultLevel } from './faults.ts';
import type { SimSize } from './plan.ts';

export const USAGE = `Runs the simulated cluster: one seed, or a batch of seeds.

  npm run sim -- --seed 7                       one run; a broken one is reduced to the shortest trace that still breaks
  npm run sim -- --seed 7 --trace               its timeline
  npm run sim -- --runs 200 --from 1            a batch on both cores
  npm run sim -- --runs 100000 --minutes 2 --from $(date +%s) --tolerate 0.01
                                                a fresh batch, as continuous integration runs it
  npm run sim -- --big                          ten minutes of 3 metas, 5 data nodes, 4 sessions, 200 clients

  --level <name>       one of ${FAULT_LEVELS.join(', ')}; the seed draws one otherwise
  --size <part=n,...>  fixes parts of the size that the seed would draw, as data=1,sessions=2
  --no-shrink          leaves a broken run as it is
  --minutes <n>        a batch starts no run after so long
  --workers <n>        threads of a batch, 2 by default
  --tolerate <share>   a batch passes with so many broken runs, as long as none breaks what must never break
`;

/** The parts of a size that `--size` may fix. */
const SIZE_PARTS: readonly (keyof SimSize)[] = [
  'metas',
  'data',
  'sessions',
  'zones',
  'clients',
  'services',
  'slotCount',
  'replicas',
  'activeMs',
  'stepMs',
];

/** See {@link USAGE}. */
export interface SimOptions {
  readonly help: boolean;
  /** One run of this seed, unless `runs` is set. */
  readonly seed: number;
  readonly runs: number | undefined;
  readonly from: number;
  readonly minutes: number;
  readonly workers: number;
  readonly level: FaultLevel | undefined;
  readonly trace: boolean;
  readonly shrinks: boolean;
  readonly big: boolean;
  readonly size: Partial<SimSize>;
  readonly tolerate: number;
}

/** Reads the command line. @throws Error that names the option and the rule */
export function readOptions(args: readonly string[]): SimOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', default: false },
      seed: { type: 'string' },
      runs: { type: 'string' },
      from: { type: 'string', default: '1' },
      minutes: { type: 'string', default: '1000000' },
      workers: { type: 'string', default: '2' },
      level: { type: 'string' },
      trace: { type: 'boolean', default: false },
      'no-shrink': { type: 'boolean', default: false },
      big: { type: 'boolean', default: false },
      size: { type: 'string', default: '' },
      tolerate: { type: 'string', default: '0' },
    },
  });
  const from = whole('--from', values.from, 0);
  return {
    help: values.help,
    seed: values.seed === undefined ? from : whole('--seed', values.seed, 0),
    runs: values.runs === undefined ? undefined : whole('--runs', values.runs, 1),
    from,
    minutes: number('--minutes', values.minutes),
    workers: whole('--workers', values.workers, 1),
    level: values.level === undefined ? undefined : levelNamed(values.level),
    trace: values.trace,
    shrinks: !values['no-shrink'],
    big: values.big,
    size: sizeOf(values.size),
    tolerate: number('--tolerate', values.tolerate),
  };
}

function number(option: string, text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isFinite(value) || value < 0)
    throw new Error(`${option} must be a number from 0: ${text}`);
  return value;
}

function whole(option: string, text: string, min: number): number {
  const value = Number(text);
  if (text === '' || !Number.isSafeInteger(value) || value < min)
    throw new Error(`${option} must be a whole number from ${min}: ${text}`);
  return value;
}

function levelNamed(text: string): FaultLevel {
  const level = FAULT_LEVELS.find((name) => name === text);
  if (level === undefined) throw new Error(`--level must be one of ${FAULT_LEVELS.join(', ')}: ${text}`);
  return level;
}

function sizeOf(text: string): Partial<SimSize> {
  const size: Partial<Record<keyof SimSize, number>> = {};
  for (const item of text.split(',').filter((each) => each !== '')) {
    const [name, value] = item.split('=');
    const part = SIZE_PARTS.find((each) => each === name);
    if (part === undefined) throw new Error(`--size knows ${SIZE_PARTS.join(', ')}: ${item}`);
    size[part] = whole(`--size ${part}`, value ?? '', 1);
  }
  return size;
}
