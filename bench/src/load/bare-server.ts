/**
 * The least a Node server can do. `!` from a connection: 2,848 bytes to every connection. `"` and anything behind it: a
 * short answer to the sender and 600 bytes to one other connection, each in turn. What else comes back is read and
 * forgotten. Started by the scenario `floor` as a process of its own; prints its port.
 */
import { createServer, type Socket } from 'node:net';

const BODY = Buffer.alloc(2_848, 'x');

const ANSWER = Buffer.alloc(180, 'r');
const ONE = Buffer.alloc(600, 'o');
const BROADCAST = 0x21;
const RELAY = 0x22;

const sockets = new Set<Socket>();
let turn: Socket[] = [];
let next = 0;
const server = createServer({ noDelay: true }, (socket) => {
  sockets.add(socket);
  socket.on('error', () => undefined);
  socket.on('close', () => sockets.delete(socket));
  socket.on('data', (chunk) => {
    if (chunk[0] === BROADCAST) for (const each of sockets) each.write(BODY);
    if (chunk[0] !== RELAY) return;
    if (turn.length !== sockets.size) turn = [...sockets];
    socket.write(ANSWER);
    turn[next++ % turn.length].write(ONE);
  });
});
server.listen(0, '127.0.0.1', 4096, () => {
  console.log((server.address() as { port: number }).port);
});
