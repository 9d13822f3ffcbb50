/**
 * Errors of the SDK. `code` is stable and machine readable, `message` is one line for people. The table is closed; the
 * documentation of errors is generated from it.
 */

/** Meaning of one code. */
export interface ClientErrorInfo {
  readonly message: string;
  /** True if doing the same again later can succeed. */
  readonly retryable: boolean;
}

/** Closed table of all codes of this package. */
export const CLIENT_ERRORS = {
  /** An argument breaks a rule; the message names the field and the rule. Thrown at once, nothing was sent. */
  SR_CLIENT_ARGUMENT: { message: 'bad argument', retryable: false },
  /** The registry, publication or subscription was closed by this process. */
  SR_CLIENT_CLOSED: { message: 'closed', retryable: false },
  /** The given AbortSignal aborted; `cause` is its reason. */
  SR_CLIENT_ABORTED: { message: 'aborted', retryable: true },
  /** No session server could be reached in time; the message tells the last failure. */
  SR_CLIENT_UNREACHABLE: { message: 'no session server reached', retryable: true },
  /** The list of session servers could not be read from any of `servers`. Only as a warning or a cause. */
  SR_CLIENT_SERVER_LIST: { message: 'cannot read the list of session servers', retryable: true },
  /** The registry refused a registration for good (wire 4.2): it is not sent again. */
  SR_CLIENT_REFUSED: { message: 'refused by the registry', retryable: false },
  /** A registration was not accepted this time; it is sent again until it is. Thrown only for a temporary one, which is not sent again. */
  SR_CLIENT_NOT_ACKED: { message: 'registration not accepted', retryable: true },
  /** A limit of this client is reached; the message names it. */
  SR_CLIENT_LIMIT: { message: 'limit reached', retryable: true },
  /** A push could not be read; it was refused and the last list kept. Only as a warning. */
  SR_CLIENT_PUSH: { message: 'unreadable push', retryable: true },
  /** A listener of the application threw; `cause` is its error. Only as a warning. */
  SR_CLIENT_LISTENER: { message: 'a listener threw', retryable: false },
} as const satisfies Record<string, ClientErrorInfo>;

/** One of the codes of {@link CLIENT_ERRORS}. */
export type ClientErrorCode = keyof typeof CLIENT_ERRORS;

/** The only error this package throws, rejects with, or reports as a warning. */
export class RegistryClientError extends Error {
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, detail?: string, cause?: unknown) {
    const text = CLIENT_ERRORS[code].message;
    super(detail === undefined ? text : `${text}: ${detail}`, cause === undefined ? undefined : { cause });
    this.name = 'RegistryClientError';
    this.code = code;
  }

  /** True if doing the same again later can succeed. */
  get retryable(): boolean {
    return CLIENT_ERRORS[this.code].retryable;
  }
}

/** The error of an aborted signal. */
export function abortedError(signal: AbortSignal): RegistryClientError {
  const reason: unknown = signal.reason;
  return new RegistryClientError('SR_CLIENT_ABORTED', textOf(reason), reason);
}

/** One line about anything that was thrown. */
export function textOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split('\n', 1)[0].slice(0, ERROR_TEXT_UNITS_MAX);
}

/** Longest text of a foreign error or server message that is repeated in ours, in UTF-16 units. */
export const ERROR_TEXT_UNITS_MAX = 500;
