/** The processes that `start --processes N` runs: same command line, each with ports of its own. Pure but for its own path. */
import { isIP } from 'node:net';
import { formatAddress, parseAddress } from '@sofa-registry/model';
import { logFormOf } from '../compose/log-form.ts';
import type { Config } from '../config/effective.ts';
import { commandOfStart } from './start-command.ts';

/** One of them. */
export interface PlannedProcess {
  /** `session-2`, `data+session-1`: names it in the log. */
  readonly name: string;
  /** Program and arguments. */
  readonly command: readonly string[];
}

/**
 * Plans the processes. The first has the configured ports, the next the same plus `processPortStep`, and so on; port 0 stays 0.
 * @param args what followed `start` on the command line; later `--set` values win over it, the environment and the file
 */
export function planProcesses(config: Config, args: readonly string[]): PlannedProcess[] {
  const roles = config.list('roles');
  const step = config.number('processPortStep');
  const { level, format } = logFormOf(config);
  return Array.from({ length: config.number('processes') }, (_, i) => {
    const sets = ['processes=1', `log.level=${level}`, `log.format=${format}`];
    for (const role of roles as ('data' | 'session')[]) {
      for (const key of [`${role}.port`, `${role}.httpPort`] as const) {
        const port = config.number(key);
        sets.push(`${key}=${port === 0 ? 0 : port + i * step}`);
      }
      for (const key of [`${role}.advertise`, `${role}.httpAdvertise`] as const) {
        const advertised = config.text(key);
        if (i > 0 && advertised !== '') sets.push(`${key}=${shifted(advertised, i * step)}`);
      }
    }
    const audit = config.text('audit.file');
    if (i > 0 && audit !== '') sets.push(`audit.file=${audit}-${i + 1}`);
    return {
      name: `${roles.join('+')}-${i + 1}`,
      command: [...commandOfStart(), ...args, ...sets.flatMap((set) => ['--set', set])],
    };
  });
}

/** `host:port` with a higher port; a host alone as it is. */
function shifted(advertised: string, by: number): string {
  const whole = isIP(advertised) === 0 ? parseAddress(advertised) : null;
  return whole === null ? advertised : formatAddress(whole.host, whole.port + by);
}
