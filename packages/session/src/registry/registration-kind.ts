/** What publishers, subscribers and watchers have each of their own; the checks they share are the registry's. Hot path. */
import type { Use } from '@sofa-registry/model';
import type { BaseRegister } from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import type { ServiceEntry } from './service-entry.ts';
import type { Held } from './version-rule.ts';

/** Event type of what stays registered. */
export const EVENT_REGISTER = 'REGISTER';

/** A registration that was not taken. */
export interface Refused {
  readonly reason: string;
  /** True if it can never be taken, whatever changes here: its client must not send it again (F226). */
  readonly forGood: boolean;
}

/** Null = accepted. */
export type Verdict = Refused | null;

/** It may be taken another time. */
export function notNow(reason: string): Refused {
  return { reason, forGood: false };
}

/** One kind of registration. */
export interface RegistrationKind<H extends Held, M extends BaseRegister> {
  /** In metrics. */
  readonly name: 'publisher' | 'subscriber' | 'watcher';
  /** Event type that registers it. */
  readonly event: string;
  /** What operators may forbid of it; null = nothing. */
  readonly use: Use | null;
  /** A message without a version is refused. */
  readonly versionNeeded: boolean;
  /** What is held with this registerId. */
  held(service: ServiceEntry, registerId: string): H | undefined;
  /** Connection that it came by; null once that is gone. */
  owner(held: H): ClientConnection | null;
  /** Undefined = it may be stored; else the answer to one that is not. */
  answerUnstored(message: M): Verdict | undefined;
  /** Stores a registration that is newer than what is held. */
  put(
    connection: ClientConnection,
    message: M,
    service: ServiceEntry,
    version: number,
    stamp: number,
    held: H | undefined,
  ): void;
  /** Removes it, on the client's word or an operator's. */
  remove(
    service: ServiceEntry,
    registerId: string,
    version: number,
    stamp: number,
    held: H | undefined,
  ): void;
}

/** The text, or a value in place of nothing. */
export function orDefault(text: string | null, value: string): string {
  return text === null || text === '' || text.trim() === '' ? value : text;
}

/** The attributes; null when there are none. */
export function attributesOf(message: BaseRegister): ReadonlyMap<string, string> | null {
  return message.attributes === null || message.attributes.size === 0 ? null : message.attributes;
}
