/**
 * The least a Node server can do: 2,848 bytes to every connection whenever one connection sends a byte, and reading what
 * comes back. Started by the scenario `floor` as a process of its own; prints its port.
 */
import { createServer, type Socket } from 'node:net';

const BODY = Buffer.alloc(2_848, 'x');

const sockets = new Set<Socket>();
const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined);
  socket.on('close', () => sockets.delete(socket));
  socket.on('data', (chunk) => {
    if (chunk[0] === 0x21) for (const each of sockets) each.write(BODY);
  });
});
server.listen(0, '127.0.0.1', 4096, () => {
  console.log((server.address() as { port: number }).port);
});
