/** What token files hold. Refusals name the file and the line, never what stands there. */
import { TOKEN_UNITS_MIN } from '../config/effective.ts';
import { ServerError } from '../errors.ts';
import { type Operator, OPERATORS_MAX } from './operators.ts';

/** Lines with their numbers; blank ones and comments are left out. */
function linesOf(text: string): { readonly words: readonly string[]; readonly line: number }[] {
  return text
    .split('\n')
    .map((line, i) => ({ words: line.trim().split(/\s+/), line: i + 1 }))
    .filter(({ words: [first] }) => first !== '' && !first.startsWith('#'));
}

function refuse(key: string, path: string, line: number, rule: string): never {
  throw new ServerError('SR_CONFIG_VALUE', `${key} = ${path}, line ${line}: it must be ${rule}`);
}

/** Tokens of a cluster, the one in use first. @throws SR_CONFIG_VALUE */
export function clusterTokensIn(text: string, path: string): string[] {
  const tokens = linesOf(text).map(({ words, line }) => {
    if (words.length !== 1 || words[0].length < TOKEN_UNITS_MIN)
      refuse('clusterTokenFile', path, line, `one word of at least ${TOKEN_UNITS_MIN} characters`);
    return words[0];
  });
  if (tokens.length === 0) refuse('clusterTokenFile', path, 1, 'a token');
  return tokens;
}

/** Operators of a token file. @throws SR_CONFIG_VALUE */
export function operatorsIn(text: string, path: string): Operator[] {
  const operators = linesOf(text).map(({ words, line }) => {
    const token = words.at(-1) ?? '';
    if (words.length > 2 || token.length < TOKEN_UNITS_MIN)
      refuse(
        'operatorTokenFile',
        path,
        line,
        `a token of at least ${TOKEN_UNITS_MIN} characters, after a name or alone`,
      );
    return { name: words.length === 2 ? words[0] : 'operator', token };
  });
  if (operators.length === 0) refuse('operatorTokenFile', path, 1, 'a token');
  if (operators.length > OPERATORS_MAX)
    refuse('operatorTokenFile', path, OPERATORS_MAX + 1, `one of at most ${OPERATORS_MAX} tokens`);
  return operators;
}
