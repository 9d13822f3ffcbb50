/** Public surface of `@sofa-registry/client`: the TypeScript SDK. */
export type {
  ListListener,
  Publication,
  PublishValue,
  Registry,
  RegistryEvents,
  RegistryState,
  RegistryStateChange,
  SubscribeOptions,
  Subscription,
  WaitOptions,
} from './api.ts';
export { CLIENT_ERRORS, type ClientErrorCode, type ClientErrorInfo, RegistryClientError } from './errors.ts';
export { CLIENT_LIMITS, type ClientLimits } from './limits.ts';
export type { ClientTlsOptions, ConnectOptions, RegistryOptions } from './options.ts';
export { connect } from './node/connect.ts';
export { type ClientPorts, connectWith } from './registry.ts';
export {
  fixedServerList,
  type HttpGet,
  httpServerList,
  type HttpServerListOptions,
  parseServerList,
  type ServerListSource,
  type SessionAddress,
} from './server-list.ts';
export type { ServiceName } from './service-key.ts';
export type { ServiceList } from './service-list.ts';
