/**
 * Proof that both ends of an inner connection know the cluster token, before either tier hears of the other. The token never
 * crosses the wire: each end proves it with an HMAC over both ends' random numbers.
 *
 *   client -> server   "SRT" 0x01, client nonce (32 bytes)
 *   server -> client   "SRT" 0x01, server nonce (32 bytes)
 *   client -> server   HMAC-SHA256(token, "client" client-nonce server-nonce)
 *   server -> client   0x01 HMAC-SHA256(token, "server" client-nonce server-nonce), or 0x00: refused
 *
 * The client proves itself first: whoever merely connects to a port learns nothing to guess with.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Clock } from '../ports.ts';

const MAGIC = Buffer.from([0x53, 0x52, 0x54, 0x01]);
const NONCE_BYTES = 32;
const PROOF_BYTES = 32;
const ACCEPTED = 1;
const REFUSED = 0;
/** Longest exchange, ms. */
const EXCHANGE_MS_MAX = 5000;
/** Tokens known at a time: the current one, and others while it is being changed. */
export const CLUSTER_TOKENS_MAX = 4;

/** The tokens of a cluster: all are accepted, the first is used. May be replaced while connections live. */
export class ClusterTokens {
  #keys: readonly Buffer[];

  constructor(tokens: readonly string[]) {
    this.#keys = keysOf(tokens);
  }

  /** Takes other tokens for all connections from now on. */
  update(tokens: readonly string[]): void {
    this.#keys = keysOf(tokens);
  }

  /** @internal keys made of the tokens, the one to use first */
  get keys(): readonly Buffer[] {
    return this.#keys;
  }
}

function keysOf(tokens: readonly string[]): readonly Buffer[] {
  if (tokens.length === 0) throw new Error('no cluster token');
  return tokens.slice(0, CLUSTER_TOKENS_MAX).map((token) => createHash('sha256').update(token).digest());
}

/** How an exchange can fail, as one end sees it. */
export type TokenFailure =
  /** The other end does not take part: it has no token configured. */
  | 'none'
  /** The other end has another token. */
  | 'wrong'
  /** The connection closed, or the other end was silent. */
  | 'closed';

/** Proves this end and checks the other one, as the end that connected. @returns null when both know the token */
export async function proveToken(
  socket: Socket,
  tokens: ClusterTokens,
  clock: Clock,
): Promise<TokenFailure | null> {
  const reader = new ExactReader(socket, clock);
  try {
    const [key] = tokens.keys;
    const own = randomBytes(NONCE_BYTES);
    socket.write(Buffer.concat([MAGIC, own]));
    const answer = await reader.read(MAGIC.length + NONCE_BYTES);
    if (answer === null) return 'closed';
    if (!answer.subarray(0, MAGIC.length).equals(MAGIC)) return 'none';
    const nonces = Buffer.concat([own, answer.subarray(MAGIC.length)]);
    socket.write(proof(key, 'client', nonces));
    const verdict = await reader.read(1);
    if (verdict === null) return 'closed';
    if (verdict[0] !== ACCEPTED) return 'wrong';
    const theirs = await reader.read(PROOF_BYTES);
    if (theirs === null) return 'closed';
    return timingSafeEqual(theirs, proof(key, 'server', nonces)) ? null : 'wrong';
  } finally {
    reader.end();
  }
}

/** The same as the end that was connected to. With `none` nothing was taken from the socket. */
export async function checkToken(
  socket: Socket,
  tokens: ClusterTokens,
  clock: Clock,
): Promise<TokenFailure | null> {
  const reader = new ExactReader(socket, clock);
  try {
    const head = await reader.read(MAGIC.length);
    if (head === null) return 'closed';
    if (!head.equals(MAGIC)) {
      socket.unshift(head);
      return 'none';
    }
    const nonce = await reader.read(NONCE_BYTES);
    if (nonce === null) return 'closed';
    const own = randomBytes(NONCE_BYTES);
    socket.write(Buffer.concat([MAGIC, own]));
    const theirs = await reader.read(PROOF_BYTES);
    if (theirs === null) return 'closed';
    const nonces = Buffer.concat([nonce, own]);
    for (const key of tokens.keys) {
      if (!timingSafeEqual(theirs, proof(key, 'client', nonces))) continue;
      socket.write(Buffer.concat([Buffer.from([ACCEPTED]), proof(key, 'server', nonces)]));
      return null;
    }
    socket.end(Buffer.from([REFUSED]));
    return 'wrong';
  } finally {
    reader.end();
  }
}

function proof(key: Buffer, side: 'client' | 'server', nonces: Buffer): Buffer {
  return createHmac('sha256', key).update(side).update(nonces).digest();
}

/** Takes exact numbers of bytes from a socket; what follows stays in it. */
class ExactReader {
  readonly #socket: Socket;
  readonly #timer: { cancel(): void };
  #wanted = 0;
  #take: ((bytes: Buffer | null) => void) | null = null;
  #gone = false;
  readonly #onReadable = (): void => this.#look();
  readonly #onGone = (): void => this.#lost();

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#timer = clock.setTimer(EXCHANGE_MS_MAX, this.#onGone);
    socket.on('readable', this.#onReadable);
    for (const event of ['end', 'error', 'close']) socket.on(event, this.#onGone);
  }

  /** Null when the connection closed or the time is over. */
  read(bytes: number): Promise<Buffer | null> {
    return new Promise((resolve) => {
      this.#wanted = bytes;
      this.#take = resolve;
      this.#look();
      if (this.#gone) this.#lost();
    });
  }

  end(): void {
    this.#timer.cancel();
    this.#socket.off('readable', this.#onReadable);
    for (const event of ['end', 'error', 'close']) this.#socket.off(event, this.#onGone);
  }

  #look(): void {
    if (this.#take === null) return;
    const bytes = this.#socket.read(this.#wanted) as Buffer | null;
    if (bytes === null) return;
    this.#given(bytes.length === this.#wanted ? bytes : null);
  }

  #lost(): void {
    this.#gone = true;
    this.#given(null);
  }

  #given(bytes: Buffer | null): void {
    const take = this.#take;
    this.#take = null;
    take?.(bytes);
  }
}
