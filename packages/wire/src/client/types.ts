/**
 * What the client messages mean, independent of their codec. Decoders of both codecs produce these shapes; strings a
 * Hessian client left null are null, strings a protobuf client left unset are '' (proto3 has no presence), and the rules
 * of wire 2.6 treat the two alike.
 */
import type { PackedBoxes } from '../boxes.ts';
import type { Int64 } from '../bytes/int64.ts';

export type { Int64 } from '../bytes/int64.ts';

/** Common part of all registrations (wire 2.5 BaseRegister). */
export interface BaseRegister {
  instanceId: string | null;
  zone: string | null;
  appName: string | null;
  dataId: string | null;
  group: string | null;
  processId: string | null;
  registId: string | null;
  clientId: string | null;
  dataInfoId: string | null;
  ip: string | null;
  port: number | null;
  /** "REGISTER" or "UNREGISTER"; anything else is possible. */
  eventType: string | null;
  version: Int64 | null;
  timestamp: Int64 | null;
  attributes: Map<string, string> | null;
}

/** A publication. */
export interface PublisherRegister extends BaseRegister {
  /** The payload, packed; an absent or null list is count 0. */
  dataBoxes: PackedBoxes;
}

/** A subscription. */
export interface SubscriberRegister extends BaseRegister {
  /** "zone", "dataCenter", "global" or anything else. */
  scope: string | null;
  /** Comma-separated names of encodings the client reads (protobuf pushes only). */
  acceptEncoding: string | null;
  acceptMulti: boolean;
}

/** A configurator ("watcher"). */
export type ConfiguratorRegister = BaseRegister;

/** Answer to every registration. `version` must echo the request's or the client re-sends for ever (wire 4.2). */
export interface RegisterResponse {
  success: boolean;
  registId: string | null;
  version: Int64;
  refused: boolean;
  message: string | null;
}

/** Generic answer; the ack of pushes. */
export interface Result {
  success: boolean;
  message: string | null;
}

/** A client asks for its settings. */
export interface SyncConfigRequest {
  dataCenter: string | null;
  zone: string | null;
}

/** Settings of a client. */
export interface SyncConfigResponse {
  success: boolean;
  message: string | null;
  /** Null or empty = accept data of every segment (wire 3.3). */
  availableSegments: string[] | null;
  retryIntervalMs: number;
}

/** A push of one service's list. */
export interface ReceivedData {
  dataId: string | null;
  group: string | null;
  instanceId: string | null;
  segment: string | null;
  scope: string | null;
  subscriberRegistIds: string[] | null;
  /** Zone to boxes; null makes the official client ignore the push. */
  data: Map<string, PackedBoxes> | null;
  version: Int64 | null;
  localZone: string | null;
  /** Zone to number of boxes. */
  dataCount: Map<string, number> | null;
  /** Protobuf only: how `body` is compressed, '' = not. */
  encoding: string | null;
  /** Protobuf only: compressed ReceivedDataBodyPb in place of `data`. */
  body: Buffer | null;
  /** Protobuf only: bytes of `body` before compression. */
  originBodySize: number;
}

/** A push of one configuration item. */
export interface ReceivedConfigData {
  dataId: string | null;
  group: string | null;
  instanceId: string | null;
  configuratorRegistIds: string[] | null;
  /** At most one box; null = no value. */
  dataBox: string | null;
  version: Int64 | null;
}

/** One segment of a multi push. */
export interface MultiSegmentData {
  segment: string | null;
  /** Protobuf only, '' or null = not compressed. */
  encoding: string | null;
  version: Int64;
  /** Compressed boxes, protobuf only. */
  zipData: Buffer | null;
  /** Zone to boxes. */
  unzipData: Map<string, PackedBoxes> | null;
  dataCount: Map<string, number> | null;
}

/** A push of one service's lists of several segments. */
export interface MultiReceivedData {
  dataId: string | null;
  group: string | null;
  instanceId: string | null;
  scope: string | null;
  localSegment: string | null;
  localZone: string | null;
  subscriberRegistIds: string[] | null;
  multiData: Map<string, MultiSegmentData> | null;
}

/** One service of an application revision. */
export interface MetaService {
  id: string;
  params: Map<string, string[]>;
}

/** An application revision: what an application exports, registered once for all of its instances (protobuf only). */
export interface MetaRegister {
  application: string;
  revision: string;
  clientVersion: string;
  baseParams: Map<string, string[]>;
  services: Map<string, MetaService>;
}

/** Applications that export a service. `version` is -1 for an unknown service. */
export interface AppList {
  version: Int64;
  apps: string[];
}

export interface ServiceAppMappingRequest {
  serviceIds: string[];
}

export interface ServiceAppMappingResponse {
  serviceAppMapping: Map<string, AppList>;
  /** 200, 404 or 500. */
  statusCode: number;
  message: string;
}

export interface GetRevisionsRequest {
  revisions: string[];
}

export interface GetRevisionsResponse {
  revisions: Map<string, MetaRegister>;
  statusCode: number;
  message: string;
}

export interface MetaHeartbeatRequest {
  revisions: string[];
}

export interface MetaHeartbeatResponse {
  statusCode: number;
  message: string;
}
