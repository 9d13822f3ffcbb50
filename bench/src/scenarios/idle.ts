/** What a server costs that nobody uses. */
import type { Context, Row, Scenario } from '../harness/scenario.ts';
import { sleep } from '../load/waiting.ts';

const SETTLE_MS = 8_000;
const WATCH_MS = 20_000;

export const idle: Scenario = {
  name: 'idle',
  title: 'Idle server',
  ownServer: true,
  limitMs: 60_000,
  async run(context: Context): Promise<Row[]> {
    await sleep(SETTLE_MS);
    const before = context.cpu();
    const began = performance.now();
    await sleep(WATCH_MS);
    const share = (context.cpu() - before) / ((performance.now() - began) * 1000);
    return [
      {
        what: 'CPU of an idle server',
        value: share * 100,
        unit: '%',
        budget: 0.5,
        note: 'of one core, over 20 s',
      },
      { what: 'memory of an idle server (RSS)', value: context.rss() / 1e6, unit: 'MB', budget: 110 },
    ];
  },
};
