/**
 * The consumer: follows the service through the registry, calls everybody on the list all the time, and reports. Argument:
 * group. Started by demo.ts; ends when its parent has gone.
 */
import { connect, type ServiceList } from '@sofa-registry/client';
import { DATA_ID, type FromConsumer, nowMs, type Row, SERVER } from './messages.ts';

/** Pause between two rounds of calls. */
const ROUND_MS = 250;
/** Time a provider has to answer. */
const CALL_TIMEOUT_MS = 1000;

const [group] = process.argv.slice(2);
const end = new AbortController();
process.once('disconnect', () => end.abort());
process.on('SIGINT', () => undefined);

/** Who answered at an address, and how often; forgotten when the address leaves the list. */
const known = new Map<string, { name: string; answers: number }>();

function tell(message: FromConsumer): void {
  if (process.connected) process.send?.(message);
}

async function call(url: string): Promise<Row> {
  const startMs = performance.now();
  const seen = known.get(url) ?? { name: '', answers: 0 };
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(CALL_TIMEOUT_MS) });
    seen.name = ((await response.json()) as { name: string }).name;
    seen.answers++;
    if (subscription.current?.all.includes(url)) known.set(url, seen);
    return { url, ...seen, last: `${(performance.now() - startMs).toFixed(1)} ms` };
  } catch {
    return { url, ...seen, last: 'no answer' };
  }
}

const connecting = connect({ servers: [SERVER], app: 'demo-consumer', signal: end.signal });
await using registry = await connecting.catch((error: unknown) => {
  if (end.signal.aborted) process.exit(0);
  throw error;
});
const subscription = registry.subscribe(
  { dataId: DATA_ID, group, signal: end.signal },
  (list: ServiceList) => {
    tell({ type: 'list', version: list.version, urls: list.all, atMs: nowMs() });
    for (const url of known.keys()) if (!list.all.includes(url)) known.delete(url);
  },
);

while (!end.signal.aborted) {
  const list = subscription.current;
  const rows = await Promise.all((list?.all ?? []).map(call));
  const listAgeMs = list === null ? 0 : Date.now() - list.receivedMs;
  tell({ type: 'rows', rows, listAgeMs, state: `${registry.state} ${registry.session}`.trim() });
  await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
}
