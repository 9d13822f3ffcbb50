/** Leases: publishers leave when their session is really gone, never before (F120, F131, I11). */
import { AccessCode } from '@sofa-registry/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DataNode } from '../src/index.ts';
import { TestCluster } from './support/cluster.ts';
import { idOf, publish, record } from './support/records.ts';
import { TestSession } from './support/session.ts';

const NODE = 'data:1';
const ID = idOf(1);
let cluster: TestCluster;
let node: DataNode;
let dying: TestSession;
let watcher: TestSession;

beforeEach(async () => {
  cluster = new TestCluster();
  cluster.setTable(() => [NODE]);
  node = await cluster.startData(NODE);
  dying = new TestSession(cluster, 'S1');
  watcher = new TestSession(cluster, 'S2');
  cluster.setMembers([dying.node, watcher.node]);
  for (const session of [dying, watcher]) {
    await session.connect(NODE);
    await session.sync();
  }
  for (let i = 0; i < 300; i++) await dying.register(idOf(i % 4, i % 5), record(`r${i}`, 1, 0));
  await watcher.register(ID, record('other', 1, 0));
  await watcher.fetch([ID]);
});
afterEach(() => cluster.stop());

async function dropLink(): Promise<void> {
  dying.channel?.destroy('crash');
  await cluster.clock.advance(10);
}

describe('the lease of a session', () => {
  it('ends when neither the link nor meta says it is alive, and tells subscribers once per datum', async () => {
    await dropLink();
    cluster.setMembers([watcher.node]);
    watcher.notices.length = 0;
    await cluster.clock.advance(29_000);
    expect(node.state.store.publishers).toBe(301);
    await cluster.clock.advance(2500);
    expect(node.state.store.publishers).toBe(1);
    expect(watcher.notices).toHaveLength(1);
    await watcher.refresh();
    expect(watcher.ids(ID)).toEqual(['other']);
    expect(node.state.store.tombstones).toBe(300);
    expect(node.state.metrics.leasesExpired.value).toBe(1);
  });

  it('is longer when its clients may know none of the sessions that are left', async () => {
    // Another session in place of S2, which all clients knew.
    watcher.channel?.destroy('crash');
    const newcomer = new TestSession(cluster, 'S3');
    cluster.setMembers([dying.node, newcomer.node]);
    await cluster.clock.advance(10_000);
    await newcomer.connect(NODE);
    await newcomer.register(ID, record('new', 1, 0));
    await cluster.clock.advance(10_000);
    await dropLink();
    cluster.setMembers([newcomer.node]);
    await cluster.clock.advance(43_000);
    expect(node.state.metrics.leasesExpired.value).toBe(1);
    expect(node.state.store.publishers).toBe(301);
    await cluster.clock.advance(3000);
    expect(node.state.store.publishers).toBe(1);
  });

  it('is the usual one when a session is left for longer than clients take to learn of it', async () => {
    watcher.channel?.destroy('crash');
    const newcomer = new TestSession(cluster, 'S3');
    cluster.setMembers([dying.node, newcomer.node]);
    await cluster.clock.advance(10_000);
    await newcomer.connect(NODE);
    await cluster.clock.advance(31_000);
    await dropLink();
    cluster.setMembers([newcomer.node]);
    await cluster.clock.advance(31_500);
    expect(node.state.store.publishers).toBe(0);
  });

  it('counts from the last word of a session, not from when its half-open link is closed', async () => {
    dying.heartbeatMs = 0;
    await dropLink();
    await dying.connect(NODE);
    cluster.setMembers([watcher.node]);
    // Silent for 15 s the link proves nothing any more: the lease runs.
    await cluster.clock.advance(30_000);
    await dropLink();
    await cluster.clock.advance(14_000);
    expect(node.state.store.publishers).toBe(301);
    await cluster.clock.advance(2500);
    expect(node.state.store.publishers).toBe(1);
  });

  it('is not waited for by what an operator has taken out of the traffic', async () => {
    const { docs } = cluster.view;
    const putDoc = (text: string) => docs.set('operator/client-off', { value: text, version: docs.size + 1 });
    await dying.register(ID, { ...record('of another client', 1, 0), clientAddress: '10.0.0.9:77' });
    putDoc('{"off":{"10.0.0.9":{"pub":true}}}');
    await cluster.clock.advance(2000);
    // Its session lives: it obeys by itself.
    expect(node.state.store.publishers).toBe(302);
    await dropLink();
    cluster.setMembers([watcher.node]);
    await cluster.clock.advance(1500);
    expect(node.state.store.publishers).toBe(301);
    docs.delete('operator/client-off');
    docs.set('operator/blacklist', { value: '{"FORBIDDEN_PUB":{"IP_FULL":["10.0.0.1"]}}', version: 9 });
    await cluster.clock.advance(1500);
    expect(node.state.store.publishers).toBe(1);
    expect(node.state.metrics.forbiddenRemoved.value).toBe(301);
    expect(node.state.metrics.leasesExpired.value).toBe(0);
    await watcher.refresh();
    expect(watcher.ids(ID)).toEqual(['other']);
  });

  it('leaves tombstones: a late write of the dead session does not come back', async () => {
    await dropLink();
    cluster.setMembers([watcher.node]);
    await cluster.clock.advance(32_000);
    const late = [...(dying.own.get(ID)?.values() ?? [])][0];
    const { rejected } = await watcher.write([publish(ID, late)]);
    expect(rejected).toHaveLength(1);
    await watcher.register(ID, { ...late });
    expect(watcher.ids(ID)).toContain(late.registerId);
  });

  it('holds while meta lists the session, though its link is gone', async () => {
    await dropLink();
    await cluster.clock.advance(120_000);
    expect(node.state.store.publishers).toBe(301);
  });

  it('holds while the link lives, though meta does not list the session', async () => {
    cluster.setMembers([]);
    await cluster.clock.advance(120_000);
    expect(node.state.store.publishers).toBe(301);
  });

  it('holds while meta is silent or has just taken over', async () => {
    await dropLink();
    cluster.setMembers([watcher.node]);
    cluster.view.heardMetaMsAgo = 60_000;
    await cluster.clock.advance(120_000);
    cluster.view.heardMetaMsAgo = 0;
    cluster.view.warm = false;
    await cluster.clock.advance(120_000);
    expect(node.state.store.publishers).toBe(301);
    cluster.view.warm = true;
    await cluster.clock.advance(32_000);
    expect(node.state.store.publishers).toBe(1);
  });

  it('does not end for publishers whose clients registered elsewhere', async () => {
    await dropLink();
    cluster.setMembers([watcher.node]);
    await cluster.clock.advance(5000);
    watcher.notices.length = 0;
    for (const [id, records] of dying.own)
      for (const held of records.values()) await watcher.register(id, { ...held });
    await cluster.clock.advance(60_000);
    expect(node.state.store.publishers).toBe(301);
    expect(watcher.notices).toEqual([]);
    expect((await watcher.compare([0, 1, 2, 3])).filter(({ code }) => code !== AccessCode.accept)).toEqual(
      [],
    );
  });

  it('starts anew when the session comes back in time', async () => {
    await dropLink();
    cluster.setMembers([watcher.node]);
    await cluster.clock.advance(25_000);
    await dying.connect(NODE);
    await dying.sync();
    await cluster.clock.advance(60_000);
    expect(node.state.store.publishers).toBe(301);
  });
});
