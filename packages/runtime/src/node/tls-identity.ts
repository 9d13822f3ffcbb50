/**
 * Certificates of this process, kept current: whoever holds the identity uses the newest one for its next handshake, and living
 * connections stay as they are.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import type * as tls from 'node:tls';
import { RuntimeError } from '../errors.ts';

/** Loaded on first use: it costs every start 7 ms. */
export const tlsModule = (): typeof tls => process.getBuiltinModule('node:tls');

/** PEM texts. A side that only checks others needs no certificate of its own. */
export interface TlsMaterial {
  /** Certificates of the authorities whose certificates are trusted. Undefined: the ones Node.js comes with. */
  readonly ca?: string;
  /** Own certificate, followed by those between it and the authority. */
  readonly cert?: string;
  /** Key of `cert`, not encrypted. */
  readonly key?: string;
}

/** What is wrong with a {@link TlsMaterial}: which part, and the rule it breaks. */
export interface TlsProblem {
  readonly part: 'ca' | 'cert' | 'key';
  readonly rule: string;
}

/** Oldest protocol spoken. */
const MIN_VERSION = 'TLSv1.2';
/** A peer that has not finished its handshake by then is closed, ms. */
const HANDSHAKE_MS_MAX = 10_000;

/** Checks that the parts are what they should be and fit together; null when they do. */
export function tlsProblem({ ca, cert, key }: TlsMaterial, nowMs = Date.now()): TlsProblem | null {
  if (ca !== undefined && certificates(ca) === null)
    return { part: 'ca', rule: 'certificates in PEM form (-----BEGIN CERTIFICATE-----)' };
  if (cert === undefined && key === undefined) return null;
  if (cert === undefined) return { part: 'cert', rule: 'given together with the key' };
  if (key === undefined) return { part: 'key', rule: 'given together with the certificate' };
  const own = certificates(cert)?.[0];
  if (own === undefined)
    return { part: 'cert', rule: 'a certificate in PEM form (-----BEGIN CERTIFICATE-----)' };
  if (Date.parse(own.validTo) < nowMs)
    return { part: 'cert', rule: `a valid certificate: this one expired on ${own.validTo}` };
  try {
    if (!own.checkPrivateKey(createPrivateKey(key)))
      return { part: 'key', rule: 'the key of the certificate: this one belongs to another' };
  } catch {
    return { part: 'key', rule: 'a private key in PEM form, not encrypted' };
  }
  return null;
}

function certificates(pem: string): readonly X509Certificate[] | null {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.length === 0 ? null : blocks.map((block) => new X509Certificate(block));
  } catch {
    return null;
  }
}

/** See above. */
export class TlsIdentity {
  #material: TlsMaterial;
  #context: tls.SecureContext;
  readonly #servers = new Set<tls.Server>();

  readonly #nowMs: () => number;

  /**
   * @param nowMs wall clock by which certificates expire
   * @throws RuntimeError SR_NET_TLS when the material is not usable
   */
  constructor(material: TlsMaterial, nowMs: () => number = Date.now) {
    this.#nowMs = nowMs;
    this.#material = material;
    this.#context = contextOf(material, nowMs());
  }

  /** Takes new material for all handshakes from now on. @throws RuntimeError SR_NET_TLS; the old material stays */
  update(material: TlsMaterial): void {
    this.#context = contextOf(material, this.#nowMs());
    this.#material = material;
    for (const server of this.#servers) server.setSecureContext({ ...material, minVersion: MIN_VERSION });
  }

  /** For connects. */
  get context(): tls.SecureContext {
    return this.#context;
  }

  /** When the own certificate expires, in ms since 1970; Infinity without one. */
  get notAfterMs(): number {
    const own = this.#material.cert === undefined ? undefined : certificates(this.#material.cert)?.[0];
    return own === undefined ? Infinity : Date.parse(own.validTo);
  }

  /**
   * A TLS server without a port: sockets are given to it as `connection` events.
   * @param askCertificate refuse peers without a certificate of the authorities
   */
  server(askCertificate: boolean): tls.Server {
    const server = tlsModule().createServer({
      ...this.#material,
      minVersion: MIN_VERSION,
      requestCert: askCertificate,
      rejectUnauthorized: askCertificate,
      handshakeTimeout: HANDSHAKE_MS_MAX,
      allowHalfOpen: true,
    });
    this.#servers.add(server);
    return server;
  }

  /** The server takes no sockets any more. */
  release(server: tls.Server): void {
    this.#servers.delete(server);
  }
}

function contextOf(material: TlsMaterial, nowMs: number): tls.SecureContext {
  const problem = tlsProblem(material, nowMs);
  if (problem !== null) throw new RuntimeError('SR_NET_TLS', `${problem.part} must be ${problem.rule}`);
  try {
    return tlsModule().createSecureContext({ ...material, minVersion: MIN_VERSION });
  } catch (error) {
    throw new RuntimeError('SR_NET_TLS', error instanceof Error ? error.message : String(error), error);
  }
}

/** How a side that connects checks the other one. */
export interface TlsPeer {
  readonly identity: TlsIdentity;
  /** Name that the other's certificate must carry; '' = the host that is connected to. */
  readonly peerName: string;
}

/** Options of `tls.connect` for a connection to `host`. */
export function peerOptions({ identity, peerName }: TlsPeer, host: string): tls.ConnectionOptions {
  const name = peerName === '' ? host : peerName;
  return {
    secureContext: identity.context,
    // Addresses are no server names (RFC 6066 3), but are compared with those in the certificate all the same.
    ...(isIP(name) === 0 ? { servername: name } : {}),
    checkServerIdentity: (_asked, certificate) => tlsModule().checkServerIdentity(name, certificate),
  };
}
