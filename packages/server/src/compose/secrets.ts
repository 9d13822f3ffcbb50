/**
 * What this process proves itself with and checks others by: certificates, the cluster token, operator tokens. Read from files at
 * the start, and again when a file changes; a change that is not usable is logged and leaves the old in force.
 */
import { type CounterVec, type Logger, MetricSet } from '@sofa-registry/runtime';
import type {
  ClusterTokens,
  TlsAccept,
  TlsIdentity,
  TlsMaterial,
  TlsPeer,
  TlsPolicy,
  TokenPolicy,
} from '@sofa-registry/runtime/node';
import type { Config } from '../config/effective.ts';
import { readNamedFile } from '../config/sources.ts';
import { oneLine, ServerError } from '../errors.ts';
import { Operators } from './operators.ts';
import { clusterTokensIn, operatorsIn } from './token-files.ts';

type NodeAdapters = typeof import('@sofa-registry/runtime/node');

/** Files that belong together, and what is made of them. */
interface Watched {
  readonly what: string;
  readonly files: readonly { readonly key: string; readonly path: string }[];
  /** @throws when the texts are not usable */
  readonly apply: (texts: readonly string[]) => void;
  /** Texts in force. */
  current: string;
  /** Texts that were refused last, so that they are complained about once. */
  refused: string;
}

/** Metrics of secrets. @param notAfterMs when the own certificate expires, null without one */
export function securityMetrics(notAfterMs: () => number | null): {
  readonly set: MetricSet;
  readonly reloads: CounterVec;
} {
  const set = new MetricSet('security');
  const reloads = set.counterVec(
    'reloads_total',
    'Changed files of certificates and tokens: used = in force now, refused = not usable, the old stay.',
    ['outcome'],
  );
  set.gaugeVec('certificate_expires_in_seconds', 'Time until the own certificate expires.', [], () => {
    const atMs = notAfterMs();
    return atMs === null ? [] : [[[], Math.round((atMs - Date.now()) / 1000)]];
  });
  return { set, reloads };
}

/** See above. */
export class Secrets {
  readonly operators: Operators;
  readonly clusterTokens: ClusterTokens | null;
  readonly identity: TlsIdentity | null;
  readonly metrics: MetricSet;
  readonly #config: Config;
  readonly #watched: Watched[] = [];
  readonly #reloads: CounterVec;
  #timer: NodeJS.Timeout | null = null;

  private constructor(config: Config, adapters: NodeAdapters | null) {
    this.#config = config;
    this.identity = adapters === null ? null : this.#loadTls(adapters);
    this.clusterTokens = adapters === null ? null : this.#loadClusterTokens(adapters);
    this.operators = this.#loadOperators();
    const { set, reloads } = securityMetrics(() => this.identity?.notAfterMs ?? null);
    this.metrics = set;
    this.#reloads = reloads;
  }

  /** @throws ServerError SR_CONFIG_FILE, SR_CONFIG_VALUE that names the key and the rule */
  static async load(config: Config): Promise<Secrets> {
    const needed = (['tls.certFile', 'clusterToken', 'clusterTokenFile'] as const).some(
      (key) => config.text(key) !== '',
    );
    return new Secrets(config, needed ? await import('@sofa-registry/runtime/node') : null);
  }

  /** Looks at the files from now on. */
  watch(logger: Logger): void {
    if (this.#watched.length === 0) return;
    this.#timer = setInterval(() => this.look(logger), this.#config.number('reloadMs')).unref();
  }

  /** Takes over what has changed. */
  look(logger: Logger): void {
    for (const watched of this.#watched) {
      try {
        const texts = watched.files.map(({ key, path }) => readNamedFile(path, key));
        const joined = texts.join('\0');
        if (joined === watched.current || joined === watched.refused) continue;
        watched.refused = joined;
        watched.apply(texts);
        watched.current = joined;
        watched.refused = '';
        this.#reloads.with('used').value++;
        logger.info('files have changed and are in force', { what: watched.what });
      } catch (error) {
        // A file that is being replaced may be missing for a moment: the next look finds it.
        this.#reloads.with('refused').value++;
        logger.error('changed files are not usable, the old stay in force', {
          what: watched.what,
          error: oneLine(error),
        });
      }
    }
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }

  /** The token between nodes. */
  get clusterToken(): TokenPolicy | undefined {
    if (this.clusterTokens === null) return undefined;
    const mode = this.#config.text('clusterTokenMode');
    return { tokens: this.clusterTokens, prove: mode !== 'accept', demand: mode === 'required' };
  }

  /** TLS between nodes. */
  get tierTls(): TlsPolicy | undefined {
    const mode = this.#config.text('tls.tiers');
    if (this.identity === null || mode === 'off') return undefined;
    return {
      identity: this.identity,
      accept: mode === 'required' ? 'tls' : 'either',
      askCertificate: true,
      connect: mode !== 'accept',
      peerName: this.#config.text('tls.peerName'),
    };
  }

  /** TLS of the client port. */
  get clientTls(): TlsPolicy | undefined {
    const mode = this.#config.text('tls.clients');
    if (this.identity === null || mode === 'off') return undefined;
    return {
      identity: this.identity,
      accept: mode === 'optional' ? 'either' : 'tls',
      askCertificate: mode === 'mutual',
      connect: false,
      peerName: '',
    };
  }

  /** TLS of the HTTP ports; null: plain text only. */
  get httpTls(): { readonly identity: TlsIdentity; readonly accept: TlsAccept } | null {
    const mode = this.#config.text('tls.http');
    if (this.identity === null || mode === 'off') return null;
    return { identity: this.identity, accept: mode === 'optional' ? 'either' : 'tls' };
  }

  /** How HTTP ports of other nodes are asked; null: in plain text. While TLS is being introduced, not yet with it. */
  get httpPeer(): TlsPeer | null {
    const introducing = this.#config.text('tls.tiers') === 'accept';
    if (this.identity === null || this.#config.text('tls.http') === 'off' || introducing) return null;
    return { identity: this.identity, peerName: this.#config.text('tls.peerName') };
  }

  /** Who may look at the HTTP ports. */
  get reads(): 'open' | 'local' | 'token' {
    const mode = this.#config.text('http.reads') as 'auto' | 'open' | 'local' | 'token';
    if (mode !== 'auto') return mode;
    return this.operators.guarded ? 'open' : 'local';
  }

  #loadTls({ TlsIdentity: Identity, tlsProblem }: NodeAdapters): TlsIdentity | null {
    const keys = ['tls.certFile', 'tls.keyFile', 'tls.caFile'] as const;
    if (this.#config.text('tls.certFile') === '') return null;
    const files = keys
      .map((key) => ({ key, path: this.#config.text(key) }))
      .filter(({ path }) => path !== '');
    const material = ([cert, key, ca]: readonly string[]): TlsMaterial => ({ cert, key, ca });
    const checked = (texts: readonly string[]): TlsMaterial => {
      const given = material(texts);
      const problem = tlsProblem(given);
      if (problem === null) return given;
      const key = `tls.${problem.part}File` as const;
      const path = this.#config.text(key);
      throw new ServerError('SR_CONFIG_VALUE', `${key} = ${path}: it must hold ${problem.rule}`);
    };
    let identity: TlsIdentity | null = null;
    this.#take('certificates', files, (texts) => {
      const given = checked(texts);
      if (identity === null) identity = new Identity(given);
      else identity.update(given);
    });
    return identity;
  }

  #loadClusterTokens({ ClusterTokens: Tokens }: NodeAdapters): ClusterTokens | null {
    const path = this.#config.text('clusterTokenFile');
    const token = this.#config.text('clusterToken');
    if (path === '') return token === '' ? null : new Tokens([token]);
    let tokens: ClusterTokens | null = null;
    this.#take('cluster token', [{ key: 'clusterTokenFile', path }], ([text]) => {
      const found = clusterTokensIn(text, path);
      if (tokens === null) tokens = new Tokens(found);
      else tokens.update(found);
    });
    return tokens;
  }

  #loadOperators(): Operators {
    const path = this.#config.text('operatorTokenFile');
    const token = this.#config.text('operatorToken');
    const operators = new Operators(token === '' || path !== '' ? [] : [{ name: 'operator', token }]);
    if (path !== '')
      this.#take('operator tokens', [{ key: 'operatorTokenFile', path }], ([text]) =>
        operators.update(operatorsIn(text, path)),
      );
    return operators;
  }

  #take(what: string, files: Watched['files'], apply: Watched['apply']): void {
    const texts = files.map(({ key, path }) => readNamedFile(path, key));
    apply(texts);
    this.#watched.push({ what, files, apply, current: texts.join('\0'), refused: '' });
  }
}
