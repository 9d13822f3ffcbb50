/** One role of the process as its HTTP surface and the stop sequence see it. */
import type { DataServer } from '@sofa-registry/data';
import type { MetaServer } from '@sofa-registry/meta';
import type { MetricSet } from '@sofa-registry/runtime';
import type { SessionServer } from '@sofa-registry/session';
import type { AuditLog } from '../http/audit.ts';
import type { Gate } from '../http/gate.ts';
import type { Plan, RolePlan } from './plan.ts';
import type { Secrets } from './secrets.ts';

/** A role and its tier. */
export type RunningRole = {
  readonly plan: RolePlan;
  /** True once the tier's start has finished. */
  started: boolean;
} & (
  | { readonly role: 'meta'; readonly tier: MetaServer }
  | { readonly role: 'data'; readonly tier: DataServer }
  | { readonly role: 'session'; readonly tier: SessionServer }
);

/** What all roles of the process share. */
export interface ProcessContext {
  readonly plan: Plan;
  readonly secrets: Secrets;
  readonly gate: Gate;
  readonly audit: AuditLog;
  /** Metric sets of the process beside those of the tiers. */
  readonly metrics: readonly MetricSet[];
  /** Every role of this process. */
  readonly roles: readonly RunningRole[];
  /** Milliseconds since 1970 when the process started. */
  readonly startedMs: number;
  /** True while the process stops. */
  readonly stopping: () => boolean;
}
