/** A temporary publication: sent once over the present connection, never again (F027). */
import type { RpcError, ReplyHandler } from '@sofa-registry/runtime';
import { CODEC_PROTOBUF, decodeRegisterResponsePb, type Frame } from '@sofa-registry/wire';
import { RegistryClientError, textOf } from './errors.ts';
import { REGISTER_TIMEOUT_MS } from './limits.ts';
import { type ClientIdentity, type Registration, registrationMessage } from './registration.ts';
import type { SessionLink } from './session-link.ts';

/**
 * Resolves when the session has taken it.
 * @throws RegistryClientError SR_CLIENT_UNREACHABLE without a connection, SR_CLIENT_REFUSED, SR_CLIENT_NOT_ACKED
 */
export async function sendTemporary(
  link: SessionLink | null,
  registration: Registration,
  identity: ClientIdentity,
): Promise<void> {
  const { dataInfoId } = registration.key;
  if (link === null) throw new RegistryClientError('SR_CLIENT_UNREACHABLE', `temporary ${dataInfoId}`);
  // A reference session would acknowledge the event type and do nothing.
  if (link.welcome === null)
    throw new RegistryClientError('SR_CLIENT_REFUSED', `${dataInfoId}: no temporary publications there`);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (reason: string): void =>
    reject(new RegistryClientError('SR_CLIENT_NOT_ACKED', `${dataInfoId}: ${reason}`));
  const done: ReplyHandler<null> = {
    reply: (_token, frame: Frame) => {
      try {
        const { success, refused, message } = decodeRegisterResponsePb(frame.content);
        if (refused) reject(new RegistryClientError('SR_CLIENT_REFUSED', `${dataInfoId}: ${message}`));
        else if (success) resolve();
        else failed(message || 'success=false');
      } catch (error) {
        failed(textOf(error));
      }
    },
    failed: (_token, error: RpcError) => failed(textOf(error)),
  };
  const { className, content } = registrationMessage(registration, identity, false);
  link.request(className, CODEC_PROTOBUF, content, REGISTER_TIMEOUT_MS, done, null);
  await promise;
}
