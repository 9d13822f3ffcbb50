/** What the processes of the demo tell one another, over the channel Node opens between parent and child. */

/** Where the demo looks for a registry: the HTTP port of a session. */
export const SERVER = '127.0.0.1:9603';
/** The service of the demo. */
export const DATA_ID = 'demo.Greeting:1.0';

/** A provider process to the demo. `atMs` is {@link nowMs} right before the call that publishes. */
export type FromProvider = { readonly type: 'published'; readonly url: string; readonly atMs: number };
/** The demo to a provider process. */
export type ToProvider = { readonly type: 'republish' };

/** One provider as the consumer sees it. */
export interface Row {
  readonly url: string;
  /** Name the provider gave in its answer; '' if there was none. */
  readonly name: string;
  /** Answers so far. */
  readonly answers: number;
  /** Duration of the last call, or why there was no answer. */
  readonly last: string;
}

/** The consumer process to the demo. */
export type FromConsumer =
  | {
      readonly type: 'list';
      readonly version: number;
      readonly urls: readonly string[];
      readonly atMs: number;
    }
  | {
      readonly type: 'rows';
      readonly rows: readonly Row[];
      readonly listAgeMs: number;
      readonly state: string;
    };

/** Milliseconds since 1970 with fractions, the same for all processes of this machine. */
export function nowMs(): number {
  return performance.timeOrigin + performance.now();
}
