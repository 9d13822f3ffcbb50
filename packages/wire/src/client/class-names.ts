/** Class names in the Bolt className field of the client protocol (wire 2.1). */

const C = 'com.alipay.sofa.registry.core.model.';
const P = 'com.alipay.sofa.registry.common.model.client.pb.';

/** Hessian messages. */
export const PUBLISHER_REGISTER = `${C}PublisherRegister`;
export const SUBSCRIBER_REGISTER = `${C}SubscriberRegister`;
export const CONFIGURATOR_REGISTER = `${C}ConfiguratorRegister`;
export const REGISTER_RESPONSE = `${C}RegisterResponse`;
export const RESULT = `${C}Result`;
export const SYNC_CONFIG_REQUEST = `${C}SyncConfigRequest`;
export const SYNC_CONFIG_RESPONSE = `${C}SyncConfigResponse`;
export const RECEIVED_DATA = `${C}ReceivedData`;
export const RECEIVED_CONFIG_DATA = `${C}ReceivedConfigData`;
export const MULTI_RECEIVED_DATA = `${C}MultiReceivedData`;
/** Hessian classes that only occur inside messages. */
export const MULTI_SEGMENT_DATA = `${C}MultiSegmentData`;
export const DATA_BOX = `${C}DataBox`;

/** Protobuf messages. */
export const PUBLISHER_REGISTER_PB = `${P}PublisherRegisterPb`;
export const SUBSCRIBER_REGISTER_PB = `${P}SubscriberRegisterPb`;
export const REGISTER_RESPONSE_PB = `${P}RegisterResponsePb`;
export const RESULT_PB = `${P}ResultPb`;
export const SYNC_CONFIG_REQUEST_PB = `${P}SyncConfigRequestPb`;
export const SYNC_CONFIG_RESPONSE_PB = `${P}SyncConfigResponsePb`;
export const RECEIVED_DATA_PB = `${P}ReceivedDataPb`;
export const RECEIVED_CONFIG_DATA_PB = `${P}ReceivedConfigDataPb`;
export const MULTI_RECEIVED_DATA_PB = `${P}MultiReceivedDataPb`;
export const META_REGISTER = `${P}MetaRegister`;
export const SERVICE_APP_MAPPING_REQUEST = `${P}ServiceAppMappingRequest`;
export const SERVICE_APP_MAPPING_RESPONSE = `${P}ServiceAppMappingResponse`;
export const GET_REVISIONS_REQUEST = `${P}GetRevisionsRequest`;
export const GET_REVISIONS_RESPONSE = `${P}GetRevisionsResponse`;
export const META_HEARTBEAT_REQUEST = `${P}MetaHeartbeatRequest`;
export const META_HEARTBEAT_RESPONSE = `${P}MetaHeartbeatResponse`;
