/** What an endpoint is. Files of a role each hold a list of them; `build-app.ts` puts the lists on the wire. */
import type { Static, TObject, TSchema } from 'typebox';
import type { Answer } from './answer.ts';

/** A request after its input was checked. */
export interface Input<Q, B> {
  /** Parts of the path. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: Q;
  /** The parsed body: JSON or form, by what the endpoint declares. */
  readonly body: B;
  /** `ip:port` of the caller, for the audit log. */
  readonly remote: string;
  /** Headers by which the caller shows another node who it is. */
  readonly credentials: Readonly<Record<string, string>>;
}

/** Kinds of body. none: whatever comes is ignored. */
export type BodyKind = 'none' | 'json' | 'form' | 'text';

/** Declaration of an endpoint. `C` is what its role offers it. */
export interface Endpoint<C> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Schema of the query string; unknown parameters are let through (the reference's clients send more than they need). */
  readonly query?: TObject;
  readonly bodyKind?: BodyKind;
  /** Schema of the body; a missing body is `undefined` before the check. */
  readonly body?: TSchema;
  /** Who may call it beside operators: open = anybody, operator = nobody else. Default: who may look (`http.reads`). */
  readonly access?: 'open' | 'operator';
  /** True: it changes something, so it needs the operator's right and is audited. */
  readonly changes?: true;
  /** What a change is about, as it is now: asked before and after it, for the audit. */
  readonly affects?: (context: C, input: Input<never, never>) => unknown;
  /**
   * Only the meta leader answers; other nodes hand the request to it. 'last-seen': a meta that cannot reach a leader answers with
   * what it last knew.
   */
  readonly leader?: true | 'last-seen';
  /** One sentence for `docs/http.md`. */
  readonly doc: string;
  readonly handle: (context: C, input: Input<never, never>) => Answer | Promise<Answer>;
}

/** Declares an endpoint whose handler knows the types of its input. */
export function endpoint<C, Q extends TObject = TObject, B extends TSchema = TSchema>(
  declared: Omit<Endpoint<C>, 'query' | 'body' | 'handle' | 'affects'> & {
    readonly query?: Q;
    readonly body?: B;
    readonly affects?: (context: C, input: Input<Static<Q>, Static<B>>) => unknown;
    readonly handle: (context: C, input: Input<Static<Q>, Static<B>>) => Answer | Promise<Answer>;
  },
): Endpoint<C> {
  return declared as unknown as Endpoint<C>;
}
