/** The rule of the operator documents, as the endpoints apply it. */
import { docRefusal } from '@sofa-registry/meta';
import { ServerError } from '../../errors.ts';

/** @throws SR_HTTP_INPUT with the rule for a value that the document may not hold */
export function checkDoc(key: string, value: string): void {
  const refusal = docRefusal(key, value);
  if (refusal !== '') throw new ServerError('SR_HTTP_INPUT', refusal);
}
