/** One attempt to connect: TCP, then TLS and the exchange of the cluster token where they are configured. */
import * as net from 'node:net';
import { formatAddress, type HostPort } from '@sofa-registry/model';
import { RuntimeError, type RuntimeErrorCode } from '../errors.ts';
import type { Clock, ConnectOptions } from '../ports.ts';
import { proveToken, type TokenFailure } from './cluster-token.ts';
import type { NetMetrics } from './net-metrics.ts';
import { CONNECT_TIMEOUT_MS, type TcpNetworkOptions } from './tcp-options.ts';
import { peerOptions, tlsModule } from './tls-identity.ts';

/** What the attempts of a network share. */
export interface ConnectContext {
  readonly clock: Clock;
  readonly metrics: NetMetrics;
  readonly options: TcpNetworkOptions;
  readonly socketOptions: net.TcpSocketConnectOpts | object;
}

/** What a failure of the exchange means. */
const TOKEN_FAILURES: Readonly<Record<TokenFailure, string>> = {
  none: 'the node there has no cluster token (clusterTokenFile)',
  wrong: 'the node there has another cluster token',
  closed: 'the node there closed the connection in the exchange of the cluster token: has it one?',
};

/** What an error in a TLS handshake means to an operator. */
const TLS_FAILURES: readonly (readonly [RegExp, string])[] = [
  [/^CERT_HAS_EXPIRED$/, 'its certificate has expired'],
  [/^CERT_NOT_YET_VALID$/, 'its certificate is not valid yet'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'its certificate is for another name'],
  [/SELF_SIGNED|UNABLE_TO|UNTRUSTED/, 'its certificate is not of an authority that is trusted here'],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH|ERR_SSL_HTTP/, 'it does not speak TLS on this port'],
  [
    /^ECONNRESET$/,
    'it closed the connection in the handshake: does it speak TLS, and does it trust this side?',
  ],
  [/ALERT/, 'it refused the certificate of this side'],
];

/** What a failed connect means to an operator, where the code alone does not say it. */
const CONNECT_FAILURES: Readonly<Record<string, string>> = {
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the name cannot be resolved now',
};

function connectFailure(error: NodeJS.ErrnoException): string {
  const code = error.code ?? error.message;
  const words = CONNECT_FAILURES[code];
  return words === undefined ? code : `${words} (${code})`;
}

/** Words for an error of a TLS handshake. */
export function tlsFailure(error: NodeJS.ErrnoException): string {
  const code = error.code ?? '';
  const words = TLS_FAILURES.find(([pattern]) => pattern.test(code))?.[1];
  if (words === undefined) return code === '' ? error.message : `${error.message} (${code})`;
  return code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? `${words}: ${error.message}` : `${words} (${code})`;
}

/**
 * @param made takes the socket over in the turn in which it is ready: it may end in the next one
 * @throws RuntimeError SR_NET_CONNECT, SR_NET_TLS, SR_NET_TOKEN
 */
export function connectSocket<T>(
  context: ConnectContext,
  address: HostPort,
  options: ConnectOptions | undefined,
  made: (socket: net.Socket) => T,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const { clock, metrics } = context;
  const { tls: policy, token } = context.options;
  const secure = policy?.connect === true;
  const signal = options?.signal;
  const socket = open(context, address);
  let settled = false;
  let reached = false;
  const settle = (): void => {
    settled = true;
    timer.cancel();
    signal?.removeEventListener('abort', onAbort);
    socket.off(secure ? 'secureConnect' : 'connect', onConnect);
    socket.off('error', onFailed);
  };
  const fail = (code: RuntimeErrorCode, detail: string, cause?: unknown): void => {
    if (settled) return;
    settle();
    // A late error of the abandoned socket has no other listener.
    socket.on('error', () => undefined);
    socket.destroy();
    metrics.connectFailed.value++;
    reject(new RuntimeError(code, `${formatAddress(address.host, address.port)}: ${detail}`, cause));
  };
  const onAbort = (): void => fail('SR_NET_CONNECT', 'aborted', signal?.reason);
  const onFailed = (error: NodeJS.ErrnoException): void => {
    if (secure && reached) fail('SR_NET_TLS', tlsFailure(error), error);
    else fail('SR_NET_CONNECT', connectFailure(error), error);
  };
  const done = (): void => {
    settle();
    metrics.connected.value++;
    resolve(made(socket));
  };
  const onConnect = (): void => {
    if (token?.prove !== true) return done();
    void proveToken(socket, token.tokens, clock).then((failure) => {
      if (settled) return;
      if (failure === null) return done();
      metrics.tokenFailed.with(failure).value++;
      fail('SR_NET_TOKEN', TOKEN_FAILURES[failure]);
    });
  };
  const timeoutMs = options?.timeoutMs ?? CONNECT_TIMEOUT_MS;
  const timer = clock.setTimer(timeoutMs, () => fail('SR_NET_CONNECT', `no answer within ${timeoutMs} ms`));
  socket.once('connect', () => {
    reached = true;
  });
  socket.on(secure ? 'secureConnect' : 'connect', onConnect);
  socket.on('error', onFailed);
  if (signal?.aborted) onAbort();
  else signal?.addEventListener('abort', onAbort, { once: true });
  return promise;
}

function open({ options, socketOptions }: ConnectContext, { host, port }: HostPort): net.Socket {
  const policy = options.tls;
  if (policy?.connect !== true) return net.connect({ ...socketOptions, host, port });
  return tlsModule().connect({ ...socketOptions, host, port, ...peerOptions(policy, host) });
}
