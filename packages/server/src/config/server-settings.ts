/** Settings of the program itself. Those of the tiers stand with the tiers (`SESSION_SETTINGS` and so on). */
import type { SettingSpec } from './setting.ts';

const port = (value: number, doc: string, source: string): SettingSpec => ({
  default: value,
  min: 0,
  max: 65_535,
  unit: 'port',
  doc: `${doc} 0 takes a free one.`,
  source,
});

const REF_DEPLOY = 'meta-and-admin.md 9';

/** Places of one role where they are not those of the process. */
const placesOf = <R extends string>(role: R) => {
  const text = (unit: string, doc: string): SettingSpec => ({ default: '', unit, doc, source: '' });
  return {
    [`${role}.bind`]: text('host', `Address the ${role} port listens on. Empty: \`bind\`.`),
    [`${role}.advertise`]: text(
      'host:port',
      `\`host\` or \`host:port\` under which others reach the ${role} port. Empty: \`advertise\` and the own port.`,
    ),
    [`${role}.httpBind`]: text(
      'host',
      `Address the HTTP port of the ${role} role listens on. Empty: as its other port.`,
    ),
    [`${role}.httpAdvertise`]: text(
      'host:port',
      `\`host\` or \`host:port\` under which the HTTP port is reached. Empty: host of \`${role}.advertise\` and the own port.`,
    ),
  } as { readonly [K in `${R}.${'bind' | 'advertise' | 'httpBind' | 'httpAdvertise'}`]: SettingSpec };
};

/** One entry per key, in the order in which people read them. */
export const SERVER_SETTINGS = {
  roles: {
    default: 'meta,data,session',
    list: true,
    choices: ['meta', 'data', 'session'],
    unit: '',
    doc: 'Roles of this process. All three make a complete registry.',
    source: 'F196',
  },
  processes: {
    default: 1,
    min: 1,
    max: 64,
    unit: 'count',
    doc: 'Processes that `start` runs on this host, for the roles session and data: each has its own ports and uses one core.',
    source: 'design 3',
  },
  processPortStep: {
    default: 100,
    min: 1,
    max: 10_000,
    unit: 'count',
    doc: 'Distance between the ports of two of these processes: the second session listens on 9700 and 9703.',
    source: 'design 3',
  },
  bind: {
    default: '127.0.0.1',
    unit: 'host',
    doc: 'Address all ports listen on. 0.0.0.0 or :: opens them to other machines. IPv6 addresses may stand in brackets.',
    source: REF_DEPLOY,
  },
  advertise: {
    default: '',
    unit: 'host',
    doc: 'Host name or address under which clients and other nodes reach this process. Empty: the bind address, or the first address of the machine when all are bound.',
    source: REF_DEPLOY,
  },
  zone: {
    default: 'DEFAULT_ZONE',
    unit: '',
    doc: 'Zone (region) of a session, placement label of a data node. Upper-cased.',
    source: 'nodes.localRegion',
  },
  dataCenter: {
    default: 'DefaultDataCenter',
    unit: '',
    doc: 'Name of the data centre. All nodes of a cluster have the same.',
    source: 'nodes.localDataCenter',
  },
  metas: {
    default: '',
    list: true,
    unit: 'host:port',
    doc: 'Internal addresses of all metas. Empty: this process when it has the role meta, else port 9610 of this machine.',
    source: 'nodes.metaNode',
  },
  slotCount: {
    default: 256,
    min: 1,
    max: 16_384,
    unit: 'count',
    doc: 'Slots of the cluster, a power of two. Fixed once the cluster has started; a node with another number is refused.',
    source: 'registry.data.slot.num, F133',
  },
  replicas: {
    default: 2,
    min: 1,
    max: 7,
    unit: 'count',
    doc: 'Copies of every slot, the leading one included.',
    source: 'registry.data.slot.replicas, F134',
  },
  'session.port': port(9600, 'Port for clients (Bolt).', REF_DEPLOY),
  'session.httpPort': port(
    9603,
    'HTTP port of the session role: server lists for clients, health, operations.',
    REF_DEPLOY,
  ),
  ...placesOf('session'),
  'data.port': port(9620, 'Internal port of the data role.', REF_DEPLOY),
  'data.httpPort': port(9622, 'HTTP port of the data role.', REF_DEPLOY),
  ...placesOf('data'),
  'meta.port': port(9610, 'Internal port of the meta role.', REF_DEPLOY),
  'meta.httpPort': port(9615, 'HTTP port of the meta role.', REF_DEPLOY),
  ...placesOf('meta'),
  dataDir: {
    default: '',
    unit: 'path',
    doc: 'Directory for what must survive a restart. Empty: sofa-registry in XDG_STATE_HOME, or in .local/state of the home directory.',
    source: '',
  },
  store: {
    default: '',
    unit: 'url',
    doc: 'Store of the meta role: sqlite:/dir, memory:, postgres://, mysql://, mariadb://, etcd://h1:2379,h2:2379 or a jdbc: form. Empty: SQLite in the data directory.',
    source: 'persistence.profile.active, jdbc.url',
  },
  storeUser: {
    default: '',
    unit: '',
    doc: 'User of the store; wins over one in the address.',
    source: 'jdbc.username',
  },
  storePassword: {
    default: '',
    secret: true,
    unit: '',
    doc: 'Password of the store; wins over one in the address. Only from the environment or the configuration file.',
    source: 'jdbc.password',
  },
  storePasswordFile: {
    default: '',
    unit: 'path',
    doc: 'File that holds the password of the store; wins over `storePassword`.',
    source: '',
  },
  clusterId: {
    default: '',
    unit: '',
    doc: 'Separates registries that share one store. Empty: the name of the data centre.',
    source: 'nodes.clusterId',
  },
  operatorToken: {
    default: '',
    secret: true,
    unit: '',
    doc: 'Operator token, at least 16 characters. Only from the environment or the configuration file.',
    source: 'admin.api.token, F209',
  },
  operatorTokenFile: {
    default: '',
    unit: 'path',
    doc: 'File with operator tokens, one a line, each alone or after a name (`alice 3f...`); wins over `operatorToken`. With a token every HTTP call that changes something needs it; without one the HTTP ports serve only this machine, apart from health, metrics and the lists of sessions.',
    source: 'admin.api.token, F209',
  },
  clusterToken: {
    default: '',
    secret: true,
    unit: '',
    doc: 'Secret all nodes of a cluster share, at least 16 characters; a node without it is not let in. Only from the environment or the configuration file.',
    source: '',
  },
  clusterTokenFile: {
    default: '',
    unit: 'path',
    doc: 'File with the cluster token; wins over `clusterToken`. Further lines hold tokens that are accepted too, while it is being changed.',
    source: '',
  },
  clusterTokenMode: {
    default: 'required',
    choices: ['accept', 'optional', 'required'],
    unit: '',
    doc: 'For introducing a cluster token node by node. accept: others may prove it, this node does not yet; optional: this node proves it, others need not.',
    source: '',
  },
  'tls.certFile': {
    default: '',
    unit: 'path',
    doc: 'Certificate of this process (PEM, with those between it and the authority). With it TLS is on.',
    source: '',
  },
  'tls.keyFile': {
    default: '',
    unit: 'path',
    doc: 'Key of `tls.certFile` (PEM, not encrypted).',
    source: '',
  },
  'tls.caFile': {
    default: '',
    unit: 'path',
    doc: 'Certificates of the authorities whose nodes are let in and connected to (PEM).',
    source: '',
  },
  'tls.peerName': {
    default: '',
    unit: 'host',
    doc: 'Name that the certificates of other nodes must carry. Empty: the host each is advertised under.',
    source: '',
  },
  'tls.tiers': {
    default: 'required',
    choices: ['off', 'accept', 'optional', 'required'],
    unit: '',
    doc: 'TLS between nodes, checked on both sides. accept: others may use it, this node does not yet; optional: this node uses it, others need not.',
    source: '',
  },
  'tls.clients': {
    default: 'optional',
    choices: ['off', 'optional', 'required', 'mutual'],
    unit: '',
    doc: 'TLS of the client port. optional: both on one port, as official clients speak plain text. mutual: required, with a certificate of the client.',
    source: '',
  },
  'tls.http': {
    default: 'optional',
    choices: ['off', 'optional', 'required'],
    unit: '',
    doc: 'TLS of the HTTP ports. optional: both on one port; operator calls from other machines need TLS.',
    source: '',
  },
  reloadMs: {
    default: 10_000,
    min: 100,
    max: 3_600_000,
    unit: 'ms',
    doc: 'How often files of certificates, keys and tokens are looked at for a change. Living connections stay.',
    source: '',
  },
  'log.level': {
    default: 'auto',
    choices: ['auto', 'debug', 'info', 'warn', 'error'],
    unit: '',
    doc: 'Least severe level that is logged. auto: warn on a terminal, else info.',
    source: '',
  },
  'log.format': {
    default: 'auto',
    choices: ['auto', 'json', 'text'],
    unit: '',
    doc: 'json: one object per line. text: for a terminal. auto: text when the output is a terminal.',
    source: '',
  },
  'http.bodyBytesMax': {
    default: 1_048_576,
    min: 1024,
    max: 16_777_216,
    unit: 'bytes',
    doc: 'Largest body of an HTTP request; a larger one is answered 413.',
    source: '',
  },
  'http.connectionsMax': {
    default: 4096,
    min: 16,
    max: 100_000,
    unit: 'count',
    doc: 'Open HTTP connections per role; further ones are closed at once.',
    source: '',
  },
  'http.reads': {
    default: 'auto',
    choices: ['auto', 'open', 'local', 'token'],
    unit: '',
    doc: 'Who may look (status, digests, documents): anybody, this machine, or who has the operator token. auto: open with an operator token, else local. Health, metrics and the lists of sessions are always open.',
    source: '',
  },
  'audit.file': {
    default: '',
    unit: 'path',
    doc: 'File that operator calls are appended to, one JSON object a line; one file per process. Empty: only the log and `sofa-registry audit`.',
    source: '',
  },
  'audit.fileBytesMax': {
    default: 10_485_760,
    min: 4096,
    max: 1_073_741_824,
    unit: 'bytes',
    doc: 'Size at which the audit file is renamed to `.1` (and so on) and a new one begun.',
    source: '',
  },
  'audit.filesMax': {
    default: 5,
    min: 1,
    max: 100,
    unit: 'count',
    doc: 'Audit files kept, the current one included.',
    source: '',
  },
  'audit.entriesMax': {
    default: 1000,
    min: 1,
    max: 100_000,
    unit: 'count',
    doc: 'Operator calls that `sofa-registry audit` can show of each process.',
    source: '',
  },
  stopMs: {
    default: 20_000,
    min: 100,
    max: 600_000,
    unit: 'ms',
    doc: 'Longest graceful stop. What has not left by then is closed.',
    source: '',
  },
} as const satisfies Record<string, SettingSpec>;

/** A key of {@link SERVER_SETTINGS}. */
export type ServerSettingKey = keyof typeof SERVER_SETTINGS;
