/** Starts a node as a child of this process: of `cluster`, and of `start --processes N`. */
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process';

/**
 * Starts it in a process group of its own: a Ctrl-C reaches the parent alone, which stops its children in order. Its standard input is
 * a pipe that ends with the parent, and the node with it.
 * @param rest where its output goes, and further channels
 */
export function startChild(
  command: readonly string[],
  ...rest: Extract<StdioOptions, unknown[]>
): ChildProcess {
  const [program, ...args] = command;
  return spawn(program, [...args, '--until-stdin-ends'], { stdio: ['pipe', ...rest], detached: true });
}
