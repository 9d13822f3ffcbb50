/** The open links: hello, one link per process, end (F123, F133). */
import type { BoltChannel } from '@sofa-registry/runtime';
import { BoltStatus, type Frame, Hello, HelloReply } from '@sofa-registry/wire';
import { noteEpoch } from './access.ts';
import { Link } from './link.ts';
import type { NodeState } from './node-state.ts';

/** What happens to links. */
export interface LinkEvents {
  /** A process said hello. */
  joined(link: Link): void;
  /** The link has gone. */
  left(link: Link): void;
}

/** Opens, names and forgets links. */
export class LinkTable {
  readonly #state: NodeState;
  readonly #events: LinkEvents;

  constructor(state: NodeState, events: LinkEvents) {
    this.#state = state;
    this.#events = events;
  }

  /** A connection was accepted; false (and closed) above the limit. */
  open(channel: BoltChannel<Link>): boolean {
    const { links, tunables, metrics } = this.#state;
    if (links.size >= tunables.linksMax) {
      metrics.limit('links').value++;
      channel.destroy('too many links');
      return false;
    }
    const link = new Link(channel);
    channel.userData = link;
    links.add(link);
    return true;
  }

  /** sr.Hello: who is at the other end. A foreign slot count or data centre is refused. */
  hello(link: Link, frame: Frame): void {
    const state = this.#state;
    const hello = Hello.decode(frame.content);
    const { identity, metrics, ports } = state;
    const { node } = hello;
    if (
      hello.slotCount !== identity.slotConfig.slotCount ||
      node.dataCenter !== identity.dataCenter ||
      link.node !== null
    ) {
      metrics.refusedHello.value++;
      ports.logger.warn('link refused: slot count or data centre differs', {
        peer: node.address,
        slotCount: hello.slotCount,
        dataCenter: node.dataCenter,
      });
      link.channel.respondError(frame, BoltStatus.error);
      return;
    }
    state.observe(hello.clock);
    noteEpoch(state, hello.tableEpoch);
    for (const other of state.links)
      if (other !== link && other.processId === node.processId) {
        other.channel.destroy('replaced by a new link');
        this.close(other);
      }
    link.node = node;
    if (node.role === 'session') {
      link.owner = state.owners.get(node.processId);
      link.owner.links++;
      link.owner.aliveMs = state.nowMs();
    }
    this.#events.joined(link);
    const reply = {
      processId: identity.processId,
      tableEpoch: state.tableEpoch,
      clock: state.hybrid.last,
    };
    link.channel.respond(frame, HelloReply.className, HelloReply.encode(reply));
  }

  /** The link has gone; harmless the second time. */
  close(link: Link): void {
    if (!this.#state.links.delete(link)) return;
    if (link.owner !== null) {
      link.owner.links--;
      // A half-open link is closed long after its session fell silent: that is no sign of life.
      link.owner.aliveMs = Math.max(link.owner.aliveMs, link.channel.lastReceivedMonoMs);
    }
    this.#events.left(link);
  }
}
