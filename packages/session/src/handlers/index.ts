/** The table of client messages a session answers (wire 2.1). Anything else gets status 0x0002 with empty content. */
import * as names from '@sofa-registry/wire';
import { BoltStatus, type Frame, WireError } from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import { clientHello } from './client-hello.ts';
import type { ClientHandler, HandlerContext } from './handler.ts';
import { getRevisions, metaHeartbeat, metaRegister, serviceAppMapping } from './metadata.ts';
import * as registrations from './registrations.ts';
import { syncConfigRequest, syncConfigRequestPb } from './sync-config.ts';

export const CLIENT_HANDLERS: ReadonlyMap<string, ClientHandler> = new Map<string, ClientHandler>([
  [names.PUBLISHER_REGISTER, registrations.publisherRegister],
  [names.SUBSCRIBER_REGISTER, registrations.subscriberRegister],
  [names.CONFIGURATOR_REGISTER, registrations.configuratorRegister],
  [names.SYNC_CONFIG_REQUEST, syncConfigRequest],
  [names.PUBLISHER_REGISTER_PB, registrations.publisherRegisterPb],
  [names.SUBSCRIBER_REGISTER_PB, registrations.subscriberRegisterPb],
  [names.SYNC_CONFIG_REQUEST_PB, syncConfigRequestPb],
  [names.META_REGISTER, metaRegister],
  [names.SERVICE_APP_MAPPING_REQUEST, serviceAppMapping],
  [names.GET_REVISIONS_REQUEST, getRevisions],
  [names.META_HEARTBEAT_REQUEST, metaHeartbeat],
  [names.ClientHello.className, clientHello],
]);

/** Handles one request of a client. Hot path. */
export function dispatch(context: HandlerContext, connection: ClientConnection, frame: Frame): void {
  const handler = CLIENT_HANDLERS.get(frame.className);
  if (handler === undefined) {
    context.metrics.bad.unknownClass.value++;
    connection.channel.respondError(frame, BoltStatus.serverException);
    return;
  }
  if (frame.codec !== handler.codec) {
    context.metrics.bad.undecodable.value++;
    connection.channel.respondError(frame, BoltStatus.serverDeserialException);
    return;
  }
  try {
    handler.handle(context, connection, frame);
  } catch (error) {
    if (!(error instanceof WireError)) throw error;
    const status =
      error.answer === 'serialException'
        ? BoltStatus.serverSerialException
        : BoltStatus.serverDeserialException;
    context.metrics.bad.undecodable.value++;
    connection.channel.respondError(frame, status);
  }
}
