import { describe, expect, it } from 'vitest';
import { httpServerList, parseServerList } from '../src/index.ts';
import { SESSIONS_MAX } from '../src/limits.ts';

const query = { zone: 'EAST', dataCenter: '', appName: 'my app' };
const never = new AbortController().signal;

describe('the list of session servers', () => {
  it('is read with and without weights', () => {
    expect(parseServerList('10.0.0.1:9600?weight=3;h2:9601;[::1]:9600?x=1&weight=7')).toEqual([
      { host: '10.0.0.1', port: 9600, weight: 3 },
      { host: 'h2', port: 9601, weight: 0 },
      { host: '::1', port: 9600, weight: 7 },
    ]);
  });

  it('leaves out what is no address, and takes bad weights for 0', () => {
    expect(parseServerList('')).toEqual([]);
    expect(
      parseServerList(';;nonsense;:9600;a:0;a:99999;b c:9600;<html>;ok:1?weight=-2;ok:1;w:2?weight=x;'),
    ).toEqual([
      { host: 'ok', port: 1, weight: 0 },
      { host: 'w', port: 2, weight: 0 },
    ]);
  });

  it('is bounded', () => {
    const body = Array.from({ length: SESSIONS_MAX + 500 }, (_, i) => `h${i}:9600`).join(';');
    expect(parseServerList(body)).toHaveLength(SESSIONS_MAX);
  });

  it('falls back to the older path when the newer one is not known', async () => {
    const asked: string[] = [];
    const list = httpServerList({
      servers: [{ host: 's', port: 9603 }],
      query,
      get: (url) => {
        asked.push(url);
        const known = !url.includes('queryWithWeight');
        return Promise.resolve({ status: known ? 200 : 404, body: known ? 'a:9600' : '' });
      },
    });
    expect(await list.fetch(never)).toEqual([{ host: 'a', port: 9600, weight: 0 }]);
    expect(asked).toEqual([
      'http://s:9603/api/servers/queryWithWeight?zone=EAST&dataCenter=&appName=my+app',
      'http://s:9603/api/servers/query?zone=EAST&dataCenter=&appName=my+app',
    ]);
  });

  it('is asked of the next server after a failure or an empty answer, and of the one that answered from then on', async () => {
    const asked: string[] = [];
    const list = httpServerList({
      servers: ['x', 'y', 'z'].map((host) => ({ host, port: 1 })),
      query,
      get: (url) => {
        const host = url[7];
        asked.push(host);
        if (host === 'x') return Promise.reject(new Error('refused'));
        return Promise.resolve({ status: 200, body: host === 'y' ? '' : 'a:9600' });
      },
    });
    expect(await list.fetch(never)).toHaveLength(1);
    expect(await list.fetch(never)).toHaveLength(1);
    expect(asked).toEqual(['x', 'y', 'z', 'z']);
  });

  it('fails with one line when no server answers, and is empty when all know of nobody', async () => {
    const failing = httpServerList({
      servers: [{ host: 's', port: 9603 }],
      query,
      get: () => Promise.resolve({ status: 500, body: '' }),
    });
    await expect(failing.fetch(never)).rejects.toMatchObject({
      code: 'SR_CLIENT_SERVER_LIST',
      message: 'cannot read the list of session servers: s:9603: HTTP status 500',
    });
    const empty = httpServerList({
      servers: [{ host: 's', port: 9603 }],
      query,
      get: () => Promise.resolve({ status: 200, body: '' }),
    });
    expect(await empty.fetch(never)).toEqual([]);
  });
});
