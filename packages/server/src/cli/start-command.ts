/** How this program starts itself again, from source or built. */
import { fileURLToPath } from 'node:url';

/** Program and arguments of `start`, without its flags. */
export function commandOfStart(): string[] {
  return [process.execPath, ...process.execArgv, cliFile(), 'start'];
}

/** The entry point next to this file: `cli.ts` from source, `cli.js` when built. */
function cliFile(): string {
  const own = fileURLToPath(import.meta.url);
  return fileURLToPath(new URL(own.endsWith('.ts') ? '../cli.ts' : '../cli.js', import.meta.url));
}
