/** Public surface of `sofa-registry`: the composition root, for programs that embed a registry. */
export { banner } from './compose/banner.ts';
export { localFirstNetwork, type LocalFirstOptions } from './compose/local-first-network.ts';
export { makePlan, type Plan, type RolePlan, type StorePlan } from './compose/plan.ts';
export { Registry } from './compose/registry.ts';
export { Config, type ConfigInput, loadConfig } from './config/effective.ts';
export { type Setting, type SettingSpec } from './config/setting.ts';
export { REFERENCE_KEYS, SETTINGS } from './config/settings.ts';
export { SERVER_ERRORS, ServerError, type ServerErrorCode } from './errors.ts';
export { VERSION } from './version.ts';
