/** One meta on SQLite under load: it is stopped, killed, paused and started again; nothing on the data path notices. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { Arena, type Outcome } from '../cluster/arena.ts';

const LONG = process.env['META_LONG'] === '1';
const PAUSE_MS = LONG ? 20_000 : 8_000;
const AWAY_MS = LONG ? 60_000 : 5_000;
const LIMIT_MS = 60_000;

describe('one meta on SQLite', () => {
  const arena = new Arena({ data: 3, sessions: 2, sets: ['meta.expectedDataNodes=3'] });
  beforeAll(() => arena.ready());
  afterAll(async () => {
    console.log(`\n${arena.table()}\n`);
    await arena.close();
  });

  const scenario = (name: string, act: () => Promise<Outcome>): void =>
    it(name, () => arena.run(`sqlite: ${name}`, act));

  /** Time from now until it leads and acts. */
  async function acts(): Promise<number> {
    const began = performance.now();
    while (!(await arena.cluster.leaders()).some(({ warm }) => warm)) {
      if (performance.now() - began > LIMIT_MS) throw new Error('the meta does not act');
      await sleep(25);
    }
    return (performance.now() - began) / 1000;
  }

  scenario('the meta is stopped and started again', async () => {
    await arena.cluster.restart('meta-1');
    return { what: 'it acts after its start', seconds: await acts() };
  });

  scenario(`the meta is killed and away for ${AWAY_MS / 1000} s`, async () => {
    await arena.cluster.kill('meta-1');
    const meanwhile = await arena.propagates();
    await sleep(AWAY_MS);
    arena.cluster.revive('meta-1');
    const seconds = await acts();
    return {
      what: 'it acts after its start',
      seconds,
      note: `all slots propagate meanwhile ${meanwhile.toFixed(2)} s`,
    };
  });

  scenario(`the meta is paused for ${PAUSE_MS / 1000} s`, async () => {
    arena.cluster.pause('meta-1');
    const meanwhile = await arena.propagates();
    await sleep(PAUSE_MS);
    arena.cluster.resume('meta-1');
    const seconds = await acts();
    return {
      what: 'it acts after its return',
      seconds,
      note: `all slots propagate meanwhile ${meanwhile.toFixed(2)} s`,
    };
  });
});
