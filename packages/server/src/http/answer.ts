/** Answers of endpoints, in the forms the reference uses (reference/meta-and-admin.md 8). */

/** A complete answer. */
export interface Answer {
  readonly status: number;
  /** Content type; null for none. */
  readonly type: string | null;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Content type of JSON, as the reference sends it: without a charset. */
export const JSON_TYPE = 'application/json';
/** Content type of text, as the reference sends it. Clients of the reference take a charset parameter badly (wire 3.1). */
export const TEXT_TYPE = 'text/plain';

/** JSON. A bigint becomes a plain number of any length. */
export function json(value: unknown, status = 200): Answer {
  return { status, type: JSON_TYPE, body: stringify(value) };
}

/** Text as text/plain. */
export function text(body: string): Answer {
  return { status: 200, type: TEXT_TYPE, body };
}

/** Bare text under the JSON type: what the reference does for a few counters. */
export function bareText(body: string): Answer {
  return { status: 200, type: JSON_TYPE, body };
}

/** No body and no content type: unknown path, wrong method. */
export function empty(status: number, headers?: Readonly<Record<string, string>>): Answer {
  return { status, type: null, body: '', headers };
}

/** `{success, message}`. */
export function result(success: boolean, message: string | null = null, status = 200): Answer {
  return json({ success, message }, status);
}

/** `{success, message, data}`. */
export function generic(data: unknown, success = true, message: string | null = null): Answer {
  return json({ success, message, data });
}

/** The answer of a change, or that of one that breaks a limit (RangeError): success false, with the rule. */
export async function withinLimits(change: () => Promise<Answer>): Promise<Answer> {
  try {
    return await change();
  } catch (error) {
    if (error instanceof RangeError) return result(false, error.message);
    throw error;
  }
}

/** JSON text of a value in which integers may be bigint. */
export function stringify(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === 'bigint' ? rawNumber(item) : item));
}

const { rawJSON } = JSON as unknown as { rawJSON: (this: void, text: string) => unknown };

function rawNumber(value: bigint): unknown {
  return rawJSON(value.toString());
}
