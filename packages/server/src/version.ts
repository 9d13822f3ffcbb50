/** Version of this release. */
import { readFileSync } from 'node:fs';

/** `version` of the package. */
export const VERSION: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version;
