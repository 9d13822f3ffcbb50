/** Publishers, subscribers and watchers as rows of the digest endpoints (reference/http-answers.md, session and data). */
import { parseDataInfoId, type PublisherRecord, stampToMs, versionToWire } from '@sofa-registry/model';
import { unpackBoxes } from '@sofa-registry/wire';
import { javaString } from './java-string.ts';
import { url } from './nodes.ts';

/** What all rows are made from. */
export interface RegistrationView {
  readonly dataInfoId: string;
  readonly registerId: string;
  readonly zone: string;
  readonly appName: string;
  readonly clientAddress: string;
  readonly version: number;
  readonly stamp: number;
  readonly clientTimestamp: number;
  readonly attributes: ReadonlyMap<string, string> | null;
}

/** A subscriber or watcher. */
export interface SubscriberView extends RegistrationView {
  readonly scope?: string;
  readonly acceptEncoding?: string | null;
  readonly pushedVersion: number;
  readonly pushedCount?: number;
}

/** Packed boxes as the reference shows them. */
export function dataList(payload: Buffer): Record<string, unknown>[] {
  return unpackBoxes(payload).map((text) => ({
    bytes: javaString(text).toString('base64'),
    serialization: 1,
    object: null,
  }));
}

function head(
  view: RegistrationView,
  sessionAddress: string,
  sourceSerializer: number | null,
): Record<string, unknown> {
  const parts = parseDataInfoId(view.dataInfoId);
  return {
    dataInfoId: view.dataInfoId,
    dataId: parts?.dataId ?? view.dataInfoId,
    clientId: null,
    instanceId: parts?.instanceId ?? null,
    cell: view.zone,
    appName: view.appName,
    processId: view.clientAddress,
    registerId: view.registerId,
    version: view.version,
    sourceAddress: url(view.clientAddress, sourceSerializer),
    targetAddress: url(sessionAddress),
    clientVersion: 'StoreData',
    group: parts?.group ?? null,
    registerTimestamp: stampToMs(view.stamp),
    clientRegisterTimestamp: view.clientTimestamp,
    attributes: Object.fromEntries(view.attributes ?? []),
  };
}

/** Row of a publisher; `sessionAddress` is the client address of the session that holds it. */
export function publisherRow(
  view: RegistrationView,
  payload: Buffer,
  sessionAddress: string,
): Record<string, unknown> {
  const tail = { publishType: 'NORMAL', publishSource: 'CLIENT' };
  return { ...head(view, sessionAddress, 1), dataList: dataList(payload), ...tail };
}

/** Row of a publisher as a data node holds it. */
export function storedPublisherRow(
  dataInfoId: string,
  record: PublisherRecord,
  sessionAddress: string,
): Record<string, unknown> {
  return publisherRow({ dataInfoId, ...record }, record.payload, sessionAddress);
}

/** Row of a subscriber. */
export function subscriberRow(
  view: SubscriberView,
  sessionAddress: string,
  dataCenter: string,
): Record<string, unknown> {
  const pushed = versionToWire(view.pushedVersion);
  const context = {
    pushedVersion: pushed,
    lastMaxPushVersion: pushed,
    lastPushVersion: pushed,
    emptyVersion: 0,
    pushedNum: view.pushedCount ?? 0,
  };
  return {
    ...head(view, sessionAddress, null),
    scope: view.scope ?? 'zone',
    elementType: null,
    acceptEncodes: (view.acceptEncoding ?? '').split(',').filter((name) => name !== ''),
    lastPushContexts: { [dataCenter]: context },
  };
}

/** Row of a watcher. */
export function watcherRow(view: SubscriberView, sessionAddress: string): Record<string, unknown> {
  const tail = { pushedVersion: versionToWire(view.pushedVersion), dataType: 'WATCHER' };
  return { ...head(view, sessionAddress, null), ...tail };
}
