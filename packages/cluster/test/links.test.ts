import { type NodeRecord, parseAddress, type SlotTable } from '@sofa-registry/model';
import {
  BoltChannel,
  type Listener,
  ManualClock,
  memoryLogger,
  memoryNetwork,
  seededRandom,
} from '@sofa-registry/runtime';
import {
  Beat,
  BeatReply,
  BoltStatus,
  CODEC_INTERNAL,
  Done,
  Drain,
  type Frame,
  Hello,
  HelloReply,
  Leave,
  type MessageOf,
  Probe,
  ProbeReply,
  TableOffer,
  View,
} from '@sofa-registry/wire';
import { beforeEach, describe, expect, it } from 'vitest';
import { MetaLink, type MetaLinkOptions, PeerLink, type PeerLinkEvents } from '../src/index.ts';

const SLOTS = { slotCount: 1, replicas: 1, slotFunction: 'crc32c' };
const node: NodeRecord = {
  role: 'data',
  processId: 'data:1/1/1',
  address: 'data:1',
  httpAddress: '',
  zone: '',
  dataCenter: 'dc',
  startedMs: 1,
  weight: 0,
  draining: false,
};
const table = (epoch: number): SlotTable => ({
  epoch,
  slots: [{ id: 0, leader: 'data:1', leaderEpoch: epoch, followers: [] }],
});

let clock: ManualClock;
let ports: ConstructorParameters<typeof MetaLink>[0];
const logger = memoryLogger();

beforeEach(() => {
  clock = new ManualClock();
  logger.lines.length = 0;
  ports = { clock, random: seededRandom(3), network: memoryNetwork({ clock }), logger };
});

/** A server that speaks Bolt and answers as a test says. */
class Server {
  readonly channels: BoltChannel[] = [];
  readonly frames: { className: string; content: Buffer }[] = [];
  answer: (frame: Frame, channel: BoltChannel) => void = () => undefined;
  #listener: Listener | null = null;
  readonly address: string;

  constructor(address: string) {
    this.address = address;
  }

  async open(): Promise<void> {
    const at = parseAddress(this.address);
    if (at === null) throw new Error('no address');
    this.#listener = await ports.network.listen(at, (connection) => {
      const handler = {
        request: (channel: BoltChannel, frame: Frame) => {
          this.frames.push({ className: frame.className, content: Buffer.from(frame.content) });
          this.answer(frame, channel);
        },
        closed: () => undefined,
      };
      this.channels.push(new BoltChannel(connection, { clock, handler, proto: 1 }));
    });
  }

  async close(): Promise<void> {
    await this.#listener?.close();
    for (const channel of this.channels) channel.destroy('server closed');
  }

  seen(className: string): Buffer[] {
    return this.frames.filter((frame) => frame.className === className).map(({ content }) => content);
  }
}

type Reply = MessageOf<typeof BeatReply>;

class Meta extends Server {
  reply: Partial<Reply> = {};
  mute = false;

  constructor(address: string) {
    super(address);
    this.answer = (frame, channel) => {
      if (this.mute) return;
      if (frame.className === Beat.className) {
        channel.respond(frame, BeatReply.className, BeatReply.encode(this.#full()));
      } else channel.respond(frame, Done.className, Done.encode({ ok: true }));
    };
  }

  #full(): Reply {
    return {
      leader: this.address,
      isLeader: true,
      term: 1,
      warm: true,
      table: null,
      membersRevision: 0,
      members: null,
      docsRevision: 0,
      docs: null,
      metas: [],
      expectedPublishers: 0,
      expectedForMs: 0,
      meanWeight: 0,
      appIndexVersion: 0,
      ...this.reply,
    };
  }

  get beats(): MessageOf<typeof Beat>[] {
    return this.seen(Beat.className).map((content) => Beat.decode(content));
  }
}

async function metaAt(address: string): Promise<Meta> {
  const meta = new Meta(address);
  await meta.open();
  return meta;
}

function link(metas: readonly string[], more: Partial<MetaLinkOptions> = {}): MetaLink {
  return new MetaLink(ports, { metas, slotConfig: SLOTS, node: () => node, ...more });
}

describe('link to the meta leader', () => {
  it('beats each second, and at once after a new table', async () => {
    const meta = await metaAt('meta:1');
    const own = link(['meta:1'], { publishers: () => 7 });
    own.start();
    await clock.advance(100);
    expect(meta.beats).toHaveLength(1);
    expect(meta.beats[0]).toMatchObject({ node, slotCount: 1, publishers: 7, tableEpoch: 0 });
    await clock.advance(3000);
    expect(meta.beats).toHaveLength(4);
    const view = { term: 1, table: table(5), membersRevision: 0, members: null, docsRevision: 0, docs: null };
    meta.channels[0].oneway(View.className, CODEC_INTERNAL, View.encode(view));
    await clock.advance(60);
    expect(meta.beats.at(-1)?.tableEpoch).toBe(5);
    own.stop();
  });

  it('is ready when a leader answered and a table is known', async () => {
    const meta = await metaAt('meta:1');
    const own = link(['meta:1']);
    let ready = false;
    void own.ready().then(() => (ready = true));
    own.start();
    await clock.advance(500);
    expect(ready).toBe(false);
    expect(own.waitingFor).toContain('slot table');
    meta.reply = { table: table(3) };
    await clock.advance(1000);
    expect(ready).toBe(true);
    expect(own.waitingFor).toBe('');
    own.stop();
  });

  it('gives up waiting when the signal aborts', async () => {
    const own = link(['meta:1']);
    const aborter = new AbortController();
    const waiting = own.ready(aborter.signal);
    aborter.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('follows a redirect at once', async () => {
    const first = await metaAt('meta:1');
    const second = await metaAt('meta:2');
    first.reply = { isLeader: false, leader: 'meta:2' };
    const own = link(['meta:1']);
    own.start();
    await clock.advance(50);
    expect(own.view.leader).toBe('meta:2');
    expect(second.beats).toHaveLength(1);
    own.stop();
  });

  it('two metas that name each other are asked with waits in between', async () => {
    const first = await metaAt('meta:1');
    const second = await metaAt('meta:2');
    first.reply = { isLeader: false, leader: 'meta:2' };
    second.reply = { isLeader: false, leader: 'meta:1' };
    const own = link(['meta:1', 'meta:2']);
    own.start();
    await clock.advance(60_000);
    // Three beats to a round: both, and the one named last; a quarter of a second between rounds at least, once the waits have grown.
    expect(first.beats.length + second.beats.length).toBeLessThan(750);
    expect(first.beats.length).toBeGreaterThan(10);
    expect(own.waitingFor).toContain('meta leader');
    own.stop();
  });

  it('says which meta cannot be reached and why, and finds it once it is there', async () => {
    const own = link(['meta:1']);
    own.start();
    await clock.advance(5000);
    expect(own.waitingFor).toMatch(/^a meta leader: no connection to meta:1 \(.+\)$/);
    await metaAt('meta:1');
    await clock.advance(2500);
    expect(own.waitingFor).not.toContain('no connection');
    own.stop();
  });

  it('leaves a leader that does not answer, and finds another', async () => {
    const first = await metaAt('meta:1');
    const own = link(['meta:1', 'meta:2']);
    own.start();
    await clock.advance(100);
    await metaAt('meta:2');
    first.mute = true;
    await clock.advance(4500);
    expect(own.view.leader).toBe('meta:2');
    own.stop();
  });

  it('keeps its view, tries for ever and says what it waits for while no meta is there', async () => {
    const meta = await metaAt('meta:1');
    meta.reply = { table: table(3), members: [node], membersRevision: 4 };
    const own = link(['meta:1']);
    own.start();
    await clock.advance(100);
    await meta.close();
    await clock.advance(60_000);
    expect(own.view.table.epoch).toBe(3);
    expect(own.view.members).toHaveLength(1);
    expect(own.view.heardMetaMsAgo).toBeGreaterThan(50_000);
    expect(logger.lines.filter((line) => line.level === 'warn').length).toBeLessThanOrEqual(13);
    const again = await metaAt('meta:1');
    await clock.advance(2500);
    expect(again.beats.length).toBeGreaterThan(0);
    own.stop();
  });

  it('ignores a deposed leader and looks for the newer one', async () => {
    const first = await metaAt('meta:1');
    const second = await metaAt('meta:2');
    first.reply = { isLeader: false, leader: 'meta:2' };
    second.reply = { term: 9, table: table(90) };
    const own = link(['meta:1', 'meta:2']);
    own.start();
    await clock.advance(100);
    expect(own.view.term).toBe(9);
    await second.close();
    first.reply = { term: 3, table: table(900) };
    await clock.advance(5000);
    expect(own.view.term).toBe(9);
    expect(own.view.table.epoch).toBe(90);
    own.stop();
  });

  it('offers its own table to a leader that has an older one', async () => {
    const meta = await metaAt('meta:1');
    meta.reply = { table: table(50) };
    const own = link(['meta:1']);
    own.start();
    await clock.advance(100);
    meta.reply = { term: 2, table: { epoch: 0, slots: [] } };
    await clock.advance(1100);
    expect(meta.seen(TableOffer.className).map((c) => TableOffer.decode(c).table.epoch)).toContain(50);
    expect(own.view.table.epoch).toBe(50);
    own.stop();
  });

  it('early beats are rate limited', async () => {
    const meta = await metaAt('meta:1');
    const own = link(['meta:1']);
    own.start();
    await clock.advance(100);
    await clock.advance(100);
    const before = meta.beats.length;
    for (let i = 0; i < 1000; i++) {
      own.beatSoon();
      await clock.advance(1);
    }
    expect(meta.beats.length - before).toBeLessThanOrEqual(21);
    expect(meta.beats.length - before).toBeGreaterThanOrEqual(15);
    own.stop();
  });

  it('says in each beat that it drains, and takes it back', async () => {
    const meta = await metaAt('meta:1');
    const own = link(['meta:1']);
    own.start();
    await clock.advance(100);
    const drained = own.drain(true);
    await clock.advance(10);
    await drained;
    expect(Drain.decode(meta.seen(Drain.className)[0])).toEqual({ processId: node.processId, on: true });
    await clock.advance(1000);
    expect(meta.beats.at(-1)?.node.draining).toBe(true);
    const back = own.drain(false);
    await clock.advance(10);
    await back;
    await clock.advance(1000);
    expect(meta.beats.at(-1)?.node.draining).toBe(false);
    await clock.advance(100);
    const before = meta.beats.length;
    const left = own.leave();
    // A beat behind the goodbye would make it a member again.
    own.beatSoon();
    await clock.advance(10);
    await left;
    expect(meta.beats).toHaveLength(before);
    expect(Leave.decode(meta.seen(Leave.className)[0]).processId).toBe(node.processId);
  });

  it('answers probes, and refuses what it does not know', async () => {
    const meta = await metaAt('meta:1');
    const own = link(['meta:1'], { heardMsAgo: (id) => (id === 'near' ? 12.3 : Infinity) });
    own.start();
    await clock.advance(100);
    const ask = async (processId: string): Promise<number> => {
      const content = Probe.encode({ processId, address: 'x:1' });
      const asked = meta.channels[0].call(Probe.className, CODEC_INTERNAL, content, 1000);
      await clock.advance(10);
      return ProbeReply.decode((await asked).content).heardMsAgo;
    };
    expect(await ask('near')).toBe(13);
    expect(await ask('far')).toBe(2 ** 31);
    const odd = meta.channels[0].call('sr.Nothing', CODEC_INTERNAL, Buffer.alloc(0), 1000);
    const refusal = expect(odd).rejects.toMatchObject({ status: BoltStatus.noProcessor });
    await clock.advance(10);
    await refusal;
    own.stop();
  });

  it('survives answers and pushes that are garbage', async () => {
    const meta = await metaAt('meta:1');
    const own = link(['meta:1']);
    own.start();
    await clock.advance(100);
    meta.channels[0].oneway(View.className, CODEC_INTERNAL, Buffer.from('garbage'));
    const { answer } = meta;
    meta.answer = (frame, channel) => channel.respond(frame, BeatReply.className, Buffer.from([1, 255, 255]));
    await clock.advance(2000);
    meta.answer = answer;
    meta.reply = { table: table(3) };
    await clock.advance(3000);
    expect(own.view.table.epoch).toBe(3);
    own.stop();
  });

  it('a listener that throws does not stop the others', async () => {
    const meta = await metaAt('meta:1');
    meta.reply = { table: table(3) };
    const own = link(['meta:1']);
    const heard: boolean[] = [];
    own.onChange(() => {
      throw new Error('listener');
    });
    own.onChange(({ table: changed }) => heard.push(changed));
    own.start();
    await clock.advance(100);
    expect(heard).toEqual([true]);
    own.stop();
  });

  it('says so when meta refuses the node, and asks again', async () => {
    const meta = await metaAt('meta:1');
    meta.answer = (frame, channel) => channel.respondError(frame, BoltStatus.error);
    const own = link(['meta:1']);
    own.start();
    await clock.advance(3100);
    expect(own.waitingFor).toContain('accept this node');
    expect(meta.beats.length).toBeGreaterThanOrEqual(3);
    expect(meta.channels).toHaveLength(1);
    own.stop();
  });
});

describe('link to a data node', () => {
  class DataNode extends Server {
    processId = 'data:1/a/1';

    constructor(address: string) {
      super(address);
      this.answer = (frame, channel) => {
        if (frame.className !== Hello.className) return;
        const reply = { processId: this.processId, tableEpoch: 4, clock: 99 };
        channel.respond(frame, HelloReply.className, HelloReply.encode(reply));
      };
    }
  }

  function peer(): { log: string[]; link: PeerLink } {
    const log: string[] = [];
    const events: PeerLinkEvents = {
      up: (up, reply) => log.push(`up ${up.processId} ${reply.clock}`),
      down: () => log.push('down'),
      message: (_link, channel, frame) => {
        log.push(`message ${frame.className}`);
        channel.respond(frame, 'sr.Answer', Buffer.from('ok'));
      },
    };
    const hello = () => ({ node, tableEpoch: 1, slotCount: 1, clock: 5 });
    return { log, link: new PeerLink(ports, { address: 'data:1', hello, events }) };
  }

  it('says hello, comes up, carries requests both ways, and comes back after a restart', async () => {
    const data = new DataNode('data:1');
    await data.open();
    const { log, link: own } = peer();
    await clock.advance(50);
    expect(log).toEqual(['up data:1/a/1 99']);
    expect(Hello.decode(data.seen(Hello.className)[0])).toMatchObject({ clock: 5, tableEpoch: 1 });
    const asked = data.channels[0].call('sr.Ask', CODEC_INTERNAL, Buffer.alloc(0), 1000);
    await clock.advance(10);
    expect((await asked).content.toString()).toBe('ok');
    await data.close();
    await clock.advance(100);
    expect(log).toEqual(['up data:1/a/1 99', 'message sr.Ask', 'down']);
    expect(own.channel).toBeNull();
    const again = new DataNode('data:1');
    again.processId = 'data:1/b/2';
    await again.open();
    await clock.advance(1100);
    expect(own.processId).toBe('data:1/b/2');
    expect(own.up).toBe(true);
    own.close();
    await clock.advance(5000);
    expect(log.filter((line) => line === 'down')).toHaveLength(1);
    expect(again.channels).toHaveLength(1);
  });

  it('waits longer and longer, up to a second, and comes at once when asked', async () => {
    const { log, link: own } = peer();
    await clock.advance(20_000);
    const data = new DataNode('data:1');
    await data.open();
    own.retrySoon();
    await clock.advance(10);
    expect(log).toHaveLength(1);
    own.close();
  });

  it('keeps trying when the hello is refused or not answered', async () => {
    const data = new DataNode('data:1');
    const { answer } = data;
    data.answer = (frame, channel) => channel.respondError(frame, BoltStatus.error);
    await data.open();
    const { log, link: own } = peer();
    await clock.advance(5000);
    expect(log).toEqual([]);
    expect(data.channels.length).toBeGreaterThan(4);
    expect(logger.lines.some((line) => line.message.includes('refused the hello'))).toBe(true);
    data.answer = () => undefined;
    await clock.advance(10_000);
    data.answer = answer;
    await clock.advance(5000);
    expect(log).toHaveLength(1);
    own.close();
  });

  it('knows when it last heard, also after the link went down', async () => {
    const data = new DataNode('data:1');
    await data.open();
    const { log, link: own } = peer();
    await clock.advance(10_000);
    expect(own.heardMsAgo).toBeLessThanOrEqual(1500);
    await data.close();
    await clock.advance(4000);
    expect(log).toEqual(['up data:1/a/1 99', 'down']);
    expect(own.heardMsAgo).toBeGreaterThan(3000);
    own.close();
  });
});
