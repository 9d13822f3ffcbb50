/** What an official client registers, and how its messages say it (wire 4). */
import type { Scope } from '@sofa-registry/model';
import {
  type BaseRegister,
  CODEC_HESSIAN,
  CODEC_PROTOBUF,
  encodePublisherRegister,
  encodePublisherRegisterPb,
  encodeSubscriberRegister,
  encodeSubscriberRegisterPb,
  NO_BOXES,
  packBoxes,
  PUBLISHER_REGISTER,
  PUBLISHER_REGISTER_PB,
  SUBSCRIBER_REGISTER,
  SUBSCRIBER_REGISTER_PB,
} from '@sofa-registry/wire';
import { type ModelPublication, type ModelSubscription, type ModelView, valueOf } from './model-client.ts';

const GROUP = 'DEFAULT_GROUP';
const INSTANCE = 'DEFAULT_INSTANCE_ID';

/** One registration towards the session. */
export interface Registration {
  readonly registId: string;
  readonly publication: OfficialPublication | null;
  readonly subscription: OfficialSubscription | null;
  version: number;
  ackedVersion: number;
  timestamp: number;
  /** The request that is under way; 0 = none. */
  sending: boolean;
}

/** A publication. */
export class OfficialPublication implements ModelPublication {
  readonly key: string;
  readonly service: string;
  readonly zone: string;
  revision = 1;
  wanted = true;
  registration!: Registration;

  constructor(key: string, service: string, zone: string) {
    this.key = key;
    this.service = service;
    this.zone = zone;
  }

  acked(): boolean {
    return this.registration.ackedVersion === this.registration.version;
  }
}

/** A subscription. */
export class OfficialSubscription implements ModelSubscription {
  readonly key: string;
  readonly service: string;
  readonly scope: Scope;
  view: ModelView | null = null;
  wanted = true;
  registration!: Registration;

  constructor(key: string, service: string, scope: Scope) {
    this.key = key;
    this.service = service;
    this.scope = scope;
  }
}

/** Who registers. */
export interface Registrant {
  readonly name: string;
  readonly zone: string;
  /** Its messages are protobuf, not Hessian. */
  readonly pb: boolean;
}

/** A registration as it is now, as a request. */
export function registerRequest(
  registrant: Registrant,
  registration: Registration,
): { readonly className: string; readonly codec: number; readonly content: Buffer } {
  const { pb } = registrant;
  const { publication, subscription } = registration;
  const base = baseOf(registrant, registration);
  const codec = pb ? CODEC_PROTOBUF : CODEC_HESSIAN;
  if (publication !== null) {
    const dataBoxes = publication.wanted ? packBoxes([valueOf(publication)]) : NO_BOXES;
    const message = { ...base, dataBoxes };
    return pb
      ? { className: PUBLISHER_REGISTER_PB, codec, content: encodePublisherRegisterPb(message) }
      : { className: PUBLISHER_REGISTER, codec, content: encodePublisherRegister(message) };
  }
  const message = {
    ...base,
    scope: subscription?.scope ?? null,
    acceptEncoding: pb ? '' : null,
    acceptMulti: false,
  };
  return pb
    ? { className: SUBSCRIBER_REGISTER_PB, codec, content: encodeSubscriberRegisterPb(message) }
    : { className: SUBSCRIBER_REGISTER, codec, content: encodeSubscriberRegister(message) };
}

function baseOf({ name, zone }: Registrant, registration: Registration): BaseRegister {
  const { publication, subscription, registId, version, timestamp } = registration;
  const service = publication?.service ?? subscription?.service ?? '';
  const wanted = publication?.wanted ?? subscription?.wanted ?? false;
  return {
    instanceId: INSTANCE,
    zone,
    appName: 'sim',
    dataId: service,
    group: GROUP,
    processId: name,
    registId,
    clientId: registId,
    dataInfoId: `${service}#@#${INSTANCE}#@#${GROUP}`,
    ip: name,
    port: 0,
    eventType: wanted ? 'REGISTER' : 'UNREGISTER',
    version,
    timestamp,
    attributes: null,
  };
}
