/**
 * Who may call an endpoint. Three kinds: open ones (health, metrics, the lists of sessions that clients start from), reads, and
 * what only an operator may. An operator is who has an operator token; while none is configured, whoever is on this machine.
 */
import type { FastifyRequest } from 'fastify';
import { type Counter, type CounterVec, MetricSet } from '@sofa-registry/runtime';
import { isLoopback } from '../compose/plan.ts';
import type { Operators } from '../compose/operators.ts';
import { ServerError } from '../errors.ts';

/** Kinds of endpoints. */
export type Access = 'open' | 'read' | 'operator';

/** Who calls. */
export interface Caller {
  /** Name of the token's owner; `local` without tokens; '' for a caller who needed to be nobody. */
  readonly name: string;
  /** `ip:port`. */
  readonly remote: string;
}

/** Wrong tokens of one address within {@link FAILURES_WINDOW_MS}; then it is refused until the window is over. */
const FAILURES_MAX = 10;
const FAILURES_WINDOW_MS = 60_000;
/** Addresses with wrong tokens that are remembered; the oldest is forgotten first. */
const ADDRESSES_MAX = 1024;

/** What a gate is made of. */
export interface GateOptions {
  readonly operators: Operators;
  readonly reads: 'open' | 'local' | 'token';
  /** True: a token from another machine is taken over TLS only. */
  readonly secretsNeedTls: boolean;
  /** Monotonic ms. */
  readonly nowMs: () => number;
}

interface Failures {
  count: number;
  readonly sinceMs: number;
}

/** See above. One per process: its ports share what it knows of wrong tokens. */
export class Gate {
  readonly metrics = new MetricSet('operator');
  readonly #options: GateOptions;
  readonly #refused: CounterVec = this.metrics.counterVec(
    'refused_total',
    'HTTP calls refused: token = none or a wrong one, remote = from another machine, plain = a token without TLS, many = too many wrong ones.',
    ['reason'],
  );
  readonly #admitted: Counter = this.metrics.counter(
    'calls_total',
    'HTTP calls that were let through as operator.',
  );
  readonly #failures = new Map<string, Failures>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** @throws ServerError SR_HTTP_TOKEN, SR_HTTP_REMOTE, SR_HTTP_PLAIN, SR_HTTP_MANY */
  check(access: Access, request: FastifyRequest): Caller {
    const { remoteAddress = '127.0.0.1', remotePort = 0, localAddress } = request.socket;
    const remote = `${remoteAddress}:${remotePort}`;
    const { operators, reads } = this.#options;
    if (access === 'open' || (access === 'read' && reads === 'open')) return { name: '', remote };
    // Whoever calls from the very address it calls is here as well: so the commands reach a node by the address it is known under.
    const local = isLoopback(remoteAddress) || remoteAddress === localAddress;
    if (access === 'read' && reads === 'local' && local) return { name: '', remote };
    if (!operators.guarded) {
      if (!local) throw this.#refusal('remote', REMOTE);
      this.#admitted.value++;
      return { name: 'local', remote };
    }
    const name = this.#operator(request, remoteAddress, local);
    this.#admitted.value++;
    return { name, remote };
  }

  #operator(request: FastifyRequest, address: string, local: boolean): string {
    const token = tokenOf(request);
    const secure = (request.socket as { encrypted?: boolean }).encrypted === true;
    if (this.#options.secretsNeedTls && !local && !secure)
      throw this.#refusal('plain', new ServerError('SR_HTTP_PLAIN'));
    if (this.#locked(address)) throw this.#refusal('many', new ServerError('SR_HTTP_MANY'));
    const name = token === '' ? null : this.#options.operators.nameOf(token);
    if (name !== null) return name;
    if (token !== '') this.#failed(address);
    throw this.#refusal('token', TOKEN);
  }

  #refusal(reason: string, error: ServerError): ServerError {
    this.#refused.with(reason).value++;
    return error;
  }

  #locked(address: string): boolean {
    const failures = this.#failures.get(address);
    if (failures === undefined) return false;
    if (this.#options.nowMs() - failures.sinceMs < FAILURES_WINDOW_MS) return failures.count >= FAILURES_MAX;
    this.#failures.delete(address);
    return false;
  }

  #failed(address: string): void {
    const failures = this.#failures.get(address) ?? { count: 0, sinceMs: this.#options.nowMs() };
    failures.count++;
    this.#failures.set(address, failures);
    if (this.#failures.size > ADDRESSES_MAX) this.#failures.delete(this.#failures.keys().next().value ?? '');
  }
}

const REMOTE = new ServerError(
  'SR_HTTP_REMOTE',
  'only health, metrics and the lists of sessions are open to other machines: configure operatorTokenFile and send the token, or set http.reads=open to let everybody look',
);
const TOKEN = new ServerError('SR_HTTP_TOKEN', 'send the operator token as "authorization: Bearer <token>"');

/** Bearer token, or the reference's own header; '' if there is none. */
function tokenOf({ headers }: FastifyRequest): string {
  const given = /^Bearer (.+)$/i.exec(headers.authorization ?? '')?.[1] ?? headers['x-apiauth-token'];
  return typeof given === 'string' ? given : '';
}
