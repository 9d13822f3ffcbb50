/** Application-level discovery (wire 5 "App-discovery handlers"): status 200, 404 for what is unknown. */
import { versionToWire } from '@sofa-registry/model';
import {
  type AppList,
  BoltStatus,
  CODEC_PROTOBUF,
  decodeGetRevisionsRequest,
  decodeMetaHeartbeatRequest,
  decodeMetaRegister,
  decodeServiceAppMappingRequest,
  encodeGetRevisionsResponse,
  encodeMetaHeartbeatResponse,
  encodeRegisterResponsePb,
  encodeServiceAppMappingResponse,
  GET_REVISIONS_RESPONSE,
  META_HEARTBEAT_RESPONSE,
  type MetaRegister,
  REGISTER_RESPONSE_PB,
  SERVICE_APP_MAPPING_RESPONSE,
} from '@sofa-registry/wire';
import type { ClientHandler } from './handler.ts';

const OK = 200;
const NOT_FOUND = 404;

export const metaRegister: ClientHandler = {
  codec: CODEC_PROTOBUF,
  handle(context, connection, frame) {
    const message = decodeMetaRegister(frame.content);
    const valid = message.application.trim() !== '' && message.revision.trim() !== '';
    if (valid) context.metadata.register(message);
    else context.metrics.refused.invalid.value++;
    const response = {
      success: valid,
      registId: '',
      version: 0,
      refused: false,
      message: valid
        ? 'app revision register success!'
        : 'app revision register failed: application or revision is blank',
    };
    connection.channel.respond(frame, REGISTER_RESPONSE_PB, encodeRegisterResponsePb(response));
  },
};

export const serviceAppMapping: ClientHandler = {
  codec: CODEC_PROTOBUF,
  handle(context, connection, frame) {
    const { serviceIds } = decodeServiceAppMappingRequest(frame.content);
    if (serviceIds.length === 0) {
      context.metrics.bad.unsupported.value++;
      connection.channel.respondError(frame, BoltStatus.serverException);
      return;
    }
    const allowed = context.pushSwitch.allowed(connection.host);
    const serviceAppMapping = new Map<string, AppList>();
    for (const service of allowed ? serviceIds : []) {
      const known = context.metadata.appsOf(service);
      serviceAppMapping.set(
        service,
        known === undefined
          ? { version: -1, apps: [] }
          : { version: versionToWire(known.version), apps: [...known.apps] },
      );
    }
    const message = allowed ? '' : 'push is stopped';
    const content = encodeServiceAppMappingResponse({
      serviceAppMapping,
      statusCode: allowed ? OK : NOT_FOUND,
      message,
    });
    connection.channel.respond(frame, SERVICE_APP_MAPPING_RESPONSE, content);
  },
};

export const getRevisions: ClientHandler = {
  codec: CODEC_PROTOBUF,
  handle(context, connection, frame) {
    const request = decodeGetRevisionsRequest(frame.content);
    if (request.revisions.length === 0) {
      context.metrics.bad.unsupported.value++;
      connection.channel.respondError(frame, BoltStatus.serverException);
      return;
    }
    const revisions = new Map<string, MetaRegister>();
    const missing: string[] = [];
    for (const id of request.revisions) {
      const known = context.metadata.revision(id);
      if (known === undefined) missing.push(id);
      else revisions.set(id, { ...known, clientVersion: '' });
    }
    const message = missing.length === 0 ? '' : `query revision not found, ${missing.slice(0, 16).join(',')}`;
    const statusCode = missing.length === 0 ? OK : NOT_FOUND;
    const content = encodeGetRevisionsResponse({ revisions, statusCode, message });
    connection.channel.respond(frame, GET_REVISIONS_RESPONSE, content);
  },
};

export const metaHeartbeat: ClientHandler = {
  codec: CODEC_PROTOBUF,
  handle(context, connection, frame) {
    const { revisions } = decodeMetaHeartbeatRequest(frame.content);
    if (revisions.length === 0) {
      context.metrics.bad.unsupported.value++;
      connection.channel.respondError(frame, BoltStatus.serverException);
      return;
    }
    const unknown = context.metadata.heartbeat(revisions);
    const statusCode = unknown.length === 0 ? OK : NOT_FOUND;
    const message = unknown.length === 0 ? '' : `revision not found, ${unknown.slice(0, 16).join(',')}`;
    connection.channel.respond(
      frame,
      META_HEARTBEAT_RESPONSE,
      encodeMetaHeartbeatResponse({ statusCode, message }),
    );
  },
};
