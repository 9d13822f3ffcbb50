/**
 * A provider: a process with a real HTTP server that offers itself through the registry. Arguments: name, group. Started by
 * demo.ts; ends when its parent has gone.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from '@sofa-registry/client';
import { DATA_ID, type FromProvider, nowMs, SERVER, type ToProvider } from './messages.ts';

const [name, group] = process.argv.slice(2);
let weight = 100;

const server = createServer((_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ name, pid: process.pid, weight }));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const address = server.address();
const port = address !== null && typeof address === 'object' ? address.port : 0;
const url = (): string => `http://127.0.0.1:${port}/?weight=${weight}`;

// The parent may go at any moment, also while this process is still connecting.
const end = new AbortController();
const { signal } = end;
process.once('disconnect', () => end.abort());
// Ctrl-C reaches the whole group; the parent decides when this process ends.
process.on('SIGINT', () => undefined);

function tell(message: FromProvider): void {
  if (process.connected) process.send?.(message);
}

async function offer(): Promise<void> {
  await using registry = await connect({ servers: [SERVER], app: `demo-${name}`, signal });
  const publishedMs = nowMs();
  const publication = await registry.publish({ dataId: DATA_ID, group }, url(), { signal });
  tell({ type: 'published', url: url(), atMs: publishedMs });
  process.on('message', (message: ToProvider) => {
    if (message.type !== 'republish') return;
    weight = 200;
    const atMs = nowMs();
    void publication.update(url(), { signal }).then(
      () => tell({ type: 'published', url: url(), atMs }),
      (error: unknown) => signal.aborted || console.error(error),
    );
  });
  if (!signal.aborted) await once(signal, 'abort');
}

try {
  await offer();
} catch (error) {
  if (!signal.aborted) throw error;
} finally {
  server.close();
  server.closeAllConnections();
}
