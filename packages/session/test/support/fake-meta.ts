/** A meta leader as nodes see it, for tests of the session alone: answers beats with a view the test sets. */
import type { NodeRecord, SlotTable } from '@sofa-registry/model';
import { BoltChannel, type Clock, type Listener, type Network } from '@sofa-registry/runtime';
import {
  Beat,
  BeatReply,
  BoltStatus,
  CODEC_INTERNAL,
  Done,
  type Frame,
  type MessageOf,
  RevisionGet,
  RevisionGot,
  RevisionIdList,
  RevisionTouch,
  View,
} from '@sofa-registry/wire';

export class FakeMeta {
  readonly address: string;
  table: SlotTable;
  members: NodeRecord[] = [];
  docs: { key: string; value: string; version: number }[] = [];
  expectedPublishers = 0;
  meanWeight = 0;
  revision = 1;
  readonly beats: MessageOf<typeof Beat>[] = [];
  /** Class names other than beats. */
  readonly seen: string[] = [];
  readonly #clock: Clock;
  readonly #network: Network;
  readonly #channels = new Set<BoltChannel>();
  #listener: Listener | null = null;

  constructor(clock: Clock, network: Network, address: string, table: SlotTable) {
    this.#clock = clock;
    this.#network = network;
    this.address = address;
    this.table = table;
  }

  async start(): Promise<void> {
    const at = this.address.lastIndexOf(':');
    const target = { host: this.address.slice(0, at), port: Number(this.address.slice(at + 1)) };
    this.#listener = await this.#network.listen(target, (connection) => {
      const channel = new BoltChannel(connection, {
        clock: this.#clock,
        handler: {
          request: (from, frame) => this.#request(from, frame),
          closed: (from) => void this.#channels.delete(from),
        },
      });
      this.#channels.add(channel);
    });
  }

  async stop(): Promise<void> {
    await this.#listener?.close();
    for (const channel of this.#channels) channel.destroy('stopped');
  }

  /** Pushes the view to all nodes, as a leader does after a change. */
  push(): void {
    this.revision++;
    const content = View.encode({ term: 1, ...this.#view() });
    for (const channel of this.#channels) channel.oneway(View.className, CODEC_INTERNAL, content);
  }

  #view(): Omit<MessageOf<typeof View>, 'term'> {
    return {
      table: this.table,
      membersRevision: this.revision,
      members: this.members,
      docsRevision: this.revision,
      docs: this.docs,
    };
  }

  #request(channel: BoltChannel, frame: Frame): void {
    if (frame.className === RevisionGet.className) {
      channel.respond(frame, RevisionGot.className, RevisionGot.encode({ bodies: [] }));
      return;
    }
    if (frame.className === RevisionTouch.className) {
      const { ids } = RevisionTouch.decode(frame.content);
      channel.respond(frame, RevisionIdList.className, RevisionIdList.encode({ ids }));
      return;
    }
    if (frame.className !== Beat.className) {
      this.seen.push(frame.className);
      if (frame.className.startsWith('sr.'))
        channel.respond(frame, Done.className, Done.encode({ ok: true }));
      else channel.respondError(frame, BoltStatus.serverException);
      return;
    }
    this.beats.push(Beat.decode(frame.content));
    const content = BeatReply.encode({
      leader: this.address,
      isLeader: true,
      term: 1,
      warm: true,
      ...this.#view(),
      metas: [this.address],
      expectedPublishers: this.expectedPublishers,
      expectedForMs: 15_000,
      meanWeight: this.meanWeight,
      appIndexVersion: 0,
    });
    channel.respond(frame, BeatReply.className, content);
  }
}
