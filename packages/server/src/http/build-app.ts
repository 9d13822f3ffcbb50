/** Puts the endpoints of a role on fastify: routing, limits, input, rights, empty 404 and 405, errors. */
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from '@sofa-registry/runtime';
import { oneLine, SERVER_ERRORS, ServerError } from '../errors.ts';
import { type AuditEntry, type AuditLog, AUDIT_VALUE_UNITS_MAX, auditValue } from './audit.ts';
import { type Answer, empty, JSON_TYPE, stringify, text, TEXT_TYPE } from './answer.ts';
import type { Endpoint, Input } from './endpoint.ts';
import { credentialsOf, ORIGIN_HEADER } from './caller-headers.ts';
import type { Caller, Gate } from './gate.ts';
import type { RepairHandler, RequestHandler } from './http-port.ts';
import { check, parseBody, parsePairs } from './input.ts';

/** What the app needs beside its endpoints. */
export interface AppOptions<C> {
  readonly context: C;
  readonly endpoints: readonly Endpoint<C>[];
  readonly bodyBytesMax: number;
  readonly gate: Gate;
  readonly audit: AuditLog;
  /** Who writes the audit: registry address and role. */
  readonly node: string;
  readonly role: string;
  readonly logger: Logger | null;
  /** Answers a leader-only request when this node does not lead; null when it does. */
  readonly forward: (request: ForwardedRequest) => Promise<Answer | null>;
}

/** A request that may be forwarded. */
export interface ForwardedRequest {
  readonly method: string;
  /** Path and query as they came. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** True when what this node last knew is better than no answer. */
  readonly lastSeenWillDo: boolean;
  /** `ip:port` of the caller. */
  readonly remote: string;
}

/** The app of a role, ready for requests. */
export interface App {
  readonly handler: RequestHandler;
  readonly repair: RepairHandler;
}

/** Statuses of errors that the tiers and the store answer with. */
const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  SR_META_NOT_LEADER: 503,
  SR_META_UNKNOWN_NODE: 404,
  SR_STORE_CONFLICT: 409,
  SR_STORE_FENCED: 503,
  SR_STORE_INVALID: 400,
  SR_STORE_TOO_LARGE: 413,
  SR_STORE_UNAVAILABLE: 503,
  SR_STORE_UNKNOWN: 503,
};
const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const;
const PARAM_UNITS_MAX = 32_768;
/** Longest name a caller gives itself. */
const SAYS_UNITS_MAX = 128;

/** Builds it. */
export async function buildFastify<C>(options: AppOptions<C>): Promise<App> {
  const app = Fastify({
    bodyLimit: options.bodyBytesMax,
    logger: false,
    exposeHeadRoutes: false,
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) =>
      send(reply, errorAnswer(error, request, options.logger)),
    routerOptions: {
      maxParamLength: PARAM_UNITS_MAX,
      ignoreTrailingSlash: true,
      querystringParser: asItIs,
    },
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
  } as never) as unknown as FastifyInstance;
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  for (const entry of options.endpoints) addRoute(app, entry, options);
  addWrongMethods(app, options.endpoints);
  app.setNotFoundHandler((_request, reply) => send(reply, empty(404)));
  app.setErrorHandler((error, request, reply) => send(reply, errorAnswer(error, request, options.logger)));
  await app.ready();
  return { handler: (request, response) => app.routing(request, response), repair: repairBy(app) };
}

/** The router must not throw: the query is parsed by the endpoint. */
function asItIs(query: string): string {
  return query;
}

function noCompiler(): never {
  throw new Error('schemas are checked by typebox');
}

function addRoute<C>(app: FastifyInstance, entry: Endpoint<C>, options: AppOptions<C>): void {
  app.route({
    method: entry.method === 'GET' ? ['GET', 'HEAD'] : entry.method,
    url: entry.path,
    handler: async (request, reply) => send(reply, await answer(entry, request, options)),
  });
}

async function answer<C>(
  entry: Endpoint<C>,
  request: FastifyRequest,
  options: AppOptions<C>,
): Promise<Answer> {
  const body = typeof request.body === 'string' ? request.body : '';
  const caller = admitted(entry, request, options, body);
  if (entry.leader !== undefined) {
    const { method, url, headers } = request;
    const { remote } = caller;
    const lastSeenWillDo = entry.leader === 'last-seen';
    const forwarded = await options.forward({ method, url, headers, body, remote, lastSeenWillDo });
    if (forwarded !== null) return forwarded;
  }
  const query = parsePairs((request.query as unknown as string) ?? '') as never;
  if (entry.query !== undefined) await check(entry.query, query, 'query');
  const parsed = parseBody(entry.bodyKind ?? 'none', body);
  if (entry.body !== undefined) await check(entry.body, parsed, 'body');
  const params = request.params as Record<string, string>;
  const { remote } = caller;
  const credentials = credentialsOf(request.headers);
  const input: Input<never, never> = { params, query, body: parsed as never, remote, credentials };
  if (entry.changes !== true) return entry.handle(options.context, input);
  return audited(entry, request, options, caller, body, input);
}

/** Who calls, if the call may be made; a refused change is audited. */
function admitted<C>(
  entry: Endpoint<C>,
  request: FastifyRequest,
  options: AppOptions<C>,
  body: string,
): Caller {
  const operator = entry.changes === true || entry.access === 'operator';
  try {
    const caller = options.gate.check(operator ? 'operator' : (entry.access ?? 'read'), request);
    return operator ? { ...caller, remote: originOf(request, caller.remote) } : caller;
  } catch (error) {
    // Those who try too often are counted, not written down one by one.
    if (entry.changes === true && error instanceof ServerError && error.code !== 'SR_HTTP_MANY') {
      const remote = `${request.socket.remoteAddress ?? '-'}:${request.socket.remotePort ?? 0}`;
      const status = SERVER_ERRORS[error.code].httpStatus;
      const caller = { name: '', remote };
      // Nobody waits for the file because of somebody who may not call.
      void record(request, options, caller, body, { outcome: 'refused', status, before: null, after: null });
    }
    throw error;
  }
}

/** Carries out a change between two looks at what it is about. */
async function audited<C>(
  entry: Endpoint<C>,
  request: FastifyRequest,
  options: AppOptions<C>,
  caller: Caller,
  body: string,
  input: Input<never, never>,
): Promise<Answer> {
  const look = async (): Promise<unknown> => {
    try {
      return auditValue(await entry.affects?.(options.context, input));
    } catch (error) {
      return `unknown: ${oneLine(error)}`;
    }
  };
  const before = await look();
  try {
    const given = await entry.handle(options.context, input);
    const outcome = given.status < 400 ? 'done' : 'failed';
    await record(request, options, caller, body, {
      outcome,
      status: given.status,
      before,
      after: await look(),
    });
    return given;
  } catch (error) {
    const { status } = errorAnswer(error, request, null);
    await record(request, options, caller, body, { outcome: 'failed', status, before, after: await look() });
    throw error;
  }
}

function record<C>(
  request: FastifyRequest,
  options: AppOptions<C>,
  caller: Caller,
  body: string,
  rest: Pick<AuditEntry, 'outcome' | 'status' | 'before' | 'after'>,
): Promise<void> {
  const [path = '', query = ''] = request.url.split('?', 2);
  const says = request.headers['x-operator'];
  return options.audit.record({
    time: new Date().toISOString(),
    node: options.node,
    role: options.role,
    who: {
      operator: caller.name,
      from: caller.remote,
      says: typeof says === 'string' ? says.slice(0, SAYS_UNITS_MAX) : '',
    },
    what: `${request.method} ${path.slice(0, AUDIT_VALUE_UNITS_MAX)}`,
    input: [query, body]
      .filter((part) => part !== '')
      .join(' ')
      .slice(0, AUDIT_VALUE_UNITS_MAX),
    ...rest,
  });
}

/** The caller of a request that another meta passed on: only an operator's request comes so far. */
function originOf({ headers }: FastifyRequest, remote: string): string {
  const origin = headers[ORIGIN_HEADER];
  return typeof origin === 'string' && origin.length <= SAYS_UNITS_MAX ? `${origin} by ${remote}` : remote;
}

/** Other methods of a known path: 405 without a body, as the reference answers. */
function addWrongMethods<C>(app: FastifyInstance, endpoints: readonly Endpoint<C>[]): void {
  const known = new Map<string, Set<string>>();
  for (const { path, method } of endpoints) {
    const methods = known.get(path) ?? new Set();
    methods.add(method);
    known.set(path, methods);
  }
  for (const [url, methods] of known) {
    const allow = [...methods].join(', ');
    const others = METHODS.filter((method) => !methods.has(method));
    app.route({
      method: others,
      url,
      handler: async (_request, reply) => send(reply, empty(405, { allow })),
    });
  }
}

function send(reply: FastifyReply, { status, type, body, headers }: Answer): FastifyReply {
  reply.code(status);
  if (headers !== undefined) reply.headers(headers);
  if (type !== null) reply.header('content-type', type);
  // Bytes, so that fastify adds no charset of its own.
  return reply.send(body === '' && type === null ? undefined : Buffer.from(body, 'utf8'));
}

function errorAnswer(error: unknown, request: FastifyRequest, logger: Logger | null): Answer {
  if (error instanceof ServerError) {
    const status = SERVER_ERRORS[error.code].httpStatus || 500;
    const headers = { reason: encodeURI(error.message).slice(0, 500) };
    if (status === 400) return { ...text(error.message), status };
    return {
      status,
      type: JSON_TYPE,
      body: stringify({ success: false, message: error.message, code: error.code }),
      headers,
    };
  }
  const code = (error as { code?: unknown }).code;
  const known = typeof code === 'string' ? STATUS_OF_CODE[code] : undefined;
  if (known !== undefined) {
    return {
      status: known,
      type: JSON_TYPE,
      body: stringify({ success: false, message: oneLine(error), code }),
    };
  }
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  if (status < 500) return { status, type: TEXT_TYPE, body: oneLine(error) };
  logger?.error('an endpoint failed', { method: request.method, url: request.url, error: oneLine(error) });
  return { status: 500, type: JSON_TYPE, body: stringify({ success: false, message: oneLine(error) }) };
}

/** Answers a request whose request line Node's parser refused, through the same routes. */
function repairBy(app: FastifyInstance): RepairHandler {
  return async (_method, url, headers, remote) => {
    const given = await app.inject({ method: 'GET', url, headers, remoteAddress: remote });
    const body = given.rawPayload;
    const type = given.headers['content-type'];
    const head = [
      `HTTP/1.1 ${given.statusCode} ${given.statusMessage}`,
      ...(type === undefined ? [] : [`content-type: ${String(type)}`]),
      `content-length: ${body.length}`,
      'connection: close',
    ];
    return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
  };
}
