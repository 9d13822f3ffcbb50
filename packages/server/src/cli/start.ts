/** `sofa-registry start`: runs the roles until a signal comes, in this process or in several. */
import { banner } from '../compose/banner.ts';
import { logFormOf } from '../compose/log-form.ts';
import { makePlan } from '../compose/plan.ts';
import { Registry } from '../compose/registry.ts';
import { trimHeapSoon } from '../compose/trim-heap.ts';
import type { Config } from '../config/effective.ts';
import { oneLine } from '../errors.ts';
import { type ConfigFlags, configOf } from './config-flags.ts';
import { SERVING } from './serving.ts';

/** Time a child has to end beyond its own `stopMs` before it is killed, ms. */
const KILL_MARGIN_MS = 5_000;

/** Flags of the command. */
export interface StartFlags extends ConfigFlags {
  /** Set by `cluster` and the supervisor: the end of the standard input is the end of its parent. */
  readonly untilStdinEnds?: boolean;
}

/** Starts and keeps running. @throws ServerError when the start fails; what had started is closed again */
export async function start(flags: StartFlags): Promise<void> {
  const config = await configOf(flags, process.env);
  if (config.number('processes') > 1) return supervise(config);
  const registry = new Registry(await makePlan(config, process.env), config);
  handleSignals(registry);
  handleCrashes(registry);
  if (flags.untilStdinEnds === true)
    process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume();
  await registry.start();
  if (registry.stopping) return;
  process.send?.(SERVING);
  trimHeapSoon(() => registry.stopping || registry.clients > 0);
  process.stdout.write(
    banner(registry.plan, registry.secrets, registry.storeAddress, Math.round(process.uptime() * 1000)),
  );
}

/** Runs the roles in several processes and ends as they end. */
async function supervise(config: Config): Promise<void> {
  const { planProcesses } = await import('./process-plan.ts');
  const { Supervisor } = await import('./supervisor.ts');
  const { nodeRandom, pinoLogger } = await import('@sofa-registry/runtime/node');
  const { level, format } = logFormOf(config);
  const log = {
    level,
    format: format === 'text' ? 'pretty' : 'json',
    fields: { process: 'supervisor' },
  } as const;
  const supervisor = new Supervisor(planProcesses(config, process.argv.slice(3)), {
    logger: pinoLogger(log),
    random: nodeRandom(),
    stdout: process.stdout,
    stderr: process.stderr,
    killAfterMs: config.number('stopMs') + KILL_MARGIN_MS,
  });
  process.on('SIGINT', (signal) => supervisor.stop(signal));
  process.on('SIGTERM', (signal) => supervisor.stop(signal));
  supervisor.start();
  process.exit(await supervisor.ended);
}

/** First signal: drain and exit 0. Second: exit at once. */
function handleSignals(registry: Registry): void {
  let signals = 0;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (++signals > 1) process.exit(signal === 'SIGINT' ? 130 : 143);
    process.stderr.write(`\n${signal}: draining; once more exits at once\n`);
    registry.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`sofa-registry: ${oneLine(error)}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
}

/** A bug must not leave a half-alive node behind: it says so and leaves; clients and peers move on. */
function handleCrashes(registry: Registry): void {
  const onCrash = (error: unknown): void => {
    const stack = error instanceof Error ? error.stack : String(error);
    if (registry.logger === null) process.stderr.write(`sofa-registry: ${stack}\n`);
    else registry.logger.error('crashed', { error: stack });
    process.exit(70);
  };
  process.on('uncaughtException', onCrash);
  process.on('unhandledRejection', onCrash);
}
