/** What the commands that talk to a running registry prove themselves with: flags, else the environment, always by file. */
import { hostname, userInfo } from 'node:os';
import type { TlsPeer } from '@sofa-registry/runtime/node';
import { readNamedFile } from '../config/sources.ts';
import { oneLine, ServerError } from '../errors.ts';

/** What commander leaves of the flags. */
export interface CredentialFlags {
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsName?: string;
  readonly tokenFile?: string;
}

/** PEM texts of a client; see `connect` of the SDK. */
export interface ClientTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
}

let flags: CredentialFlags = {};
/** '' = not said. */
let scheme: 'http' | 'https' | '' = '';

/** Remembers the flags of the command. @returns the server without its scheme */
export function useCredentials(given: CredentialFlags, server: string): string {
  flags = given;
  const match = /^(https?):\/\/(.*?)\/*$/.exec(server);
  scheme = (match?.[1] as 'http' | 'https' | undefined) ?? '';
  return match?.[2] ?? server;
}

function fileOf(flag: keyof CredentialFlags, name: string): string | undefined {
  const path = flags[flag] ?? process.env[name];
  if (path === undefined || path === '') return undefined;
  return readNamedFile(
    path,
    flags[flag] === undefined ? name : `--${flag.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`,
  );
}

/** How the registry is asked over TLS; null: in plain text. @throws SR_CONFIG_FILE, SR_CONFIG_VALUE */
export function clientTls(): ClientTls | null {
  if (scheme === 'http') return null;
  const ca = fileOf('tlsCa', 'SOFA_REGISTRY_TLS_CA_FILE');
  if (ca === undefined && scheme === '') return null;
  const servername = flags.tlsName ?? process.env['SOFA_REGISTRY_TLS_PEER_NAME'];
  return {
    ca,
    cert: fileOf('tlsCert', 'SOFA_REGISTRY_TLS_CERT_FILE'),
    key: fileOf('tlsKey', 'SOFA_REGISTRY_TLS_KEY_FILE'),
    servername: servername === '' ? undefined : servername,
  };
}

let peer: Promise<TlsPeer | null> | null = null;

/** The same for HTTP calls. Read once per command. */
export function tlsPeer(): Promise<TlsPeer | null> {
  peer ??= makePeer();
  return peer;
}

async function makePeer(): Promise<TlsPeer | null> {
  const tls = clientTls();
  if (tls === null) return null;
  const { TlsIdentity } = await import('@sofa-registry/runtime/node');
  try {
    // HTTP ports ask for no certificate.
    return { identity: new TlsIdentity({ ca: tls.ca }), peerName: tls.servername ?? '' };
  } catch (error) {
    throw new ServerError('SR_CONFIG_VALUE', `--tls-ca: ${oneLine(error)}`, error);
  }
}

/** Headers that say who calls. */
export function operatorHeaders(): Record<string, string> {
  const headers: Record<string, string> = {};
  const token = operatorToken();
  if (token !== '') headers['authorization'] = `Bearer ${token}`;
  const says = callerName();
  if (says !== '') headers['x-operator'] = says;
  return headers;
}

function operatorToken(): string {
  const text = fileOf('tokenFile', 'SOFA_REGISTRY_OPERATOR_TOKEN_FILE');
  if (text === undefined) return process.env['SOFA_REGISTRY_OPERATOR_TOKEN'] ?? '';
  const line = text.split('\n').find((candidate) => !/^\s*(#|$)/.test(candidate)) ?? '';
  return line.trim().split(/\s+/).at(-1) ?? '';
}

function callerName(): string {
  try {
    return `${userInfo().username}@${hostname()}`.replace(/[^\x21-\x7e]/g, '?');
  } catch {
    // A user id without a name, as in many containers.
    return '';
  }
}
