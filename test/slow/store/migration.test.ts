/** Changes of the schema on the SQL servers, by several processes at once, under running older ones. */
import { openStore } from '@sofa-registry/store';
import { describe, expect, it } from 'vitest';
import { survivesMigration } from '../../../packages/store/test/contract-migration.ts';
import { MYSQL_MIGRATIONS } from '../../../packages/store/src/mysql-schema.ts';
import { POSTGRES_MIGRATIONS } from '../../../packages/store/src/postgres-schema.ts';
import { realPorts } from './real-time.ts';
import { missingServer, startServer } from './servers.ts';

const INDEXED = 'CREATE INDEX IF NOT EXISTS sr_doc_version ON sr_doc (cluster, version)';
const CASES = [
  {
    kind: 'postgres',
    known: POSTGRES_MIGRATIONS,
    statements: [`ALTER TABLE sr_doc ADD COLUMN IF NOT EXISTS note text DEFAULT 'none'`, INDEXED],
  },
  {
    kind: 'mariadb',
    known: MYSQL_MIGRATIONS,
    statements: [`ALTER TABLE sr_doc ADD COLUMN IF NOT EXISTS note VARCHAR(20) DEFAULT 'none'`, INDEXED],
  },
] as const;

describe.each(CASES)('$kind', ({ kind, known, statements }) => {
  const missing = missingServer(kind);
  if (missing !== null) {
    console.warn(`*** ${missing}`);
    it(missing, () => expect(missingServer(kind)).toBe(missing));
    return;
  }

  it('keeps everything through a change of the schema, and through one that fails', async () => {
    const server = await startServer(kind);
    try {
      const open = () => openStore({ url: server.url, cluster: 'migrated' }, realPorts());
      await survivesMigration({ known, statements, open, shared: true });
    } finally {
      await server.stop();
    }
  });
});
