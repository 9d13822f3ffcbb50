/**
 * Compressed bodies of protobuf pushes: one compression per version, scope and encoding, shared by all connections (F229).
 * While one is made the targets that need it wait; if it fails, or the list is short, they get the plain body.
 */
import { type Scope, versionToWire } from '@sofa-registry/model';
import { encodeCompressedDataBody, encodeReceivedDataBodyPb, listUnits } from '@sofa-registry/wire';
import type { SessionMetrics } from '../metrics.ts';
import type { ServiceEntry } from '../registry/service-entry.ts';
import type { Compressor } from './compressor.ts';
import {
  type EncodedView,
  fullBody,
  type OnEncoded,
  type PushList,
  type PushPlace,
  storeBody,
  storedBody,
  zonesOf,
} from './push-bodies.ts';
import type { PushTarget } from './push-target.ts';

/** What the bodies need. */
export interface CompressedBodiesPorts {
  readonly compressor: Compressor;
  readonly place: PushPlace;
  readonly metrics: SessionMetrics;
  /** UTF-16 units of a list from which it is compressed. */
  readonly minUnits: () => number;
  readonly onEncoded: OnEncoded;
  /** The body these targets wait for is there. */
  ready(targets: readonly PushTarget[]): void;
}

/** The bodies. */
export class CompressedBodies {
  readonly #ports: CompressedBodiesPorts;
  /** Targets that wait, by list and form. */
  readonly #waiting = new Map<PushList, Map<string, PushTarget[]>>();

  constructor(ports: CompressedBodiesPorts) {
    this.#ports = ports;
  }

  /** The body for a target, or null: it is being made, and `ready` will be called for the target. */
  view(target: PushTarget, datum: PushList, encoding: string): EncodedView | null {
    const { service, scope } = target;
    const key = `${encoding}${scope}`;
    const known = storedBody(datum, key);
    if (known !== null) return known;
    const waiting = this.#waiting.get(datum)?.get(key);
    if (waiting !== undefined) {
      waiting.push(target);
      return null;
    }
    const zones = zonesOf(datum, scope, this.#ports.place.zone);
    if (listUnits(zones) < this.#ports.minUnits()) return this.#plain(service, datum, scope, key);
    let byKey = this.#waiting.get(datum);
    if (byKey === undefined) {
      byKey = new Map();
      this.#waiting.set(datum, byKey);
    }
    byKey.set(key, [target]);
    void this.#make(service, datum, scope, encoding, key);
    return null;
  }

  async #make(
    service: ServiceEntry,
    datum: PushList,
    scope: Scope,
    encoding: string,
    key: string,
  ): Promise<void> {
    const { compressor, place, metrics, onEncoded } = this.#ports;
    const { version } = datum;
    const zones = zonesOf(datum, scope, place.zone);
    let count = 0;
    for (const list of zones.values()) count += list.length;
    try {
      const { body: plain, dataCount } = encodeReceivedDataBodyPb(zones);
      const compressed = await compressor.compress(encoding, plain);
      const { dataId, group, instanceId } = service;
      const { segment, zone: localZone } = place;
      const view = {
        dataId,
        group,
        instanceId,
        segment,
        scope,
        version: versionToWire(version),
        localZone,
        zones,
      };
      const body = encodeCompressedDataBody(view, {
        encoding,
        body: compressed,
        originBodySize: plain.length,
        dataCount,
      });
      metrics.compressed.value++;
      onEncoded(body.shared.length);
      // The list moved on meanwhile: the targets ask again and get the newest.
      if (datum.version === version) storeBody(datum, key, { body, count, delta: false });
    } catch {
      metrics.compressFailed.value++;
      if (datum.version === version) this.#plain(service, datum, scope, key);
    }
    const byKey = this.#waiting.get(datum);
    const targets = byKey?.get(key) ?? [];
    byKey?.delete(key);
    if (byKey?.size === 0) this.#waiting.delete(datum);
    this.#ports.ready(targets);
  }

  #plain(service: ServiceEntry, datum: PushList, scope: Scope, key: string): EncodedView {
    const view = fullBody(service, datum, this.#ports.place, scope, 'pb', this.#ports.onEncoded);
    storeBody(datum, key, view);
    return view;
  }
}
