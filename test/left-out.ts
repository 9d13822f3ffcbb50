/** Says at the end of `npm test` which stores it did not try: those that need a server have suites of their own. */
import { missingServer, SERVER_KINDS } from './slow/store/servers.ts';

/** Runs before all tests; what it returns runs after them. */
export default function setup(): () => void {
  return () => {
    const lines = SERVER_KINDS.map((kind) => {
      const missing = missingServer(kind);
      return `    ${kind.padEnd(10)}${missing === null ? 'installed here' : missing.replace(/^[^:]*: /, '')}`;
    });
    process.stdout.write(
      `\nStores tried: memory, sqlite. Left out, because they need a server: run npm run test:store\n${lines.join('\n')}\n`,
    );
  };
}
