/** Node.js adapters of the runtime ports: `@sofa-registry/runtime/node`. Only composition roots import this. */
export { CLUSTER_TOKENS_MAX, ClusterTokens } from './cluster-token.ts';
export { type HttpCall, type HttpCallAnswer, httpCall } from './http-call.ts';
export { NET_METRICS, NetMetrics } from './net-metrics.ts';
export { nodeClock } from './node-clock.ts';
export { nodeRandom } from './node-random.ts';
export { type LineWriter, pinoLogger, type PinoLoggerOptions } from './pino-logger.ts';
export { tcpNetwork } from './tcp-network.ts';
export {
  BACKLOG,
  BUFFERED_BYTES_MAX,
  CONNECT_TIMEOUT_MS,
  CONNECTIONS_MAX,
  KEEP_ALIVE_MS,
  type TcpNetworkOptions,
  type TlsPolicy,
  type TokenPolicy,
} from './tcp-options.ts';
export { type TlsAccept, TlsDoor, type TlsDoorOptions } from './tls-door.ts';
export { TlsIdentity, type TlsMaterial, type TlsPeer, type TlsProblem, tlsProblem } from './tls-identity.ts';
