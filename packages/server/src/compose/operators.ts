/** Who may change something: tokens and the names of those who hold them. Compared in constant time. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** A token and whose it is. */
export interface Operator {
  readonly name: string;
  readonly token: string;
}

/** Operators of a process; more lines of a token file are a mistake. */
export const OPERATORS_MAX = 64;

/** Set of operators that may be replaced while the process runs. */
export class Operators {
  #known: readonly { readonly name: string; readonly digest: Buffer }[];

  constructor(operators: readonly Operator[]) {
    this.#known = operators.map(digested);
  }

  update(operators: readonly Operator[]): void {
    this.#known = operators.map(digested);
  }

  /** True when a token is configured. */
  get guarded(): boolean {
    return this.#known.length > 0;
  }

  /** Name of the operator whose token this is, or null. Takes as long for a wrong one as for a right one. */
  nameOf(token: string): string | null {
    const given = digest(token);
    let found: string | null = null;
    for (const { name, digest: known } of this.#known) if (timingSafeEqual(given, known)) found ??= name;
    return found;
  }
}

function digested({ name, token }: Operator): { readonly name: string; readonly digest: Buffer } {
  return { name, digest: digest(token) };
}

function digest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
