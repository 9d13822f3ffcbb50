import { defineConfig } from 'vitest/config';

/** Suites that start real servers: `npx vitest run --config vitest.slow.config.ts test/slow/<folder>`. */
export default defineConfig({
  ssr: { resolve: { conditions: ['development', 'module-sync', 'node'] } },
  resolve: { conditions: ['development', 'module-sync', 'node'] },
  test: {
    include: ['test/slow/**/*.test.ts'],
    exclude: ['**/node_modules/**'],
    pool: 'forks',
    isolate: true,
    fileParallelism: false,
    testTimeout: 120_000,
    setupFiles: ['test/setup.ts'],
    hookTimeout: 120_000,
  },
});
