/** The Node entry: the only folder of this package that knows Node's clock, sockets and fetch. */
import { noopLogger } from '@sofa-registry/runtime';
import { nodeClock, nodeRandom, tcpNetwork } from '@sofa-registry/runtime/node';
import type { Registry } from '../api.ts';
import { SERVER_LIST_BYTES_MAX } from '../limits.ts';
import { addresses, clientSettings, type ConnectOptions } from '../options.ts';
import { connectWith } from '../registry.ts';
import { fixedServerList, httpServerList, type ServerListSource } from '../server-list.ts';
import { badArgument } from '../service-key.ts';

/** Default HTTP port of a session (wire 3.1). */
const HTTP_PORT = 9603;
/** Default client port of a session (wire 3.1). */
const CLIENT_PORT = 9600;

/**
 * Connects to the registry.
 *
 *   await using registry = await connect({ servers: ['127.0.0.1:9603'], app: 'orders' });
 *
 * @throws RegistryClientError SR_CLIENT_ARGUMENT, SR_CLIENT_UNREACHABLE, SR_CLIENT_ABORTED
 */
export async function connect(options: ConnectOptions): Promise<Registry> {
  const list = serverList(options);
  const clock = nodeClock();
  const network = tcpNetwork({ clock, logger: options.logger ?? noopLogger() });
  return connectWith({ clock, random: nodeRandom(), network, list }, options);
}

function serverList(options: ConnectOptions): ServerListSource {
  const { app, zone, dataCenter } = clientSettings(options);
  const { servers, sessions } = options;
  if ((servers === undefined) === (sessions === undefined)) {
    badArgument('servers or sessions', 'must be given, one of the two');
  }
  if (sessions !== undefined) return fixedServerList(addresses('sessions', sessions, CLIENT_PORT));
  return httpServerList({
    servers: addresses('servers', servers ?? [], HTTP_PORT),
    get: fetchText,
    query: { zone, dataCenter, appName: app },
  });
}

async function fetchText(url: string, signal: AbortSignal): Promise<{ status: number; body: string }> {
  const response = await fetch(url, { signal, redirect: 'error', headers: { 'cache-control': 'no-cache' } });
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of response.body ?? []) {
    bytes += part.length;
    if (bytes > SERVER_LIST_BYTES_MAX) throw new Error(`answer longer than ${SERVER_LIST_BYTES_MAX} bytes`);
    parts.push(part);
  }
  return { status: response.status, body: Buffer.concat(parts).toString('utf8') };
}
