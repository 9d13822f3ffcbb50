/** sr.ClientHello of our own SDK (wire internal/client-link). */
import { CODEC_INTERNAL } from '@sofa-registry/wire';
import type { ClientHandler } from './handler.ts';

export const clientHello: ClientHandler = {
  codec: CODEC_INTERNAL,
  handle(context, connection, frame) {
    context.welcome(connection, frame);
  },
};
