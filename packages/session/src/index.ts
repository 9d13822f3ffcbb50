/** Public surface of `@sofa-registry/session`. */
export {
  type HeldService,
  type PublisherView,
  type RegistrationView,
  SessionInspect,
  type SubscriberView,
  type WatcherView,
} from './session-inspect.ts';
export { sessionMetrics } from './metrics.ts';
export { SessionTraffic } from './operator/session-traffic.ts';
export type { Compressor } from './push/compressor.ts';
export { GRAY_HOSTS_MAX, PUSH_GRAY_KEY, STOP_PUSH_KEY } from './push/push-switch.ts';
export type { SessionPorts } from './session-parts.ts';
export { RELEASE_HOLD_KEY, SessionServer } from './session-server.ts';
export {
  SESSION_DEFAULTS,
  SESSION_SETTINGS,
  type SessionConfig,
  type SessionTunables,
} from './settings.ts';
