import { expect, it } from 'vitest';
import { changesOf } from '../src/cli/doc-watch.ts';

const doc = (key: string, version: number, value = `v${version}`) => ({ key, version, value });

it('shows each document once, each newer version, each removal, and nothing of a leader that is behind', () => {
  const shown = new Map();
  expect(changesOf(shown, [doc('a', 1), doc('b', 2)])).toEqual([doc('a', 1), doc('b', 2)]);
  expect(changesOf(shown, [doc('a', 1), doc('b', 2)])).toEqual([]);
  expect(changesOf(shown, [doc('a', 3), doc('b', 2)])).toEqual([doc('a', 3)]);
  expect(changesOf(shown, [doc('a', 1), doc('b', 2)])).toEqual([]);
  expect(changesOf(shown, [doc('b', 2)])).toEqual([{ key: 'a', version: 3, value: null }]);
  expect(changesOf(shown, [doc('a', 5), doc('b', 2)])).toEqual([doc('a', 5)]);
});
