/**
 * Errors a person who runs the program sees. Every one is a single line: what, with which value, and what to do. The table is
 * the source of `docs/errors.md`.
 */

/** Meaning of one code. */
export interface ServerErrorInfo {
  readonly message: string;
  /** Exit code of the process when it ends because of it; 0 = it never does. */
  readonly exitCode: number;
  /** HTTP status when it answers a request; 0 = it never does. */
  readonly httpStatus: number;
  /** True if doing the same again later can succeed. */
  readonly retryable: boolean;
}

/** Closed table of all codes of this package. */
export const SERVER_ERRORS = {
  /** A key that no setting has. */
  SR_CONFIG_KEY: { message: 'unknown configuration key', exitCode: 1, httpStatus: 0, retryable: false },
  /** A value outside the rule of its key. */
  SR_CONFIG_VALUE: { message: 'bad configuration value', exitCode: 1, httpStatus: 0, retryable: false },
  /** The configuration file cannot be read or is not YAML. */
  SR_CONFIG_FILE: { message: 'bad configuration file', exitCode: 1, httpStatus: 0, retryable: false },
  /** A port is taken, or the process may not open it. */
  SR_START_PORT: { message: 'port not available', exitCode: 1, httpStatus: 0, retryable: false },
  /** The data directory cannot be created or written. */
  SR_START_DATA_DIR: { message: 'data directory not usable', exitCode: 1, httpStatus: 0, retryable: false },
  /** The store refused: damaged file, held by another process, foreign schema, wrong address or credentials. */
  SR_START_STORE: { message: 'store not usable', exitCode: 1, httpStatus: 0, retryable: false },
  /** Another failure while starting. */
  SR_START_FAILED: { message: 'start failed', exitCode: 1, httpStatus: 0, retryable: false },
  /** A parameter or body that breaks the rule of its endpoint. */
  SR_HTTP_INPUT: { message: 'bad request', exitCode: 0, httpStatus: 400, retryable: false },
  /** A call that changes something came without the operator token. */
  SR_HTTP_TOKEN: { message: 'operator token needed', exitCode: 0, httpStatus: 401, retryable: false },
  /** A call from another machine to what is not open to everybody, and no operator token is configured. */
  SR_HTTP_REMOTE: { message: 'refused from another machine', exitCode: 0, httpStatus: 403, retryable: false },
  /** An operator call from another machine came in plain text although this port speaks TLS. */
  SR_HTTP_PLAIN: {
    message: 'operator calls from other machines need https here',
    exitCode: 0,
    httpStatus: 403,
    retryable: false,
  },
  /** Too many wrong operator tokens from one address; it is refused for up to a minute. */
  SR_HTTP_MANY: {
    message: 'too many wrong tokens, wait a minute',
    exitCode: 0,
    httpStatus: 429,
    retryable: true,
  },
  /** The body is larger than `http.bodyBytesMax`. */
  SR_HTTP_TOO_LARGE: { message: 'body too large', exitCode: 0, httpStatus: 413, retryable: false },
  /** Nothing has this name. */
  SR_HTTP_NOT_FOUND: { message: 'not found', exitCode: 0, httpStatus: 404, retryable: false },
  /** The node still starts, or no meta leader is known, or the store is away. */
  SR_HTTP_NOT_READY: { message: 'not ready', exitCode: 0, httpStatus: 503, retryable: true },
  /** A registry could not be asked by the command line. */
  SR_CLI_UNREACHABLE: { message: 'no answer', exitCode: 1, httpStatus: 0, retryable: true },
  /** The command line got an answer that refuses what was asked. */
  SR_CLI_REFUSED: { message: 'refused', exitCode: 1, httpStatus: 0, retryable: false },
} as const satisfies Record<string, ServerErrorInfo>;

/** One of the codes of {@link SERVER_ERRORS}. */
export type ServerErrorCode = keyof typeof SERVER_ERRORS;

/** Error of this package. `message` is one line and never holds a secret. */
export class ServerError extends Error {
  override readonly name = 'ServerError';
  readonly code: ServerErrorCode;

  /** @param detail what exactly, and what to do; the whole message when given */
  constructor(code: ServerErrorCode, detail?: string, cause?: unknown) {
    super(detail ?? SERVER_ERRORS[code].message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** The text of anything thrown, on one line. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? error.message || error.name : String(error);
  return text.replace(/\s+/g, ' ').trim();
}
