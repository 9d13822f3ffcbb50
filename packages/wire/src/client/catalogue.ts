/**
 * The client protocol in one table (wire 2.1): every message class, its content format, its direction and the class that
 * answers it. The next message gets a file of its own, a class name, and a line here.
 */
import type { ContentLimits } from '../limits.ts';
import * as names from './class-names.ts';
import { decodeConfiguratorRegister, encodeConfiguratorRegister } from './configurator-register.ts';
import { decodeGetRevisionsRequest, encodeGetRevisionsRequest } from './get-revisions-request.ts';
import { decodeGetRevisionsResponse, encodeGetRevisionsResponse } from './get-revisions-response.ts';
import { decodeMetaHeartbeatRequest, encodeMetaHeartbeatRequest } from './meta-heartbeat-request.ts';
import { decodeMetaHeartbeatResponse, encodeMetaHeartbeatResponse } from './meta-heartbeat-response.ts';
import { decodeMetaRegister, encodeMetaRegister } from './meta-register.ts';
import {
  decodeMultiReceivedData,
  decodeMultiReceivedDataPb,
  encodeMultiReceivedData,
  encodeMultiReceivedDataPb,
} from './multi-received-data.ts';
import {
  decodePublisherRegister,
  decodePublisherRegisterPb,
  encodePublisherRegister,
  encodePublisherRegisterPb,
} from './publisher-register.ts';
import {
  decodeReceivedConfigData,
  decodeReceivedConfigDataPb,
  encodeReceivedConfigData,
  encodeReceivedConfigDataPb,
} from './received-config-data.ts';
import {
  decodeReceivedData,
  decodeReceivedDataPb,
  encodeReceivedData,
  encodeReceivedDataPb,
} from './received-data.ts';
import {
  decodeRegisterResponse,
  decodeRegisterResponsePb,
  encodeRegisterResponse,
  encodeRegisterResponsePb,
} from './register-response.ts';
import { decodeResult, decodeResultPb, encodeResult, encodeResultPb } from './result.ts';
import {
  decodeServiceAppMappingRequest,
  encodeServiceAppMappingRequest,
} from './service-app-mapping-request.ts';
import {
  decodeServiceAppMappingResponse,
  encodeServiceAppMappingResponse,
} from './service-app-mapping-response.ts';
import {
  decodeSubscriberRegister,
  decodeSubscriberRegisterPb,
  encodeSubscriberRegister,
  encodeSubscriberRegisterPb,
} from './subscriber-register.ts';
import {
  decodeSyncConfigRequest,
  decodeSyncConfigRequestPb,
  encodeSyncConfigRequest,
  encodeSyncConfigRequestPb,
} from './sync-config-request.ts';
import {
  decodeSyncConfigResponse,
  decodeSyncConfigResponsePb,
  encodeSyncConfigResponse,
  encodeSyncConfigResponsePb,
} from './sync-config-response.ts';
import type * as types from './types.ts';

/** Message kind -> meaning. A kind with a Hessian and a protobuf class has one meaning. */
export interface MessageKinds {
  publisherRegister: types.PublisherRegister;
  subscriberRegister: types.SubscriberRegister;
  configuratorRegister: types.ConfiguratorRegister;
  syncConfigRequest: types.SyncConfigRequest;
  registerResponse: types.RegisterResponse;
  syncConfigResponse: types.SyncConfigResponse;
  result: types.Result;
  receivedData: types.ReceivedData;
  receivedConfigData: types.ReceivedConfigData;
  multiReceivedData: types.MultiReceivedData;
  metaRegister: types.MetaRegister;
  serviceAppMappingRequest: types.ServiceAppMappingRequest;
  getRevisionsRequest: types.GetRevisionsRequest;
  metaHeartbeatRequest: types.MetaHeartbeatRequest;
  serviceAppMappingResponse: types.ServiceAppMappingResponse;
  getRevisionsResponse: types.GetRevisionsResponse;
  metaHeartbeatResponse: types.MetaHeartbeatResponse;
}

/** Name of a message kind. */
export type MessageKind = keyof MessageKinds;

/** Who sends the message: a client, a session as a push, or either side as the answer to a request. */
export type MessageDirection = 'toServer' | 'toClient' | 'response';

/** One message class. */
export interface MessageDescriptor<K extends MessageKind = MessageKind> {
  readonly kind: K;
  /** Bolt className. */
  readonly className: string;
  /** Content format. On requests to the server `pb` travels with codec byte 11, on pushes with 1 (wire 2.2). */
  readonly codec: 'hessian' | 'pb';
  readonly direction: MessageDirection;
  /** Class of the success response; null for responses. */
  readonly responseClassName: string | null;
  /** @throws WireError */
  readonly decode: (content: Buffer, limits?: ContentLimits) => MessageKinds[K];
  /** @throws WireError */
  readonly encode: (message: MessageKinds[K]) => Buffer;
}

/** Any descriptor, to be told apart by `kind`. */
export type AnyMessageDescriptor = { [K in MessageKind]: MessageDescriptor<K> }[MessageKind];

function message<K extends MessageKind>(
  kind: K,
  className: string,
  codec: 'hessian' | 'pb',
  direction: MessageDirection,
  responseClassName: string | null,
  decode: MessageDescriptor<K>['decode'],
  encode: MessageDescriptor<K>['encode'],
): MessageDescriptor<K> {
  return Object.freeze({ kind, className, codec, direction, responseClassName, decode, encode });
}

/** All client messages. */
export const CLIENT_MESSAGES: readonly AnyMessageDescriptor[] = [
  message(
    'publisherRegister',
    names.PUBLISHER_REGISTER,
    'hessian',
    'toServer',
    names.REGISTER_RESPONSE,
    decodePublisherRegister,
    encodePublisherRegister,
  ),
  message(
    'subscriberRegister',
    names.SUBSCRIBER_REGISTER,
    'hessian',
    'toServer',
    names.REGISTER_RESPONSE,
    decodeSubscriberRegister,
    encodeSubscriberRegister,
  ),
  message(
    'configuratorRegister',
    names.CONFIGURATOR_REGISTER,
    'hessian',
    'toServer',
    names.REGISTER_RESPONSE,
    decodeConfiguratorRegister,
    encodeConfiguratorRegister,
  ),
  message(
    'syncConfigRequest',
    names.SYNC_CONFIG_REQUEST,
    'hessian',
    'toServer',
    names.SYNC_CONFIG_RESPONSE,
    decodeSyncConfigRequest,
    encodeSyncConfigRequest,
  ),
  message(
    'registerResponse',
    names.REGISTER_RESPONSE,
    'hessian',
    'response',
    null,
    decodeRegisterResponse,
    encodeRegisterResponse,
  ),
  message(
    'syncConfigResponse',
    names.SYNC_CONFIG_RESPONSE,
    'hessian',
    'response',
    null,
    decodeSyncConfigResponse,
    encodeSyncConfigResponse,
  ),
  message('result', names.RESULT, 'hessian', 'response', null, decodeResult, encodeResult),
  message(
    'receivedData',
    names.RECEIVED_DATA,
    'hessian',
    'toClient',
    names.RESULT,
    decodeReceivedData,
    encodeReceivedData,
  ),
  message(
    'receivedConfigData',
    names.RECEIVED_CONFIG_DATA,
    'hessian',
    'toClient',
    names.RESULT,
    decodeReceivedConfigData,
    encodeReceivedConfigData,
  ),
  message(
    'multiReceivedData',
    names.MULTI_RECEIVED_DATA,
    'hessian',
    'toClient',
    names.RESULT,
    decodeMultiReceivedData,
    encodeMultiReceivedData,
  ),
  message(
    'publisherRegister',
    names.PUBLISHER_REGISTER_PB,
    'pb',
    'toServer',
    names.REGISTER_RESPONSE_PB,
    decodePublisherRegisterPb,
    encodePublisherRegisterPb,
  ),
  message(
    'subscriberRegister',
    names.SUBSCRIBER_REGISTER_PB,
    'pb',
    'toServer',
    names.REGISTER_RESPONSE_PB,
    decodeSubscriberRegisterPb,
    encodeSubscriberRegisterPb,
  ),
  message(
    'syncConfigRequest',
    names.SYNC_CONFIG_REQUEST_PB,
    'pb',
    'toServer',
    names.SYNC_CONFIG_RESPONSE_PB,
    decodeSyncConfigRequestPb,
    encodeSyncConfigRequestPb,
  ),
  message(
    'metaRegister',
    names.META_REGISTER,
    'pb',
    'toServer',
    names.REGISTER_RESPONSE_PB,
    decodeMetaRegister,
    encodeMetaRegister,
  ),
  message(
    'serviceAppMappingRequest',
    names.SERVICE_APP_MAPPING_REQUEST,
    'pb',
    'toServer',
    names.SERVICE_APP_MAPPING_RESPONSE,
    decodeServiceAppMappingRequest,
    encodeServiceAppMappingRequest,
  ),
  message(
    'getRevisionsRequest',
    names.GET_REVISIONS_REQUEST,
    'pb',
    'toServer',
    names.GET_REVISIONS_RESPONSE,
    decodeGetRevisionsRequest,
    encodeGetRevisionsRequest,
  ),
  message(
    'metaHeartbeatRequest',
    names.META_HEARTBEAT_REQUEST,
    'pb',
    'toServer',
    names.META_HEARTBEAT_RESPONSE,
    decodeMetaHeartbeatRequest,
    encodeMetaHeartbeatRequest,
  ),
  message(
    'registerResponse',
    names.REGISTER_RESPONSE_PB,
    'pb',
    'response',
    null,
    decodeRegisterResponsePb,
    encodeRegisterResponsePb,
  ),
  message(
    'syncConfigResponse',
    names.SYNC_CONFIG_RESPONSE_PB,
    'pb',
    'response',
    null,
    decodeSyncConfigResponsePb,
    encodeSyncConfigResponsePb,
  ),
  message('result', names.RESULT_PB, 'pb', 'response', null, decodeResultPb, encodeResultPb),
  message(
    'serviceAppMappingResponse',
    names.SERVICE_APP_MAPPING_RESPONSE,
    'pb',
    'response',
    null,
    decodeServiceAppMappingResponse,
    encodeServiceAppMappingResponse,
  ),
  message(
    'getRevisionsResponse',
    names.GET_REVISIONS_RESPONSE,
    'pb',
    'response',
    null,
    decodeGetRevisionsResponse,
    encodeGetRevisionsResponse,
  ),
  message(
    'metaHeartbeatResponse',
    names.META_HEARTBEAT_RESPONSE,
    'pb',
    'response',
    null,
    decodeMetaHeartbeatResponse,
    encodeMetaHeartbeatResponse,
  ),
  message(
    'receivedData',
    names.RECEIVED_DATA_PB,
    'pb',
    'toClient',
    names.RESULT_PB,
    decodeReceivedDataPb,
    encodeReceivedDataPb,
  ),
  message(
    'receivedConfigData',
    names.RECEIVED_CONFIG_DATA_PB,
    'pb',
    'toClient',
    names.RESULT_PB,
    decodeReceivedConfigDataPb,
    encodeReceivedConfigDataPb,
  ),
  message(
    'multiReceivedData',
    names.MULTI_RECEIVED_DATA_PB,
    'pb',
    'toClient',
    names.RESULT_PB,
    decodeMultiReceivedDataPb,
    encodeMultiReceivedDataPb,
  ),
];

const byClassName = new Map<string, AnyMessageDescriptor>(
  CLIENT_MESSAGES.map((entry) => [entry.className, entry]),
);

/** The message with this Bolt className; undefined for an unknown one (answer status 0x0002, wire 1.4). */
export function messageOf(className: string): AnyMessageDescriptor | undefined {
  return byClassName.get(className);
}
