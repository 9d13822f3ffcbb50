/**
 * A provider: a process with a real HTTP server that offers itself through the registry. Arguments: name, group. Started by
 * demo.ts; ends when its parent has gone.
 */
import { createServer } from 'node:http';
import { connect, type Publication } from '@sofa-registry/client';
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

const registry = await connect({ servers: [SERVER], app: `demo-${name}` });

function tell(message: FromProvider): void {
  process.send?.(message);
}

let atMs = nowMs();
const publication: Publication = await registry.publish({ dataId: DATA_ID, group }, url());
tell({ type: 'published', url: url(), atMs });

process.on('message', (message: ToProvider) => {
  if (message.type !== 'republish') return;
  weight = 200;
  atMs = nowMs();
  void publication.update(url()).then(() => tell({ type: 'published', url: url(), atMs }));
});

process.once('disconnect', () => {
  server.close();
  server.closeAllConnections();
  void registry.close();
});
// Ctrl-C reaches the whole group; the parent decides when this process ends.
process.on('SIGINT', () => undefined);
