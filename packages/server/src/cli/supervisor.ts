/**
 * Runs the processes of `start --processes N` as children: one log stream, restarts with jittered back-off, one shutdown.
 * A process that cannot start at all (exit code 1 before it ever served: a taken port, a bad setting) ends the whole; one that
 * had served, crashed or was killed is started again for ever.
 */
import type { ChildProcess } from 'node:child_process';
import { Backoff, type Logger, type Random } from '@sofa-registry/runtime';
import { startChild } from './child-node.ts';
import { copyLines, type LineSink } from './labelled-lines.ts';
import type { PlannedProcess } from './process-plan.ts';
import { SERVING } from './serving.ts';

/** First and longest wait before a process is started again, ms. */
const RESTART_MS = 500;
const RESTART_MS_MAX = 30_000;
/** A process that served for so long starts again after the first wait, ms. */
const STEADY_MS = 60_000;
/** Exit code of a start that failed and would fail again. */
const START_FAILED = 1;

/** What the supervisor needs. */
export interface SupervisorPorts {
  readonly logger: Logger;
  readonly random: Random;
  readonly stdout: LineSink;
  readonly stderr: LineSink;
  /** A child that has not ended so long after it was told is killed, ms. */
  readonly killAfterMs: number;
}

interface Place {
  readonly planned: PlannedProcess;
  readonly backoff: Backoff;
  child: ChildProcess | null;
  /** True once one process of this place has served. */
  served: boolean;
  /** When the present one began to serve, monotonic; Infinity before. */
  servesSinceMs: number;
  retry: NodeJS.Timeout | null;
}

/** See above. */
export class Supervisor {
  /** Resolves with the exit code for this process when all children have ended for good. */
  readonly ended: Promise<number>;
  readonly #ports: SupervisorPorts;
  readonly #places: Place[];
  readonly #end = Promise.withResolvers<number>();
  #stopping = false;
  #exitCode = 0;

  constructor(processes: readonly PlannedProcess[], ports: SupervisorPorts) {
    this.#ports = ports;
    this.ended = this.#end.promise;
    this.#places = processes.map((planned) => ({
      planned,
      backoff: new Backoff(ports.random, { baseMs: RESTART_MS, maxMs: RESTART_MS_MAX }),
      child: null,
      served: false,
      servesSinceMs: Infinity,
      retry: null,
    }));
  }

  /** Starts all. */
  start(): void {
    for (const place of this.#places) this.#spawn(place);
  }

  /**
   * Tells every process to drain and end, all in the same moment: then none hands clients or slots to a sibling that leaves
   * next. The first call also sets the deadline after which those that still run are killed.
   */
  stop(signal: NodeJS.Signals): void {
    for (const { child } of this.#places) child?.kill(signal);
    if (this.#stopping) return;
    this.#stopping = true;
    for (const place of this.#places) {
      if (place.retry !== null) clearTimeout(place.retry);
      place.retry = null;
    }
    setTimeout(() => this.#killLate(), this.#ports.killAfterMs).unref();
    this.#endIfAllHave();
  }

  #spawn(place: Place): void {
    place.retry = null;
    place.servesSinceMs = Infinity;
    const { name, command } = place.planned;
    const child = startChild(command, 'pipe', 'pipe', 'ipc');
    place.child = child;
    if (child.stdout !== null) copyLines(name, child.stdout, this.#ports.stdout);
    if (child.stderr !== null) copyLines(name, child.stderr, this.#ports.stderr);
    child.on('message', (message) => {
      if (message !== SERVING) return;
      place.served = true;
      place.servesSinceMs = performance.now();
    });
    let over = false;
    const ended = (code: number | null, how: string): void => {
      if (over) return;
      over = true;
      place.child = null;
      this.#ended(place, code, how);
    };
    child.once('error', (error) => ended(null, error.message));
    child.once('close', (code, signal) => ended(code, signal ?? `code ${code}`));
  }

  #ended(place: Place, code: number | null, how: string): void {
    const { name } = place.planned;
    if (this.#stopping) {
      if (code !== 0) this.#note(code ?? 1, name, how);
      this.#endIfAllHave();
      return;
    }
    if (code === START_FAILED && !place.served) {
      this.#note(code, name, how);
      this.stop('SIGTERM');
      return;
    }
    if (performance.now() - place.servesSinceMs >= STEADY_MS) place.backoff.reset();
    const waitMs = Math.round(place.backoff.nextMs());
    this.#ports.logger.error('a process ended and starts again', { of: name, how, inMs: waitMs });
    place.retry = setTimeout(() => this.#spawn(place), waitMs);
  }

  /** The first failure is the exit code of all. */
  #note(code: number, name: string, how: string): void {
    this.#exitCode ||= code;
    this.#ports.logger.error('a process did not end cleanly', { of: name, how });
  }

  #killLate(): void {
    for (const { child, planned } of this.#places) {
      if (child === null) continue;
      this.#ports.logger.error('a process did not end in time, it is killed', { of: planned.name });
      child.kill('SIGKILL');
    }
  }

  #endIfAllHave(): void {
    if (this.#places.every(({ child }) => child === null)) this.#end.resolve(this.#exitCode);
  }
}
