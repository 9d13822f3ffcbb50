/** Servers that refuse: wrong password, unknown database, and etcd with authentication on. */
import { openStore } from '@sofa-registry/store';
import { describe, expect, it } from 'vitest';
import { realPorts } from './real-time.ts';
import { missingServer, startServer } from './servers.ts';

const kinds = (['postgres', 'mariadb'] as const).filter((kind) => {
  const missing = missingServer(kind);
  if (missing !== null) console.warn(`*** credentials: ${missing}`);
  return missing === null;
});

describe('credentials', () => {
  it.each(kinds)('%s: are refused in one line without the password', async (kind) => {
    const server = await startServer(kind);
    try {
      for (const url of [
        server.url.replace('secret', 'wr0ng-w0rd'),
        server.url.replace(/\/\w+$/, '/nowhere'),
      ]) {
        const error = (await openStore(url, realPorts()).catch((e: unknown) => e)) as {
          code: string;
          message: string;
        };
        expect(error.code).toBe('SR_STORE_CONFIG');
        expect(error.message).toMatch(/127\.0\.0\.1:\d+/);
        expect(error.message).not.toMatch(/secret|wr0ng-w0rd|\n/);
      }
      // Given apart from the address they win over those in it.
      const apart = { url: server.url.replace('sofa:secret', 'nobody:x'), user: 'sofa', password: 'secret' };
      const store = await openStore(apart, realPorts());
      await store.ping();
      expect(store.address).not.toContain('secret');
      await store.close();
    } finally {
      await server.stop();
    }
  });

  const etcdMissing = missingServer('etcd');
  it(
    etcdMissing ?? 'etcd: logs in, again after the token was revoked, and is refused with a wrong password',
    async () => {
      if (etcdMissing !== null) return expect(missingServer('etcd')).toBe(etcdMissing);
      const server = await startServer('etcd');
      const base = server.url.replace('etcd:', 'http:');
      const post = async (path: string, body: object, token = ''): Promise<Record<string, string>> => {
        const headers = token === '' ? undefined : { authorization: token };
        const response = await fetch(base + path, { method: 'POST', body: JSON.stringify(body), headers });
        return (await response.json()) as Record<string, string>;
      };
      try {
        await post('/v3/auth/user/add', { name: 'root', password: 'secret' });
        await post('/v3/auth/user/grant', { user: 'root', role: 'root' });
        await post('/v3/auth/enable', {});
        const address = server.url.replace('//', '//root:secret@');
        const store = await openStore(address, realPorts());
        const { version } = await store.docs.put('k', 'v', { expect: 'absent' });
        const { term } = await store.lease.tryAcquire('10.0.0.1:9610', 30_000);
        // Tokens live in the server's memory.
        await server.kill();
        await server.restart();
        expect((await store.docs.get('k'))?.version).toBe(version);
        await store.lease.renew(term);
        await store.close();
        for (const url of [address.replace('secret', 'wr0ng-w0rd'), server.url]) {
          const error = (await openStore(url, realPorts()).catch((e: unknown) => e)) as {
            code: string;
            message: string;
          };
          expect(error.code).toBe('SR_STORE_CONFIG');
          expect(error.message).not.toMatch(/secret|wr0ng-w0rd|\n/);
        }
      } finally {
        await server.stop();
      }
    },
  );
});
