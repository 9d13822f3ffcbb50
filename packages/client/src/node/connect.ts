/** The Node entry: the only folder of this package that knows Node's clock, sockets, TLS and HTTP. */
import { noopLogger } from '@sofa-registry/runtime';
import {
  httpCall,
  nodeClock,
  nodeRandom,
  tcpNetwork,
  TlsIdentity,
  type TlsPeer,
} from '@sofa-registry/runtime/node';
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
  const peer = tlsPeer(options.tls);
  const list = serverList(options, peer);
  const clock = nodeClock();
  const network = tcpNetwork({
    clock,
    logger: options.logger ?? noopLogger(),
    tls: peer === undefined ? undefined : { ...peer, accept: 'plain', askCertificate: false, connect: true },
  });
  return connectWith({ clock, random: nodeRandom(), network, list }, options);
}

function tlsPeer(tls: ConnectOptions['tls']): TlsPeer | undefined {
  if (tls === undefined || tls === false) return undefined;
  const { ca, cert, key, servername = '' } = tls === true ? {} : tls;
  try {
    return { identity: new TlsIdentity({ ca, cert, key }), peerName: servername };
  } catch (error) {
    badArgument('tls', (error as Error).message);
  }
}

function serverList(options: ConnectOptions, tls: TlsPeer | undefined): ServerListSource {
  const { app, zone, dataCenter } = clientSettings(options);
  const { servers, sessions } = options;
  if ((servers === undefined) === (sessions === undefined)) {
    badArgument('servers or sessions', 'must be given, one of the two');
  }
  if (sessions !== undefined) return fixedServerList(addresses('sessions', sessions, CLIENT_PORT));
  return httpServerList({
    servers: addresses('servers', servers ?? [], HTTP_PORT),
    get: (url, signal) =>
      httpCall({
        url,
        signal,
        tls,
        headers: { 'cache-control': 'no-cache' },
        bytesMax: SERVER_LIST_BYTES_MAX,
      }),
    scheme: tls === undefined ? 'http' : 'https',
    query: { zone, dataCenter, appName: app },
  });
}
