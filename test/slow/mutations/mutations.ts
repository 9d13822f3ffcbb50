/**
 * Deliberate bugs: each is one replacement in one source file of a tier, made while the module is loaded in a worker of its own.
 * Production code carries no switches. The simulator must find every one of them (docs/simulation.md has the table, which a test compares).
 */

import { DATA_MUTATIONS } from './data-mutations.ts';
import { META_MUTATIONS } from './meta-mutations.ts';
import { SESSION_MUTATIONS } from './session-mutations.ts';
import type { Trial } from './trials.ts';

/** One bug. */
export interface Mutation {
  readonly name: string;
  /** What it breaks, for people. */
  readonly what: string;
  /** Below packages/. */
  readonly file: string;
  /** Must occur exactly once in the file. */
  readonly find: string;
  readonly replace: string;
  /** The invariant that it breaks first in that trial. */
  readonly breaks: string;
  /** The seed or scenario that finds it. */
  readonly caughtBy: Trial;
}

/** All of them. */
export const MUTATIONS: readonly Mutation[] = [...DATA_MUTATIONS, ...SESSION_MUTATIONS, ...META_MUTATIONS];
