import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CLIENT_ERRORS } from '../src/index.ts';

it('the README lists every error code once, and no other', () => {
  const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
  const listed = [...readme.matchAll(/^\| `(SR_CLIENT_[A-Z_]+)` +\|/gm)].map((match) => match[1]);
  expect(listed).toHaveLength(new Set(listed).size);
  expect(new Set(listed)).toEqual(new Set(Object.keys(CLIENT_ERRORS)));
});
