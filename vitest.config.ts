import { defineConfig } from 'vitest/config';

export default defineConfig({
  ssr: { resolve: { conditions: ['development', 'module-sync', 'node', 'import'] } },
  resolve: { conditions: ['development', 'module-sync', 'node', 'import'] },
  test: {
    include: ['packages/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'test/slow/**'],
    pool: 'threads',
    isolate: false,
    maxWorkers: 2,
    testTimeout: 20_000,
    globalSetup: ['test/left-out.ts'],
    setupFiles: ['test/setup.ts'],
  },
});
