/** SyncConfigRequest and its protobuf twin (wire 3.3): names the segment of our pushes, or clients would hide them. */
import {
  CODEC_HESSIAN,
  CODEC_PROTOBUF,
  decodeSyncConfigRequest,
  decodeSyncConfigRequestPb,
  encodeSyncConfigResponse,
  encodeSyncConfigResponsePb,
  SYNC_CONFIG_RESPONSE,
  SYNC_CONFIG_RESPONSE_PB,
} from '@sofa-registry/wire';
import type { ClientHandler } from './handler.ts';

function syncConfig(pb: boolean): ClientHandler {
  return {
    codec: pb ? CODEC_PROTOBUF : CODEC_HESSIAN,
    handle(context, connection, frame) {
      if (pb) decodeSyncConfigRequestPb(frame.content);
      else decodeSyncConfigRequest(frame.content);
      const response = {
        success: true,
        message: null,
        availableSegments: [context.dataCenter],
        retryIntervalMs: 0,
      };
      if (pb)
        connection.channel.respond(frame, SYNC_CONFIG_RESPONSE_PB, encodeSyncConfigResponsePb(response));
      else connection.channel.respond(frame, SYNC_CONFIG_RESPONSE, encodeSyncConfigResponse(response));
    },
  };
}

export const syncConfigRequest = syncConfig(false);
export const syncConfigRequestPb = syncConfig(true);
