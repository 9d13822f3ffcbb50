/** Contract: documents. */
import { describe, expect, it } from 'vitest';
import { STORE_LIMITS } from '../src/index.ts';
import { codeOf } from './contract-lease.ts';
import type { Suite } from './contract.ts';

export function describeDocs(suite: Suite, shared: boolean): void {
  describe('documents', () => {
    it('gives null for what was never written', async () => {
      const store = await suite.world.open();
      expect(await store.docs.get('nothing')).toBeNull();
      expect(await store.docs.list('')).toEqual({ docs: [], revision: 0 });
    });

    it('gives back what was written with its version', async () => {
      const store = await suite.world.open();
      const { version } = await store.docs.put('k', 'v', { expect: 'any' });
      expect(Number.isSafeInteger(version) && version > 0).toBe(true);
      expect(await store.docs.get('k')).toEqual({ key: 'k', value: 'v', version });
    });

    it('gives every text back unchanged', async () => {
      const store = await suite.world.open();
      const texts = [
        '',
        ' ',
        '\0',
        'a\0b',
        "'; --",
        '\\',
        '"\n\r\t',
        '%_',
        'grüße 服务 🚀',
        '{"__proto__":1}',
      ];
      for (const [i, value] of texts.entries()) {
        await store.docs.put(`t${i}`, value, { expect: 'absent' });
        expect((await store.docs.get(`t${i}`))?.value).toBe(value);
      }
    });

    it('tells keys apart byte by byte', async () => {
      const store = await suite.world.open();
      const keys = [
        'a',
        'A',
        'a ',
        ' a',
        'ä',
        'a\u0308',
        '__proto__',
        "k'",
        'k\\',
        'a\0',
        'registry#@#9600#@#CONFIG',
      ];
      for (const key of keys) await store.docs.put(key, `value of ${key}`, { expect: 'absent' });
      for (const key of keys) expect((await store.docs.get(key))?.value).toBe(`value of ${key}`);
      const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect((await store.docs.list('')).docs.map((d) => d.key)).toEqual(sorted);
    });

    it('lists by prefix, whatever the prefix holds', async () => {
      const store = await suite.world.open();
      for (const key of ['p%', 'p%1', 'p_', 'p_1', 'px', 'p\\1', 'q', 'p🚀1', 'P%']) {
        await store.docs.put(key, key, { expect: 'any' });
      }
      const keys = async (prefix: string): Promise<string[]> =>
        (await store.docs.list(prefix)).docs.map((d) => d.key);
      expect(await keys('p%')).toEqual(['p%', 'p%1']);
      expect(await keys('p_')).toEqual(['p_', 'p_1']);
      expect(await keys('p\\')).toEqual(['p\\1']);
      expect(await keys('p🚀')).toEqual(['p🚀1']);
      expect(await keys('zz')).toEqual([]);
      expect(await keys('')).toHaveLength(9);
    });

    it('creates only what is absent with expect absent', async () => {
      const store = await suite.world.open();
      await store.docs.put('k', '1', { expect: 'absent' });
      expect(await codeOf(store.docs.put('k', '2', { expect: 'absent' }))).toBe('SR_STORE_CONFLICT');
      expect((await store.docs.get('k'))?.value).toBe('1');
    });

    it('replaces only the expected version', async () => {
      const store = await suite.world.open();
      expect(await codeOf(store.docs.put('k', '0', { expect: 5 }))).toBe('SR_STORE_CONFLICT');
      const first = await store.docs.put('k', '1', { expect: 'absent' });
      const second = await store.docs.put('k', '2', { expect: first.version });
      expect(second.version).toBeGreaterThan(first.version);
      expect(await codeOf(store.docs.put('k', '3', { expect: first.version }))).toBe('SR_STORE_CONFLICT');
      expect(await codeOf(store.docs.put('k', '3', { expect: second.version + 1 }))).toBe(
        'SR_STORE_CONFLICT',
      );
      expect(await store.docs.get('k')).toEqual({ key: 'k', value: '2', version: second.version });
    });

    it('lets exactly one of N racers win', async () => {
      const first = await suite.world.open();
      const stores = shared ? [first, await suite.world.open(), await suite.world.open()] : [first];
      const race = (expectation: 'absent' | number): Promise<string[]> =>
        Promise.all(
          Array.from({ length: 12 }, (_, i) =>
            codeOf(stores[i % stores.length].docs.put('raced', `by ${i}`, { expect: expectation })),
          ),
        );
      const created = await race('absent');
      expect(created.filter((c) => c === 'done')).toHaveLength(1);
      expect(created.filter((c) => c === 'SR_STORE_CONFLICT')).toHaveLength(11);
      const { version, value } = (await first.docs.get('raced')) ?? { version: -1, value: '' };
      expect(value).toBe(`by ${created.indexOf('done')}`);
      const replaced = await race(version);
      expect(replaced.filter((c) => c === 'done')).toHaveLength(1);
      expect(replaced.filter((c) => c === 'SR_STORE_CONFLICT')).toHaveLength(11);
    });

    it('never repeats a version, nor after a document was removed', async () => {
      const store = await suite.world.open();
      const versions: number[] = [];
      for (let i = 0; i < 5; i += 1) {
        versions.push((await store.docs.put('k', String(i), { expect: 'any' })).version);
        versions.push((await store.docs.put('other', String(i), { expect: 'any' })).version);
        await store.docs.remove('k', { expect: 'any' });
      }
      expect([...versions].sort((a, b) => a - b)).toEqual(versions);
      expect(new Set(versions).size).toBe(versions.length);
      expect((await store.docs.list('')).revision).toBeGreaterThan(versions[versions.length - 1]);
    });

    it('removes a document, at a version or at any', async () => {
      const store = await suite.world.open();
      expect(await store.docs.remove('k', { expect: 'any' })).toBe(false);
      expect(await codeOf(store.docs.remove('k', { expect: 7 }))).toBe('SR_STORE_CONFLICT');
      const { version } = await store.docs.put('k', 'v', { expect: 'any' });
      expect(await codeOf(store.docs.remove('k', { expect: version + 1 }))).toBe('SR_STORE_CONFLICT');
      expect(await store.docs.remove('k', { expect: version })).toBe(true);
      expect(await store.docs.get('k')).toBeNull();
      await store.docs.put('k', 'v', { expect: 'absent' });
      expect(await store.docs.remove('k', { expect: 'any' })).toBe(true);
    });

    it('refuses a value of 1 MiB and takes one a byte smaller', async () => {
      const store = await suite.world.open();
      const big = 'x'.repeat(STORE_LIMITS.docBytesMax);
      expect(await codeOf(store.docs.put('big', `${big}x`, { expect: 'any' }))).toBe('SR_STORE_TOO_LARGE');
      expect(await codeOf(store.docs.put('big', 'ü'.repeat(524_288), { expect: 'any' }))).toBe(
        'SR_STORE_TOO_LARGE',
      );
      await store.docs.put('big', big, { expect: 'any' });
      expect((await store.docs.get('big'))?.value === big).toBe(true);
    });

    it('refuses keys and numbers no store can hold', async () => {
      const store = await suite.world.open();
      const put = (key: string): Promise<string> => codeOf(store.docs.put(key, 'v', { expect: 'any' }));
      expect(await put('')).toBe('SR_STORE_INVALID');
      expect(await put('\ud800')).toBe('SR_STORE_INVALID');
      expect(await put('k'.repeat(STORE_LIMITS.keyBytesMax + 1))).toBe('SR_STORE_TOO_LARGE');
      expect(await put('k'.repeat(STORE_LIMITS.keyBytesMax))).toBe('done');
      expect(await codeOf(store.docs.put('k', '\udfff', { expect: 'any' }))).toBe('SR_STORE_INVALID');
      expect(await codeOf(store.docs.put('k', 'v', { expect: 1.5 }))).toBe('SR_STORE_INVALID');
    });
  });
}
