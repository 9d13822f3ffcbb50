import { describe, expect, it } from 'vitest';
import { readOptions, USAGE } from '../src/sim/cli-options.ts';

describe('options of the simulator', () => {
  it('runs seed 1 when nothing is said', () => {
    expect(readOptions([])).toEqual({
      help: false,
      seed: 1,
      runs: undefined,
      from: 1,
      minutes: 1_000_000,
      workers: 2,
      level: undefined,
      trace: false,
      shrinks: true,
      big: false,
      size: {},
      tolerate: 0,
    });
  });

  it('reads them all', () => {
    const line =
      '--runs 5 --from 7 --minutes 0.5 --workers 1 --level meta --no-shrink --trace --size data=1,sessions=2 --tolerate 0.01';
    expect(readOptions(line.split(' '))).toMatchObject({
      runs: 5,
      from: 7,
      seed: 7,
      minutes: 0.5,
      workers: 1,
      level: 'meta',
      shrinks: false,
      trace: true,
      size: { data: 1, sessions: 2 },
      tolerate: 0.01,
    });
  });

  it.each([
    ['--seed x', '--seed must be a whole number from 0: x'],
    ['--runs 0', '--runs must be a whole number from 1: 0'],
    ['--minutes -1', '--minutes must be a number from 0: -1'],
    ['--level loud', '--level must be one of none, single, combo, meta, operator: loud'],
    ['--size nodes=1', '--size knows metas, data'],
    ['--size data', '--size data must be a whole number from 1: '],
    ['--sead 1', "Unknown option '--sead'"],
  ])('refuses %s', (line, message) => {
    expect(() => readOptions(line.replace(' ', '=').split('  '))).toThrow(message);
  });

  it('are all in the help', () => {
    for (const option of Object.keys(readOptions([]))) {
      const flag = { shrinks: 'no-shrink' }[option] ?? option;
      if (flag !== 'help') expect(USAGE).toContain(`--${flag}`);
    }
  });
});
