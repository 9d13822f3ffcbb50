/** Public surface of `@sofa-registry/wire`: bytes in, bytes out, no I/O. */
export * from './errors.ts';
export * from './limits.ts';
export {
  BoxCursor,
  boxCount,
  boxUnits,
  checkPackedBoxes,
  joinBoxes,
  keepPacked,
  NO_BOXES,
  type PackedBoxes,
  packBoxes,
  unpackBoxes,
} from './boxes.ts';
export { ByteWriter } from './bytes/byte-writer.ts';
export * from './bolt/frame.ts';
export { FrameDecoder } from './bolt/frame-decoder.ts';
export * from './bolt/frame-encoder.ts';
export { type Int64, normalInt64 } from './bytes/int64.ts';
export * from './client/class-names.ts';
export * from './client/catalogue.ts';
export { decodeConfiguratorRegister, encodeConfiguratorRegister } from './client/configurator-register.ts';
export { decodeGetRevisionsRequest, encodeGetRevisionsRequest } from './client/get-revisions-request.ts';
export { decodeGetRevisionsResponse, encodeGetRevisionsResponse } from './client/get-revisions-response.ts';
export { decodeMetaHeartbeatRequest, encodeMetaHeartbeatRequest } from './client/meta-heartbeat-request.ts';
export {
  decodeMetaHeartbeatResponse,
  encodeMetaHeartbeatResponse,
} from './client/meta-heartbeat-response.ts';
export { decodeMetaRegister, encodeMetaRegister } from './client/meta-register.ts';
export {
  decodeMultiReceivedData,
  decodeMultiReceivedDataPb,
  encodeMultiReceivedData,
  encodeMultiReceivedDataPb,
} from './client/multi-received-data.ts';
export {
  decodePublisherRegister,
  decodePublisherRegisterPb,
  encodePublisherRegister,
  encodePublisherRegisterPb,
} from './client/publisher-register.ts';
export {
  decodeReceivedConfigData,
  decodeReceivedConfigDataPb,
  encodeReceivedConfigData,
  encodeReceivedConfigDataPb,
} from './client/received-config-data.ts';
export {
  decodeReceivedData,
  decodeReceivedDataBodyPb,
  decodeReceivedDataPb,
  encodeReceivedData,
  encodeReceivedDataPb,
} from './client/received-data.ts';
export {
  decodeRegisterResponse,
  decodeRegisterResponsePb,
  encodeRegisterResponse,
  encodeRegisterResponsePb,
} from './client/register-response.ts';
export { decodeResult, decodeResultPb, encodeResult, encodeResultPb } from './client/result.ts';
export {
  decodeServiceAppMappingRequest,
  encodeServiceAppMappingRequest,
} from './client/service-app-mapping-request.ts';
export {
  decodeServiceAppMappingResponse,
  encodeServiceAppMappingResponse,
} from './client/service-app-mapping-response.ts';
export {
  decodeSubscriberRegister,
  decodeSubscriberRegisterPb,
  encodeSubscriberRegister,
  encodeSubscriberRegisterPb,
} from './client/subscriber-register.ts';
export {
  decodeSyncConfigRequest,
  decodeSyncConfigRequestPb,
  encodeSyncConfigRequest,
  encodeSyncConfigRequestPb,
} from './client/sync-config-request.ts';
export {
  decodeSyncConfigResponse,
  decodeSyncConfigResponsePb,
  encodeSyncConfigResponse,
  encodeSyncConfigResponsePb,
} from './client/sync-config-response.ts';
export * from './client/push-body.ts';
export { decodeHessian, HessianObject, HessianReader, type HessianValue } from './hessian/reader.ts';
export * as hessianWriter from './hessian/writer.ts';
export { PbReader } from './pb/reader.ts';
export * as pbWriter from './pb/writer.ts';
export * from './client/types.ts';
export * from './internal/index.ts';
