/** A process that holds a SQLite store until it is killed: `sqlite-holder.ts <dir>`, reports over IPC. */
import { openStore } from '../src/index.ts';
import { ManualClock, manualPorts } from './manual-clock.ts';

const store = await openStore(`sqlite:${process.argv[2]}`, manualPorts(new ManualClock()));
const { term } = await store.lease.tryAcquire('127.0.0.1:9610', 60_000);
const { version } = await store.docs.put('k', 'written', { expect: 'any', fence: { term } });
process.send?.({ term, version });
setInterval(() => {}, 60_000);
