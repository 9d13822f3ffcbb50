/** From the start of the process to three healthy roles. */
import { median } from '../load/stats.ts';
import { type Row, type Scenario, startTarget } from '../harness/scenario.ts';

const STARTS = 7;

export const start: Scenario = {
  name: 'start',
  title: 'Start of an all-in-one server',
  ownServer: true,
  limitMs: 60_000,
  async run(): Promise<Row[]> {
    const times: number[] = [];
    for (let i = 0; i < STARTS; i++) {
      const began = performance.now();
      const target = await startTarget([], []);
      times.push(performance.now() - began);
      await target.process?.stop();
    }
    return [
      {
        what: 'process started -> all health checks answer 200 (median)',
        value: median(times),
        unit: 'ms',
        budget: 500,
        note: `${STARTS} starts, slowest ${Math.max(...times).toFixed(0)} ms, measured from outside`,
      },
    ];
  },
};
