/** PublisherRegister, SubscriberRegister, ConfiguratorRegister and their protobuf twins (wire 2.1). Hot path. */
import {
  type BaseRegister,
  BoltStatus,
  classNameBytes,
  CODEC_HESSIAN,
  CODEC_PROTOBUF,
  decodeConfiguratorRegister,
  decodePublisherRegister,
  decodePublisherRegisterPb,
  decodeSubscriberRegister,
  decodeSubscriberRegisterPb,
  encodeRegisterResponse,
  encodeRegisterResponsePb,
  type Frame,
  REGISTER_RESPONSE,
  REGISTER_RESPONSE_PB,
} from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import { notNow, type Refused, type Verdict } from '../registry/registration-kind.ts';
import type { ClientHandler, HandlerContext } from './handler.ts';

const RESPONSE = classNameBytes(REGISTER_RESPONSE);
const RESPONSE_PB = classNameBytes(REGISTER_RESPONSE_PB);

/**
 * Answers a registration. `version` and `registId` are the request's own, bit for bit (wire 4.2). A client repeats what was answered
 * success=false, for ever; only after success=true with refused=true it gives up.
 */
function answer(
  connection: ClientConnection,
  frame: Frame,
  request: BaseRegister,
  kind: string,
  verdict: Verdict,
  pb: boolean,
): void {
  const verb = request.eventType === 'UNREGISTER' ? 'unregister' : 'register';
  const response = {
    success: verdict === null || verdict.forGood,
    registId: request.registId,
    version: request.version ?? 0,
    refused: verdict?.forGood === true,
    message: verdict === null ? `${kind} ${verb} success!` : `${kind} ${verb} failed: ${verdict.reason}`,
  };
  if (pb) connection.channel.respond(frame, RESPONSE_PB, encodeRegisterResponsePb(response));
  else connection.channel.respond(frame, RESPONSE, encodeRegisterResponse(response));
}

/** A refusal that will be the same the next time. Whoever runs the registry is told once, with names. */
function note(
  context: HandlerContext,
  connection: ClientConnection,
  request: BaseRegister,
  { reason, forGood }: Refused,
): void {
  const refused = {
    dataId: request.dataId ?? '',
    group: request.group ?? '',
    registerId: request.registId ?? '',
    appName: request.appName ?? '',
    clientAddress: connection.address,
    reason,
  };
  const news = context.refusals.note(refused, context.clock.monoMs());
  if (news === null) return;
  context.logger.warn(
    forGood ? 'a registration is refused for good' : 'a registration is refused, its client will repeat it',
    news,
  );
}

function checked(
  context: HandlerContext,
  connection: ClientConnection,
  request: BaseRegister,
  verdict: Verdict,
): Verdict {
  if (verdict !== null) note(context, connection, request, verdict);
  return verdict;
}

/** Takes a token; over the limit the client is told to come again (session.md 4). */
function limited(context: HandlerContext): Verdict {
  if (context.accessRate.take(context.clock.monoMs())) return null;
  context.metrics.refused.rate.value++;
  return notNow('too many registrations per second, try again');
}

function publisher(pb: boolean): ClientHandler {
  const decode = pb ? decodePublisherRegisterPb : decodePublisherRegister;
  return {
    codec: pb ? CODEC_PROTOBUF : CODEC_HESSIAN,
    handle(context, connection, frame) {
      const message = decode(frame.content);
      const verdict =
        limited(context) ??
        checked(context, connection, message, context.registry.publisher(connection, message));
      answer(connection, frame, message, 'Publisher', verdict, pb);
    },
  };
}

function subscriber(pb: boolean): ClientHandler {
  const decode = pb ? decodeSubscriberRegisterPb : decodeSubscriberRegister;
  return {
    codec: pb ? CODEC_PROTOBUF : CODEC_HESSIAN,
    handle(context, connection, frame) {
      const message = decode(frame.content);
      if (!pb && message.acceptMulti && message.scope !== 'global') {
        context.metrics.bad.unsupported.value++;
        connection.channel.respondError(frame, BoltStatus.serverException);
        return;
      }
      // From here on every push of the connection is protobuf (wire 2.2).
      if (pb) connection.pb = true;
      const verdict =
        limited(context) ??
        checked(context, connection, message, context.registry.subscriber(connection, message));
      answer(connection, frame, message, 'Subscriber', verdict, pb);
    },
  };
}

export const publisherRegister = publisher(false);
export const publisherRegisterPb = publisher(true);
export const subscriberRegister = subscriber(false);
export const subscriberRegisterPb = subscriber(true);

export const configuratorRegister: ClientHandler = {
  codec: CODEC_HESSIAN,
  handle(context, connection, frame) {
    const message = decodeConfiguratorRegister(frame.content);
    const verdict =
      limited(context) ??
      checked(context, connection, message, context.registry.watcher(connection, message));
    answer(connection, frame, message, 'Configurator', verdict, false);
  },
};
