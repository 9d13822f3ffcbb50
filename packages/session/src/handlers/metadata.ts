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
  type Frame,
  GET_REVISIONS_RESPONSE,
  META_HEARTBEAT_RESPONSE,
  type MetaRegister,
  REGISTER_RESPONSE_PB,
  REVISION_ID_UNITS_MAX,
  SERVICE_APP_MAPPING_RESPONSE,
} from '@sofa-registry/wire';
import type { ClientConnection } from '../client-connection.ts';
import type { ClientHandler, HandlerContext } from './handler.ts';

const EMPTY = Buffer.alloc(0);

const OK = 200;
const NOT_FOUND = 404;
const FAILED = 500;
/** Ids of one request; a request with more is answered with an error. */
const IDS_MAX = 1024;
/** Longest revision, bytes: what the stores of meta hold. */
const REVISION_BYTES_MAX = 1_000_000;
/** Ids named in a message. */
const NAMED_MAX = 16;

/** Lets the bytes of a request go while its answer is waited for. */
function headOf(frame: Frame): Frame {
  return { ...frame, header: EMPTY, content: EMPTY };
}

/** True if there are none or too many ids; the client has its answer then. */
function badIds(
  context: HandlerContext,
  connection: ClientConnection,
  frame: Frame,
  ids: readonly string[],
): boolean {
  if (ids.length > 0 && ids.length <= IDS_MAX) return false;
  context.metrics.bad.unsupported.value++;
  connection.channel.respondError(frame, BoltStatus.serverException);
  return true;
}

function problemOf({ application, revision }: MetaRegister, bytes: number): string {
  if (application.trim() === '' || revision.trim() === '') return 'application or revision is blank';
  if (revision.length > REVISION_ID_UNITS_MAX) return `revision is longer than ${REVISION_ID_UNITS_MAX}`;
  return bytes > REVISION_BYTES_MAX ? `revision has more than ${REVISION_BYTES_MAX} bytes` : '';
}

export const metaRegister: ClientHandler = {
  codec: CODEC_PROTOBUF,
  handle(context, connection, frame) {
    const message = decodeMetaRegister(frame.content);
    const problem = problemOf(message, frame.content.length);
    if (problem === '') context.metadata.register(message, frame.content.length);
    else context.metrics.refused.invalid.value++;
    const response = {
      success: problem === '',
      registId: '',
      version: 0,
      refused: false,
      message: problem === '' ? 'app revision register success!' : `app revision register failed: ${problem}`,
    };
    connection.channel.respond(frame, REGISTER_RESPONSE_PB, encodeRegisterResponsePb(response));
  },
};

export const serviceAppMapping: ClientHandler = {
  codec: CODEC_PROTOBUF,
  handle(context, connection, frame) {
    const { serviceIds } = decodeServiceAppMappingRequest(frame.content);
    if (badIds(context, connection, frame, serviceIds)) return;
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

function answerRevisions(
  context: HandlerContext,
  connection: ClientConnection,
  frame: Frame,
  ids: readonly string[],
  sure: boolean,
): void {
  const revisions = new Map<string, MetaRegister>();
  const missing: string[] = [];
  for (const id of ids) {
    const known = context.metadata.core.revision(id);
    if (known === undefined) missing.push(id);
    else revisions.set(id, { ...known, clientVersion: '' });
  }
  const statusCode = missing.length === 0 ? OK : sure ? NOT_FOUND : FAILED;
  const problem = sure ? 'query revision not found' : 'revisions cannot be looked up now';
  const message = missing.length === 0 ? '' : `${problem}, ${missing.slice(0, NAMED_MAX).join(',')}`;
  const content = encodeGetRevisionsResponse({ revisions, statusCode, message });
  connection.channel.respond(frame, GET_REVISIONS_RESPONSE, content);
}

export const getRevisions: ClientHandler = {
  codec: CODEC_PROTOBUF,
  handle(context, connection, frame) {
    const ids = decodeGetRevisionsRequest(frame.content).revisions;
    if (badIds(context, connection, frame, ids)) return;
    const found = context.metadata.fetch(ids);
    if (found === null) {
      answerRevisions(context, connection, frame, ids, true);
      return;
    }
    const head = headOf(frame);
    void found.then(({ sure }) => answerRevisions(context, connection, head, ids, sure));
  },
};

function answerHeartbeat(connection: ClientConnection, frame: Frame, missing: readonly string[]): void {
  const statusCode = missing.length === 0 ? OK : NOT_FOUND;
  const message = missing.length === 0 ? '' : `revision not found, ${missing.slice(0, NAMED_MAX).join(',')}`;
  const content = encodeMetaHeartbeatResponse({ statusCode, message });
  connection.channel.respond(frame, META_HEARTBEAT_RESPONSE, content);
}

export const metaHeartbeat: ClientHandler = {
  codec: CODEC_PROTOBUF,
  handle(context, connection, frame) {
    const ids = decodeMetaHeartbeatRequest(frame.content).revisions;
    if (badIds(context, connection, frame, ids)) return;
    const found = context.metadata.heartbeat(ids);
    if (found === null) {
      answerHeartbeat(connection, frame, []);
      return;
    }
    // Whoever is unknown while meta is away is asked to register again: then it is known here.
    const head = headOf(frame);
    void found.then(({ missing }) => answerHeartbeat(connection, head, missing));
  },
};
