/** Clients and services taken out of the traffic: what each call makes of the documents (F192, F199, F224). */
import { BLACKLIST_KEY, CLIENT_OFF_KEY, SERVICE_BLACKLIST_KEY, DOC_NAMES_MAX } from '@sofa-registry/model';
import { beforeEach, expect, it } from 'vitest';
import { ClientTraffic, docRefusal } from '../src/index.ts';

const docs = new Map<string, { key: string; value: string; version: number }>();
let writes = 0;
const traffic = new ClientTraffic({
  getDoc: (key) => Promise.resolve(docs.get(key) ?? null),
  changeDoc: (key, change) => {
    const known = docs.get(key);
    const value = change(known?.value ?? null);
    expect(docRefusal(key, value)).toBe('');
    if (known?.value === value) return Promise.resolve(known);
    const doc = { key, value, version: ++writes };
    docs.set(key, doc);
    return Promise.resolve(doc);
  },
});

beforeEach(() => {
  docs.clear();
  writes = 0;
});

const state = async () => {
  const { off, reduced, version } = await traffic.state();
  return { off: Object.fromEntries(off), reduced, version };
};

it('nobody is off at first', async () => {
  expect(await state()).toEqual({ off: {}, reduced: [], version: 0 });
  expect(await traffic.bannedServices()).toBeNull();
});

it('off, open and reduce; what changes nothing keeps the version', async () => {
  expect(await traffic.off(['10.0.0.1', '::1'])).toBe(1);
  expect(await traffic.off(['10.0.0.1'])).toBe(1);
  expect(await state()).toEqual({
    off: { '10.0.0.1': { pub: true }, '::1': { pub: true } },
    reduced: [],
    version: 1,
  });
  expect(await traffic.mark([['10.0.0.1', { pub: false, sub: true }]])).toBe(2);
  expect(await traffic.open(['::1', '10.0.0.9'])).toBe(3);
  expect(await state()).toEqual({ off: { '10.0.0.1': { pub: false, sub: true } }, reduced: [], version: 3 });
  expect(await traffic.reduce(['10.0.0.1', '10.0.0.2'])).toBe(4);
  expect(await state()).toEqual({ off: {}, reduced: ['10.0.0.1', '10.0.0.2'], version: 4 });
  await traffic.off(['10.0.0.2']);
  expect(await state()).toMatchObject({ off: { '10.0.0.2': { pub: true } }, reduced: ['10.0.0.1'] });
  await traffic.open(['10.0.0.1']);
  expect(await state()).toMatchObject({ reduced: [] });
});

it('an address that is none, or too many of them, change nothing', async () => {
  await traffic.off(['10.0.0.1']);
  await expect(traffic.off(['10.0.0.2', 'a b'])).rejects.toThrow('invalid ip address: a b');
  const many = Array.from({ length: DOC_NAMES_MAX }, (_, i) => `10.1.${i >> 8}.${i & 255}`);
  await expect(traffic.off(many)).rejects.toThrow(`more than ${DOC_NAMES_MAX} clients that are off`);
  expect(await state()).toMatchObject({ off: { '10.0.0.1': { pub: true } }, version: 1 });
  expect(await traffic.off(many.slice(1))).toBe(2);
  for (let i = 0; i < 3; i++) await traffic.reduce(many.slice(i * 500, (i + 1) * 500));
  expect((await traffic.state()).reduced).toEqual(many.slice(500, 1500));
});

it('a document that cannot be read is begun anew', async () => {
  docs.set(CLIENT_OFF_KEY, { key: CLIENT_OFF_KEY, value: 'nonsense', version: 7 });
  expect(await state()).toEqual({ off: {}, reduced: [], version: 7 });
  writes = 7;
  expect(await traffic.off(['10.0.0.1'])).toBe(8);
});

it('services are banned and allowed again', async () => {
  await traffic.banService('a#@#DEFAULT_INSTANCE_ID#@#G', true);
  await traffic.banService('b#@#DEFAULT_INSTANCE_ID#@#G', true);
  await traffic.banService('b#@#DEFAULT_INSTANCE_ID#@#G', true);
  expect(writes).toBe(2);
  await traffic.banService('a#@#DEFAULT_INSTANCE_ID#@#G', false);
  expect(await traffic.bannedServices()).toEqual(['b#@#DEFAULT_INSTANCE_ID#@#G']);
  await traffic.banService('b#@#DEFAULT_INSTANCE_ID#@#G', false);
  expect(await traffic.bannedServices()).toEqual([]);
  expect([...docs.keys()]).toEqual([SERVICE_BLACKLIST_KEY]);
  expect(docs.has(BLACKLIST_KEY)).toBe(false);
});
