/** Certificates for tests, made by the `openssl` command of the machine. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Files of one certificate and its key. */
export interface IssuedFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** An authority of its own, in a directory of its own. */
export class TestAuthority {
  readonly dir: string;
  readonly caFile: string;
  readonly ca: string;
  #serial = 0;

  constructor(name = 'test authority') {
    this.dir = mkdtempSync(join(tmpdir(), 'sofa-ca-'));
    this.caFile = join(this.dir, 'ca.crt');
    this.#openssl(
      ...['req', '-x509', ...EC_KEY, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', `/CN=${name}`],
      ...['-days', '2', '-addext', 'basicConstraints=critical,CA:TRUE'],
    );
    this.ca = readFileSync(this.caFile, 'utf8');
  }

  /** @param names as in subjectAltName: `IP:127.0.0.1`, `DNS:localhost`; @param days negative: expired already */
  issue(names: readonly string[] = LOCAL_NAMES, days = 2): IssuedFiles {
    const name = `node-${++this.#serial}`;
    const [key, request, cert, more] = ['key', 'csr', 'crt', 'ext'].map((ending) => `${name}.${ending}`);
    writeFileSync(join(this.dir, more), `subjectAltName=${names.join(',')}\n`);
    this.#openssl('req', ...EC_KEY, '-keyout', key, '-out', request, '-subj', `/CN=${name}`);
    this.#openssl(
      ...['x509', '-req', '-in', request, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-out', cert, '-days', String(days), '-extfile', more],
    );
    const certFile = join(this.dir, cert);
    const keyFile = join(this.dir, key);
    return {
      certFile,
      keyFile,
      cert: readFileSync(certFile, 'utf8'),
      key: readFileSync(keyFile, 'utf8'),
    };
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.dir, stdio: 'pipe' });
  }
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
const LOCAL_NAMES = ['IP:127.0.0.1', 'IP:::1', 'DNS:localhost'];
