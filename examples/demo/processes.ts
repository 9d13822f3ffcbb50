/** Child processes of the demo: started, and ended for sure. */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SERVER } from './messages.ts';

/** Time a child has to end by itself. */
const END_MS = 10_000;
/** Time the registry has to become healthy. */
const HEALTHY_MS = 15_000;

/** Starts another file of this folder, with a message channel. */
export function startExample(file: string, args: readonly string[]): ChildProcess {
  const path = fileURLToPath(new URL(file, import.meta.url));
  return spawn(process.execPath, ['--conditions=development', path, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
}

/** True if a registry answers. */
export async function registryAnswers(): Promise<boolean> {
  try {
    const response = await fetch(`http://${SERVER}/health/check`, { signal: AbortSignal.timeout(1000) });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  }
}

/** Starts a registry on the default ports, in memory. @throws when it does not become healthy */
export async function startRegistry(): Promise<ChildProcess> {
  const cli = fileURLToPath(new URL('../../packages/server/src/cli.js', import.meta.url));
  const args = ['--conditions=development', cli, 'start', '--memory'];
  // A group of its own: Ctrl-C must end the demo's processes before the registry they use.
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  let output = '';
  const keep = (text: Buffer): void => {
    output = (output + text.toString('utf8')).slice(-4000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const untilMs = performance.now() + HEALTHY_MS;
  while (!(await registryAnswers())) {
    if (child.exitCode !== null || performance.now() > untilMs) {
      child.kill('SIGKILL');
      throw new Error(`the registry did not start:\n${output}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return child;
}

/** Ends a child: by closing its message channel if it has one, else by SIGTERM; by SIGKILL if that takes too long. */
export async function endChild(child: ChildProcess): Promise<number | string | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
    if (child.connected) child.disconnect();
    else child.kill('SIGTERM');
    await gone;
    clearTimeout(timer);
  }
  return child.exitCode ?? child.signalCode;
}
