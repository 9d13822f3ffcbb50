/** Node.js adapters of the runtime ports: `@sofa-registry/runtime/node`. Only composition roots import this. */
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
  type SecureSocket,
  type TcpNetworkOptions,
} from './tcp-options.ts';
