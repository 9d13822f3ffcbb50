/** What the forms of operators' documents are checked with. Pure. */

/** Names in one list of a document. */
export const DOC_NAMES_MAX = 10_000;
/** Longest name, UTF-16 units. */
const NAME_UNITS_MAX = 512;

/** The value of a JSON text; undefined when it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** True for an object with members, which a list is not. */
export function isRecord(json: unknown): json is Record<string, unknown> {
  return json !== null && typeof json === 'object' && !Array.isArray(json);
}

/** True for a list of at most {@link DOC_NAMES_MAX} names of 1 to 512 UTF-16 units. */
export function isNames(items: unknown): items is string[] {
  return (
    Array.isArray(items) &&
    items.length <= DOC_NAMES_MAX &&
    items.every((item) => typeof item === 'string' && item !== '' && item.length <= NAME_UNITS_MAX)
  );
}
