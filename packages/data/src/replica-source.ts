/** The leader's side of a repair: pages of what a slot holds, and whole data (wire: replica-copy). */
import { NO_DATUM_VERSION, RollingDigest } from '@sofa-registry/model';
import {
  AccessCode,
  COPY_DATA_ITEMS_MAX,
  COPY_LIST_ITEMS_MAX,
  CopyData,
  CopyDataReply,
  CopyList,
  CopyListReply,
  digestBytes,
  type Frame,
  type MessageOf,
} from '@sofa-registry/wire';
import type { Datum } from './datum.ts';
import type { Link } from './link.ts';
import type { NodeState } from './node-state.ts';
import type { ReplicaFeeds } from './replica-feed.ts';

type CopiedDatum = MessageOf<typeof CopyDataReply>['data'][number];

/** Bytes of a copied record beside its payload, nearly. */
const RECORD_BYTES = 160;

/** Digest of one datum: its records and who owns them. */
export function datumDigest(datum: Datum): { readonly words: Uint32Array } {
  const words = new Uint32Array(4);
  const one = new RollingDigest();
  for (const record of datum.publishers.values()) {
    one.words.fill(0);
    one.add(datum.hash, record.registerId, record.version, record.stamp);
    for (let i = 0; i < 4; i++) words[i] += Math.imul(one.words[i], record.owner.factor);
  }
  return { words };
}

/** Answers sr.CopyList and sr.CopyData. */
export class ReplicaSource {
  readonly #state: NodeState;
  readonly #feeds: ReplicaFeeds;

  constructor(state: NodeState, feeds: ReplicaFeeds) {
    this.#state = state;
    this.#feeds = feeds;
  }

  list(link: Link, frame: Frame): void {
    const { slot, stream, after } = CopyList.decode(frame.content);
    const store = this.#feeds.streamed(link, slot, stream);
    const ids: string[] = [];
    if (store !== null)
      for (const datum of store.data.values())
        if (datum.dataInfoId > after && !isShell(datum)) ids.push(datum.dataInfoId);
    ids.sort((a, b) => (a < b ? -1 : 1));
    const data = ids.slice(0, COPY_LIST_ITEMS_MAX).map((dataInfoId) => {
      const datum = store?.data.get(dataInfoId) as Datum;
      return { dataInfoId, version: datum.version, digest: digestBytes(datumDigest(datum)) };
    });
    const code = store === null ? AccessCode.moved : AccessCode.accept;
    const reply = CopyListReply.encode({ code, last: ids.length <= COPY_LIST_ITEMS_MAX, data });
    link.channel.respond(frame, CopyListReply.className, reply);
  }

  data(link: Link, frame: Frame): void {
    const { slot, stream, dataInfoIds } = CopyData.decode(frame.content);
    const store = this.#feeds.streamed(link, slot, stream);
    const data: CopiedDatum[] = [];
    let bytes = 0;
    if (store !== null)
      for (const dataInfoId of dataInfoIds.slice(0, COPY_DATA_ITEMS_MAX)) {
        const datum = store.data.get(dataInfoId);
        if (datum !== undefined) bytes += datum.bytes + datum.publishers.size * RECORD_BYTES;
        if (data.length > 0 && bytes > this.#state.tunables.replicaFrameBytesMax) break;
        data.push(datum === undefined ? gone(dataInfoId) : copied(datum));
      }
    this.#state.metrics.dataCopied.value += data.length;
    const code = store === null ? AccessCode.moved : AccessCode.accept;
    link.channel.respond(frame, CopyDataReply.className, CopyDataReply.encode({ code, data }));
  }
}

/** True for an id that only has subscribers: no follower needs it. */
function isShell(datum: Datum): boolean {
  return datum.version <= NO_DATUM_VERSION && datum.publishers.size === 0 && datum.tombstones === null;
}

function gone(dataInfoId: string): CopiedDatum {
  return { dataInfoId, version: 0, records: [], tombstones: [] };
}

function copied(datum: Datum): CopiedDatum {
  const records = [...datum.publishers.values()].map((record) => ({ owner: record.owner.processId, record }));
  const tombstones = [...(datum.tombstones ?? [])].map(([registerId, { version, stamp }]) => ({
    registerId,
    version,
    stamp,
  }));
  return { dataInfoId: datum.dataInfoId, version: datum.version, records, tombstones };
}
