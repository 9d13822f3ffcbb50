/** Turns whatever a start can fail with into one line that says what to do. */
import { RuntimeError } from '@sofa-registry/runtime';
import { StoreError } from '@sofa-registry/store';
import { oneLine, ServerError } from '../errors.ts';
import type { Plan } from './plan.ts';

/** The failure as a {@link ServerError}; one that already is stays as it is. */
export function startFailure(error: unknown, plan: Plan): ServerError {
  if (error instanceof ServerError) return error;
  if (error instanceof RuntimeError && error.code === 'SR_NET_LISTEN') return portFailure(error, plan);
  if (error instanceof StoreError) return storeFailure(error, plan);
  return new ServerError('SR_START_FAILED', `start failed: ${oneLine(error)}`, error);
}

function portFailure(error: RuntimeError, plan: Plan): ServerError {
  const port = Number(/port (\d+)/.exec(error.message)?.[1]);
  const role = plan.roles.find(({ listen }) => listen.port === port)?.role;
  const key = role === undefined ? 'the role.port' : `${role}.port`;
  const what = error.message.replace(/^[^:]*: /, '');
  const advice = `is a registry running already (sofa-registry status)? Stop the program that has it, or choose another port with --set ${key}=<port>`;
  return new ServerError('SR_START_PORT', `${what}: ${advice}`, error);
}

const STORE_ADVICE: Readonly<Record<string, string>> = {
  SR_STORE_PATH: 'choose another with --data-dir, or keep nothing with --memory',
  SR_STORE_CORRUPT:
    'move it away to start empty (clients bring their registrations back by themselves; operator switches are lost), or restore a backup',
  SR_STORE_SCHEMA: 'start the release that wrote it, or give this one its own --data-dir or database',
  SR_STORE_CONFIG: 'correct --store, storeUser or the password',
};

function storeFailure(error: StoreError, plan: Plan): ServerError {
  const advice = STORE_ADVICE[error.code];
  const code = error.code === 'SR_STORE_PATH' ? 'SR_START_DATA_DIR' : 'SR_START_STORE';
  const where = error.message.includes(plan.dataDir) ? '' : ` (data directory ${plan.dataDir})`;
  const text = oneLine(error);
  return new ServerError(
    code,
    advice === undefined ? `${text}${where}` : `${text}${where}: ${advice}`,
    error,
  );
}
