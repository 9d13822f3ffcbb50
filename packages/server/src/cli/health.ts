/** `sofa-registry health`: the probe of containers and supervisors, which needs neither a shell nor another program. */
import { oneLine } from '../errors.ts';
import { type ConfigFlags, configOf } from './config-flags.ts';
import { ask } from './http-client.ts';
import { ownNodes } from './own-nodes.ts';

/** Flags of the command. */
export interface HealthFlags extends ConfigFlags {
  readonly ready?: boolean;
}

/** Asks every node that this configuration starts; exit code 1 when one does not answer, or is not ready and that was asked. */
export async function health(flags: HealthFlags): Promise<void> {
  const nodes = await ownNodes(await configOf(flags, process.env), 'required');
  const path = flags.ready === true ? '/health/ready' : '/health/live';
  const answers = await Promise.all(
    nodes.map(({ server }) =>
      ask(server, path).then(
        () => 'ok',
        (error: unknown) => oneLine(error),
      ),
    ),
  );
  if (answers.some((answer) => answer !== 'ok')) process.exitCode = 1;
  process.stdout.write(nodes.map(({ role, server }, i) => `${role} ${server}: ${answers[i]}\n`).join(''));
}
