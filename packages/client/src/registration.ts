/**
 * One registration of this client and how far the session has followed (wire 4.2). The application's side moves `version`;
 * the sender moves the rest.
 */
import type { Scope } from '@sofa-registry/model';
import {
  encodePublisherRegisterPb,
  encodeSubscriberRegisterPb,
  NO_BOXES,
  type PackedBoxes,
  PUBLISHER_REGISTER_PB,
  SUBSCRIBER_REGISTER_PB,
} from '@sofa-registry/wire';
import type { RegistryClientError } from './errors.ts';
import type { ServiceKey } from './service-key.ts';

/** Hears what becomes of a registration. */
export interface RegistrationOwner {
  /** The session acknowledged the newest version. */
  acked(): void;
  /** The registry refused it for good; it is not sent again. */
  refused(error: RegistryClientError): void;
}

/** What a registration is. */
export interface RegistrationSpec {
  readonly kind: 'publisher' | 'temporary' | 'subscriber';
  readonly key: ServiceKey;
  readonly registerId: string;
  readonly owner: RegistrationOwner;
  /** Subscriber only. */
  readonly scope: Scope;
}

/** Who registers, as the session is told. */
export interface ClientIdentity {
  readonly app: string;
  readonly zone: string;
  readonly clientId: string;
}

/** State of one registration. */
export class Registration {
  readonly kind: 'publisher' | 'temporary' | 'subscriber';
  readonly key: ServiceKey;
  readonly registerId: string;
  readonly scope: Scope;
  readonly owner: RegistrationOwner;
  /** Version wanted: 1, then one more with each change and with the withdrawal; a reconnect does not change it. */
  version = 1;
  /** True once it is to be withdrawn. */
  withdrawn = false;
  /** Time of the registration or of its last replay, milliseconds since 1970; a withdrawal keeps it. */
  timestampMs: number;
  payload: PackedBoxes = NO_BOXES;
  /** Refused for good. */
  refused = false;
  /** On the present connection: newest version sent, acknowledged, and requests without answer. */
  sentVersion = 0;
  ackedVersion = 0;
  inFlight = 0;

  constructor(spec: RegistrationSpec, nowMs: number) {
    this.kind = spec.kind;
    this.key = spec.key;
    this.registerId = spec.registerId;
    this.scope = spec.scope;
    this.owner = spec.owner;
    this.timestampMs = Math.floor(nowMs);
  }

  /** True when there is nothing to send. */
  get done(): boolean {
    return this.refused || this.ackedVersion === this.version;
  }

  /** New payload of a publisher. */
  change(payload: PackedBoxes, nowMs: number): void {
    this.payload = payload;
    this.version++;
    this.timestampMs = Math.floor(nowMs);
  }

  /** The registration is to leave. */
  withdraw(): void {
    this.withdrawn = true;
    this.version++;
  }

  /** Another connection: everything is to be sent again, under the same version. */
  reset(nowMs: number): void {
    this.sentVersion = 0;
    this.ackedVersion = 0;
    this.inFlight = 0;
    if (!this.withdrawn) this.timestampMs = Math.floor(nowMs);
  }
}

/** Class and content of the message for the present state. @param plain without delta pushes @throws WireError */
export function registrationMessage(
  registration: Registration,
  identity: ClientIdentity,
  plain: boolean,
): { className: string; content: Buffer } {
  const { kind, key, scope, withdrawn } = registration;
  const base = {
    instanceId: key.instanceId,
    zone: identity.zone,
    appName: identity.app,
    dataId: key.dataId,
    group: key.group,
    // A session takes the address of the socket in place of what a client says (wire 2.6).
    processId: '',
    ip: '',
    port: 0,
    registId: registration.registerId,
    clientId: identity.clientId,
    dataInfoId: key.dataInfoId,
    eventType: withdrawn ? 'UNREGISTER' : kind === 'temporary' ? 'TEMPORARY' : 'REGISTER',
    version: registration.version,
    timestamp: registration.timestampMs,
    attributes: null,
  };
  if (kind !== 'subscriber') {
    const dataBoxes = withdrawn ? NO_BOXES : registration.payload;
    return {
      className: PUBLISHER_REGISTER_PB,
      content: encodePublisherRegisterPb({ ...base, dataBoxes }),
    };
  }
  // Without acceptMulti a reference session shows a global subscriber its own data centre only (wire 4.6).
  const acceptMulti = plain && scope === 'global';
  return {
    className: SUBSCRIBER_REGISTER_PB,
    content: encodeSubscriberRegisterPb({ ...base, scope, acceptEncoding: null, acceptMulti }),
  };
}
