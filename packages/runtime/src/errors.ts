/**
 * Errors of this package. `code` is stable and machine readable, `message` is one line for people. The table is what the
 * documentation of errors is generated from.
 */

/** Meaning of one code. */
export interface RuntimeErrorInfo {
  readonly message: string;
  /** True if doing the same again later can succeed. */
  readonly retryable: boolean;
}

/** Closed table of all codes of this package. */
export const RUNTIME_ERRORS = {
  /** No reply came within the request's time; it may still have been executed. */
  SR_RPC_TIMEOUT: { message: 'no reply in time', retryable: true },
  /** The connection closed before the reply came, or was closed already; the request may have been executed. */
  SR_RPC_CLOSED: { message: 'connection closed', retryable: true },
  /** The peer answered with a Bolt status other than success (wire 1.4); `status` holds it. */
  SR_RPC_STATUS: { message: 'peer refused the request', retryable: false },
  /** `pendingMax` requests of this connection are unanswered; nothing was sent. */
  SR_RPC_BUSY: { message: 'too many unanswered requests', retryable: true },
  /** A port could not be opened: in use, or no permission, or no such address. */
  SR_NET_LISTEN: { message: 'cannot listen', retryable: false },
  /** No connection to the address: refused, unreachable, timed out, aborted. */
  SR_NET_CONNECT: { message: 'cannot connect', retryable: true },
  /** The TLS handshake with the address failed (its certificate has expired, is of another authority or for another name, or ours was refused), or own TLS material is not usable. */
  SR_NET_TLS: { message: 'TLS failed', retryable: true },
  /** The node at the address has no or another cluster token. */
  SR_NET_TOKEN: { message: 'cluster token refused', retryable: true },
} as const satisfies Record<string, RuntimeErrorInfo>;

/** One of the codes of {@link RUNTIME_ERRORS}. */
export type RuntimeErrorCode = keyof typeof RUNTIME_ERRORS;

/** The codes a request can fail with. */
export type RpcErrorCode = 'SR_RPC_TIMEOUT' | 'SR_RPC_CLOSED' | 'SR_RPC_STATUS' | 'SR_RPC_BUSY';

/** Base of all errors of this package. */
export class RuntimeError extends Error {
  readonly code: RuntimeErrorCode;

  constructor(code: RuntimeErrorCode, detail?: string, cause?: unknown) {
    const text = RUNTIME_ERRORS[code].message;
    super(detail === undefined ? text : `${text}: ${detail}`, cause === undefined ? undefined : { cause });
    this.name = 'RuntimeError';
    this.code = code;
  }

  /** True if doing the same again later can succeed. */
  get retryable(): boolean {
    return RUNTIME_ERRORS[this.code].retryable;
  }
}

/** Failure of one request. */
export class RpcError extends RuntimeError {
  declare readonly code: RpcErrorCode;
  /** Bolt status of the reply (wire 1.4) with SR_RPC_STATUS, else 0. */
  readonly status: number;

  constructor(code: RpcErrorCode, detail?: string, status = 0) {
    super(code, detail);
    this.name = 'RpcError';
    this.status = status;
  }
}
