import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openStore, parseStoreAddress, redactStoreAddress, StoreError } from '../src/index.ts';
import { ManualClock, manualPorts } from './manual-clock.ts';

const sql = { user: undefined, password: undefined, tls: 'off' };

describe('store addresses', () => {
  it.each([
    ['memory:', { kind: 'memory' }],
    ['sqlite:/var/lib/sofa', { kind: 'sqlite', dir: '/var/lib/sofa' }],
    ['sqlite:data', { kind: 'sqlite', dir: 'data' }],
    ['sqlite:///var/lib/sofa', { kind: 'sqlite', dir: '/var/lib/sofa' }],
    ['postgres://db/reg', { ...sql, kind: 'postgres', host: 'db', port: 5432, database: 'reg' }],
    [
      'postgresql://me:p%40ss@10.0.0.1:6543/reg?sslmode=verify-full',
      {
        kind: 'postgres',
        host: '10.0.0.1',
        port: 6543,
        database: 'reg',
        user: 'me',
        password: 'p@ss',
        tls: 'verify',
      },
    ],
    ['mysql://me@[::1]/reg', { ...sql, kind: 'mysql', host: '::1', port: 3306, database: 'reg', user: 'me' }],
    ['mariadb://h:80/reg', { ...sql, kind: 'mysql', host: 'h', port: 80, database: 'reg' }],
    [
      'jdbc:mysql://db:3307/reg?useUnicode=true&characterEncoding=utf8&user=me&password=x&useSSL=true',
      { kind: 'mysql', host: 'db', port: 3307, database: 'reg', user: 'me', password: 'x', tls: 'encrypt' },
    ],
    ['jdbc:postgresql://db/reg', { ...sql, kind: 'postgres', host: 'db', port: 5432, database: 'reg' }],
    [
      'jdbc:mariadb://db/reg?sslMode=DISABLED',
      { ...sql, kind: 'mysql', host: 'db', port: 3306, database: 'reg' },
    ],
    [
      'etcd://a:2379,b,10.0.0.3:1234',
      {
        kind: 'etcd',
        endpoints: ['http://a:2379', 'http://b:2379', 'http://10.0.0.3:1234'],
        user: undefined,
        password: undefined,
      },
    ],
    ['etcds://u:p%3A@[::1]', { kind: 'etcd', endpoints: ['https://[::1]:2379'], user: 'u', password: 'p:' }],
  ])('reads %s', (text, parsed) => {
    expect(parseStoreAddress(text)).toEqual(parsed);
  });

  it.each([
    '',
    'redis://h',
    'oracle:thin',
    'sqlite:',
    'sqlite://',
    'postgres://h',
    'postgres:///db',
    'mysql://h:port/db',
    'mysql://h:99999/db',
    'etcd://',
    'etcd://a:x',
    'postgres://u:%zz@h/db',
    'postgres://h/db?sslmode=maybe',
  ])('refuses "%s" in one line that names the accepted forms', (text) => {
    let caught: unknown;
    try {
      parseStoreAddress(text);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(StoreError);
    expect(caught).toMatchObject({ code: 'SR_STORE_CONFIG', outcome: 'refused' });
    expect((caught as Error).message).toMatch(/accepted forms: memory:/);
    expect((caught as Error).message).not.toContain('\n');
  });

  it('never shows a password', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9!$*_~.-]{6,20}$/).map((s) => `Zq${s}`);
    fc.assert(
      fc.property(
        secret,
        fc.constantFrom('postgres', 'mysql', 'etcd', 'jdbc:mysql', 'redis'),
        (word, scheme) => {
          for (const address of [
            `${scheme}://user:${word}@host:1234/db?sslmode=bad`,
            `${scheme}://host/db?user=u&password=${word}&sslmode=bad`,
          ]) {
            expect(redactStoreAddress(address)).not.toContain(word);
            let message = '';
            try {
              parseStoreAddress(address);
            } catch (error) {
              message = (error as Error).message;
            }
            expect(message).not.toContain(word);
          }
        },
      ),
    );
  });

  it('opens a memory store', async () => {
    await using store = await openStore('memory:', manualPorts(new ManualClock()));
    expect(store.kind).toBe('memory');
    await store.ping();
  });

  it('refuses a cluster id that is empty or too long', async () => {
    const ports = manualPorts(new ManualClock());
    await expect(openStore({ url: 'memory:', cluster: '' }, ports)).rejects.toMatchObject({
      code: 'SR_STORE_INVALID',
    });
    await expect(openStore({ url: 'memory:', cluster: 'c'.repeat(129) }, ports)).rejects.toMatchObject({
      code: 'SR_STORE_TOO_LARGE',
    });
  });
});
