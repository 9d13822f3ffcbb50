/**
 * Brings registrations to the session: many at a time, matched by request id, each one again until it is acknowledged, and
 * all of them again on another connection (wire 4.2, 4.3). What is superseded before it was sent is never sent.
 */
import type { Clock, ReplyHandler, RpcError, Timer } from '@sofa-registry/runtime';
import {
  CODEC_PROTOBUF,
  decodeRegisterResponsePb,
  type Frame,
  REGISTER_RESPONSE_PB,
  type RegisterResponse,
} from '@sofa-registry/wire';
import { RegistryClientError, textOf } from './errors.ts';
import {
  REGISTER_TIMEOUT_MS,
  REGISTRATIONS_IN_FLIGHT_MAX,
  RESEND_MS,
  SEND_BUFFERED_BYTES_MAX,
  VERSIONS_IN_FLIGHT_MAX,
} from './limits.ts';
import type { ClientMetrics } from './metrics.ts';
import { type ClientIdentity, type Registration, registrationMessage } from './registration.ts';
import type { SessionLink } from './session-link.ts';

/** What the sender needs around it. */
export interface SenderOptions {
  readonly clock: Clock;
  readonly metrics: ClientMetrics;
  /** Read at each message: the zone may be learnt from the first session. */
  readonly identity: () => ClientIdentity;
  readonly warn: (error: RegistryClientError) => void;
}

interface Sent {
  readonly registration: Registration;
  readonly version: number;
  readonly link: SessionLink;
}

/** All registrations of one client. */
export class RegistrationSender implements ReplyHandler<Sent> {
  readonly #options: SenderOptions;
  readonly #all = new Set<Registration>();
  /** Not acknowledged in their newest version. */
  readonly #pending = new Set<Registration>();
  /** Of these, the ones to send now. */
  readonly #due = new Set<Registration>();
  readonly #failed = new Set<Registration>();
  #link: SessionLink | null = null;
  #inFlight = 0;
  #resendTimer: Timer | null = null;
  #onSettled: (() => void) | null = null;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** The present connection; null while there is none. */
  get link(): SessionLink | null {
    return this.#link;
  }

  /** Registrations not acknowledged in their newest version. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Takes a registration, or a change of one. */
  put(registration: Registration): void {
    if (registration.refused) return;
    if (registration.withdrawn && this.#link === null) {
      this.#drop(registration);
      return;
    }
    this.#all.add(registration);
    this.#pending.add(registration);
    this.#failed.delete(registration);
    this.#due.add(registration);
    this.flush();
  }

  /** Sends everything again, over this connection. @param settled called once, when all of it is acknowledged */
  attach(link: SessionLink, settled: () => void): void {
    this.#unlink();
    this.#link = link;
    this.#onSettled = settled;
    const nowMs = this.#options.clock.wallMs();
    for (const registration of this.#all) registration.reset(nowMs);
    // Publishers first: a list must not miss ours because we asked for it before we were there.
    for (const kind of ['publisher', 'subscriber']) {
      for (const registration of this.#all) {
        if (registration.kind !== kind || registration.refused) continue;
        this.#pending.add(registration);
        this.#due.add(registration);
      }
    }
    this.flush();
    this.#settle();
  }

  /** The connection is gone. */
  detach(): void {
    this.#unlink();
    for (const registration of this.#all) if (registration.withdrawn) this.#drop(registration);
  }

  /** Sends what is due, as far as the bounds allow. */
  flush(): void {
    const link = this.#link;
    if (link === null) return;
    for (const registration of this.#due) {
      if (this.#inFlight >= REGISTRATIONS_IN_FLIGHT_MAX) return;
      if (link.bufferedBytes > SEND_BUFFERED_BYTES_MAX) return;
      this.#due.delete(registration);
      // An answer to an earlier version brings it back.
      if (registration.done || registration.inFlight >= VERSIONS_IN_FLIGHT_MAX) continue;
      this.#send(link, registration);
    }
  }

  reply(token: Sent, frame: Frame): void {
    if (!this.#landed(token)) return;
    const { registration } = token;
    let answer: RegisterResponse;
    try {
      if (frame.className !== REGISTER_RESPONSE_PB) throw new Error(`answer of class '${frame.className}'`);
      answer = decodeRegisterResponsePb(frame.content);
    } catch (error) {
      this.#fail(token, textOf(error));
      return;
    }
    if (!answer.success) this.#fail(token, answer.message || 'success=false');
    else if (answer.refused) this.#refuse(registration, answer.message || 'no reason given');
    else if (answer.version !== token.version) this.#fail(token, `answer to version ${answer.version}`);
    else this.#ack(token);
    this.flush();
  }

  failed(token: Sent, error: RpcError): void {
    if (!this.#landed(token)) return;
    if (error.code !== 'SR_RPC_CLOSED') this.#fail(token, textOf(error));
    this.flush();
  }

  #send(link: SessionLink, registration: Registration): void {
    const { metrics, identity } = this.#options;
    const again = registration.sentVersion === registration.version;
    registration.sentVersion = registration.version;
    registration.inFlight++;
    this.#inFlight++;
    const token: Sent = { registration, version: registration.version, link };
    try {
      const { className, content } = registrationMessage(registration, identity(), !link.delta);
      link.request(className, CODEC_PROTOBUF, content, REGISTER_TIMEOUT_MS, this, token);
      metrics.sent.value++;
      if (again) metrics.resent.value++;
    } catch (error) {
      // Arguments are checked before, so this is a message that no session could take either.
      this.#landed(token);
      this.#refuse(registration, textOf(error));
    }
  }

  /** Takes an answered request off the books; false if it belongs to an earlier connection. */
  #landed(token: Sent): boolean {
    if (token.link !== this.#link) return false;
    this.#inFlight--;
    token.registration.inFlight--;
    return true;
  }

  #ack(token: Sent): void {
    const { registration, version } = token;
    this.#options.metrics.acked.value++;
    if (version > registration.ackedVersion) registration.ackedVersion = version;
    if (!registration.done) {
      if (registration.sentVersion < registration.version) this.#due.add(registration);
      return;
    }
    this.#forgetPending(registration);
    if (registration.withdrawn) this.#all.delete(registration);
    registration.owner.acked();
    this.#settle();
  }

  #refuse(registration: Registration, reason: string): void {
    this.#options.metrics.refused.value++;
    registration.refused = true;
    this.#forgetPending(registration);
    this.#all.delete(registration);
    const { dataInfoId } = registration.key;
    registration.owner.refused(new RegistryClientError('SR_CLIENT_REFUSED', `${dataInfoId}: ${reason}`));
    this.#settle();
  }

  #fail(token: Sent, reason: string): void {
    const { registration, version } = token;
    const { dataInfoId } = registration.key;
    this.#options.warn(new RegistryClientError('SR_CLIENT_NOT_ACKED', `${dataInfoId}: ${reason}`));
    if (registration.done || registration.sentVersion > version) return;
    if (registration.version > version) {
      this.#due.add(registration);
      return;
    }
    this.#failed.add(registration);
    this.#resendTimer ??= this.#options.clock.setTimer(RESEND_MS, () => this.#resend());
  }

  #resend(): void {
    this.#resendTimer = null;
    for (const registration of this.#failed) this.#due.add(registration);
    this.#failed.clear();
    this.flush();
  }

  #unlink(): void {
    this.#link = null;
    this.#inFlight = 0;
    this.#due.clear();
    this.#failed.clear();
    this.#resendTimer?.cancel();
    this.#resendTimer = null;
    this.#onSettled = null;
  }

  /** Without a connection a withdrawal is done: the registry drops what came over a connection with it. */
  #drop(registration: Registration): void {
    this.#all.delete(registration);
    this.#forgetPending(registration);
    registration.owner.acked();
  }

  #forgetPending(registration: Registration): void {
    this.#pending.delete(registration);
    this.#due.delete(registration);
    this.#failed.delete(registration);
  }

  #settle(): void {
    if (this.#pending.size > 0) return;
    const settled = this.#onSettled;
    this.#onSettled = null;
    settled?.();
  }
}
