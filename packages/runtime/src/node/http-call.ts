/** One HTTP request, over TLS where asked: `fetch` takes no authorities of one's own, and costs more to load. */
import type { ClientRequest, IncomingMessage } from 'node:http';
import { tlsFailure } from './tcp-connect.ts';
import { peerOptions, type TlsPeer } from './tls-identity.ts';

/** A request. */
export interface HttpCall {
  /** `http://` or `https://`. */
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Ends the call; its reason is what the call rejects with. */
  readonly signal: AbortSignal;
  /** A longer answer is an error. Default 16 MiB. */
  readonly bytesMax?: number;
  /** How the other side of `https://` is checked. Default: by the authorities Node.js comes with. */
  readonly tls?: TlsPeer;
}

/** What came back. Redirects are not followed. */
export interface HttpCallAnswer {
  readonly status: number;
  /** Content type, null if none was named. */
  readonly type: string | null;
  readonly body: string;
}

const BYTES_MAX = 16 * 1024 * 1024;

/** @throws Error with one line that says why there is no answer */
export function httpCall(call: HttpCall): Promise<HttpCallAnswer> {
  const { url, method = 'GET', headers = {}, body, signal } = call;
  const target = new URL(url);
  const secure = target.protocol === 'https:';
  const host = target.hostname.replace(/^\[(.*)\]$/, '$1');
  const { promise, resolve, reject } = Promise.withResolvers<HttpCallAnswer>();
  const failed = (error: NodeJS.ErrnoException): void => {
    if (signal.aborted) reject(signal.reason);
    else reject(secure && isTls(error) ? new Error(tlsFailure(error), { cause: error }) : error);
  };
  const options = {
    method,
    headers: body === undefined ? headers : { ...headers, 'content-length': String(Buffer.byteLength(body)) },
    agent: false as const,
    signal,
  };
  const onAnswer = (answer: IncomingMessage): void => {
    readAll(answer, call.bytesMax ?? BYTES_MAX).then(
      (text) =>
        resolve({ status: answer.statusCode ?? 0, type: answer.headers['content-type'] ?? null, body: text }),
      failed,
    );
  };
  let request: ClientRequest;
  if (secure) {
    const peer = call.tls === undefined ? {} : peerOptions(call.tls, host);
    request = process.getBuiltinModule('node:https').request(target, { ...options, ...peer }, onAnswer);
  } else {
    request = process.getBuiltinModule('node:http').request(target, options, onAnswer);
  }
  request.on('error', failed);
  request.end(body);
  return promise;
}

function isTls({ code = '' }: NodeJS.ErrnoException): boolean {
  return /^(ERR_TLS|ERR_SSL|CERT_|UNABLE_|DEPTH_|SELF_SIGNED)/.test(code);
}

async function readAll(answer: IncomingMessage, bytesMax: number): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of answer as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > bytesMax) throw new Error(`answer longer than ${bytesMax} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
