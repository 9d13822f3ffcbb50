/** How a request that one node makes for a caller of another says who that is. */

/** Names the caller of a request that another node passes on. */
export const ORIGIN_HEADER = 'x-sofa-registry-origin';
/** Headers by which a caller shows who it is. */
const CREDENTIALS = ['authorization', 'x-apiauth-token', 'x-operator'];

/** The credentials among the headers of a request. */
export function credentialsOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const name of CREDENTIALS) {
    const value = headers[name];
    if (typeof value === 'string') kept[name] = value;
  }
  return kept;
}
