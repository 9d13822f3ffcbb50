/**
 * The HTTP socket of a role. It opens before anything else, so that a busy port is known before the process joins a cluster,
 * and answers 503 until the routes are there. Requests that Node's parser refuses because a client did not encode its query
 * (reference/wire.md 3.1) are repaired here.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createNetServer, type Server as NetServer, type Socket } from 'node:net';
import { formatAddress, type HostPort } from '@sofa-registry/model';
import type { TlsDoor } from '@sofa-registry/runtime/node';
import { ServerError, oneLine } from '../errors.ts';

// An import of this module evaluates all its exports, and with the WebSocket client the whole of undici: 18 ms and 14 MB at start.
const { createServer } = process.getBuiltinModule('node:http');

/** Takes a request. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse) => void;

/** Answers a request line that was repaired: the whole response, as bytes for the socket. */
export type RepairHandler = (
  method: string,
  url: string,
  headers: Record<string, string>,
  remote: string,
) => Promise<Buffer>;

const HEADER_BYTES_MAX = 16_384;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_MS = 65_000;
const CLOSE_MS = 2_000;
/** HTTP answers after the client has ended its side. */
const DOOR_SOCKET = { noDelay: true, allowHalfOpen: true };

/** Makes the door of a port that speaks TLS; it hands ready sockets to `ready`. */
export type DoorMaker = (ready: (socket: Socket) => void) => TlsDoor;

/** An open HTTP port whose routes may come later. */
export class HttpPort {
  readonly address: HostPort;
  readonly #server: Server;
  /** What listens: the HTTP server itself, or the one before its TLS door. */
  readonly #outer: NetServer;
  readonly #door: TlsDoor | null;
  #handler: RequestHandler = notReady;
  #repair: RepairHandler | null = null;

  private constructor(server: Server, outer: NetServer, door: TlsDoor | null, address: HostPort) {
    this.#server = server;
    this.#outer = outer;
    this.#door = door;
    this.address = address;
    server.on('request', (request, response) => this.#handler(request, response));
    server.on('clientError', (error, socket) => void this.#refused(error, socket as Socket));
  }

  /** Opens the port, behind a door if `makeDoor` is given. @throws SR_START_PORT */
  static open(
    address: HostPort,
    key: string,
    connectionsMax: number,
    makeDoor: DoorMaker | null = null,
  ): Promise<HttpPort> {
    const server = createServer({
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      noDelay: true,
    });
    const door = makeDoor?.((socket) => server.emit('connection', socket)) ?? null;
    const outer = door === null ? server : createNetServer(DOOR_SOCKET, (socket) => door.admit(socket));
    outer.maxConnections = connectionsMax;
    return new Promise((resolve, reject) => {
      outer.once('error', (error) => reject(portError(error, address, key)));
      outer.listen({ host: address.host, port: address.port }, () => {
        outer.removeAllListeners('error');
        outer.on('error', () => undefined);
        // Node's limits of time and its list of connections start with this event; behind a door nothing else says it.
        if (door !== null) server.emit('listening');
        const bound = outer.address();
        const port = typeof bound === 'object' && bound !== null ? bound.port : address.port;
        resolve(new HttpPort(server, outer, door, { host: address.host, port }));
      });
    });
  }

  /** From now on requests go to `handler`. */
  serve(handler: RequestHandler, repair: RepairHandler): void {
    this.#handler = handler;
    this.#repair = repair;
  }

  /** Stops accepting, lets running requests end, closes the rest after a moment. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#server.closeAllConnections(), CLOSE_MS);
      this.#outer.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#closeInner();
      this.#server.closeIdleConnections();
    });
  }

  /** Closes everything at once. */
  kill(): void {
    this.#outer.close();
    this.#closeInner();
    this.#server.closeAllConnections();
  }

  #closeInner(): void {
    if (this.#door === null) return;
    this.#door.close();
    // It does not listen itself: what is left to end is the watch over the time of its connections.
    this.#server.close(() => undefined);
  }

  async #refused(error: Error & { code?: string; rawPacket?: Buffer }, socket: Socket): Promise<void> {
    if (!socket.writable) return void socket.destroy();
    const repaired = error.code?.startsWith('HPE_INVALID') ? repairedRequest(error.rawPacket) : null;
    if (repaired === null || this.#repair === null) {
      const status =
        error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request';
      return void socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    }
    try {
      const remote = socket.remoteAddress ?? '';
      socket.end(await this.#repair('GET', repaired.url, repaired.headers, remote));
    } catch {
      socket.destroy();
    }
  }
}

function notReady(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const body = JSON.stringify({ success: false, message: 'starting' });
  const status = request.url?.startsWith('/health/check') === true ? 500 : 503;
  response.writeHead(status, { 'content-type': 'application/json', 'retry-after': '1' });
  response.end(body);
}

/** A GET whose target holds raw spaces or other bytes that must be encoded; null when it is something else. */
export function repairedRequest(
  packet: Buffer | undefined,
): { url: string; headers: Record<string, string> } | null {
  if (packet === undefined || packet.length > HEADER_BYTES_MAX) return null;
  const text = packet.toString('utf8');
  const match = /^GET (\/[^\r\n]*) HTTP\/1\.[01]\r\n([\s\S]*?)\r\n\r\n$/.exec(text);
  if (match === null) return null;
  const url = match[1].replace(/[^\x21-\x7e]/gu, (character) => encodeURIComponent(character));
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const line of match[2].split('\r\n')) {
    const at = line.indexOf(':');
    if (at > 0) headers[line.slice(0, at).trim().toLowerCase()] = line.slice(at + 1).trim();
  }
  return { url, headers };
}

/** What a person needs to know about a port that cannot be opened. */
export function portError(error: unknown, address: HostPort, key: string): ServerError {
  const where = formatAddress(address.host, address.port);
  const code = (error as { code?: string } | null)?.code;
  const why =
    code === 'EADDRINUSE'
      ? `port ${address.port} is in use on ${address.host}: stop the program that has it, or choose another with --set ${key}=<port>`
      : code === 'EACCES'
        ? `port ${address.port} needs a permission this user does not have: choose one above 1023 with --set ${key}=<port>`
        : code === 'EADDRNOTAVAIL'
          ? `${address.host} is not an address of this machine: choose another with --bind`
          : `cannot listen on ${where}: ${oneLine(error)}`;
  return new ServerError('SR_START_PORT', why, error);
}
