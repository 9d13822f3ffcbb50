/** Checks what comes from outside against the schema of an endpoint. A refusal names the field and the rule. */
import type { TSchema } from 'typebox';
import { ServerError } from '../errors.ts';
import type { BodyKind } from './endpoint.ts';

type Checker = typeof import('typebox/value');

const KEYS_MAX = 256;

let checker: Checker | null = null;

/** Parameters of a query string or form, prototype-free; the first of several wins. */
export function parsePairs(text: string): Record<string, string> {
  const pairs = Object.create(null) as Record<string, string>;
  let left = KEYS_MAX;
  for (const [name, value] of new URLSearchParams(text)) {
    if (left-- === 0) throw new ServerError('SR_HTTP_INPUT', `more than ${KEYS_MAX} parameters`);
    if (!(name in pairs)) pairs[name] = value;
  }
  return pairs;
}

/** The body as its kind says. @throws SR_HTTP_INPUT when it is not that */
export function parseBody(kind: BodyKind, body: string): unknown {
  switch (kind) {
    case 'none':
      return undefined;
    case 'text':
      return body;
    case 'form':
      return parsePairs(body);
    case 'json':
      return body === '' ? undefined : parseJson(body);
  }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body, (key, value: unknown) => (key === '__proto__' ? undefined : value));
  } catch (error) {
    throw new ServerError('SR_HTTP_INPUT', `the body is not JSON: ${(error as Error).message}`, error);
  }
}

/** Checks a value. @throws SR_HTTP_INPUT that names the field and the rule */
export async function check(schema: TSchema, value: unknown, where: 'query' | 'body'): Promise<void> {
  checker ??= await import('typebox/value');
  if (checker.Check(schema, value)) return;
  const [first] = checker.Errors(told(schema), value);
  const required = (first?.params as { requiredProperties?: string[] } | undefined)?.requiredProperties;
  const field = required?.[0] ?? first?.instancePath.slice(1).replaceAll('/', '.') ?? '';
  const rule = required === undefined ? ruleOf(first) : 'is missing';
  const noun = where === 'query' ? 'parameter' : 'field';
  throw new ServerError('SR_HTTP_INPUT', field === '' ? `the ${where} ${rule}` : `${noun} ${field} ${rule}`);
}

/** A body that may be missing is declared as undefined, null or what it is: tell how it fails the last of these. */
function told(schema: TSchema): TSchema {
  return (schema as { anyOf?: TSchema[] }).anyOf?.at(-1) ?? schema;
}

function ruleOf(error: { readonly keyword: string; readonly message: string } | undefined): string {
  // A schema that forbids further fields fails with "schema is false" at the field itself.
  return error === undefined || error.keyword === 'boolean' ? 'is not known' : error.message;
}
