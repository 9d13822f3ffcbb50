/**
 * Runs before every test file. Property tests draw from one known seed, so a red run is red again; `FUZZ_SEED=<number>` chooses
 * another and `FUZZ_SEED=random` a new one, which is printed.
 */
import fc from 'fast-check';

const wanted = process.env.FUZZ_SEED ?? '20260101';
const seed = wanted === 'random' ? Math.floor(Math.random() * 2 ** 31) : Number(wanted);
if (wanted === 'random') console.log(`FUZZ_SEED=${seed}`);
fc.configureGlobal({ seed });
