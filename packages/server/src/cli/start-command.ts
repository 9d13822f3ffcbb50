/** How this program starts itself again, from source or built. */
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../cli.js', import.meta.url));

/** Program and arguments of `start`, without its flags. */
export function commandOfStart(): string[] {
  return [process.execPath, ...process.execArgv, CLI, 'start'];
}
