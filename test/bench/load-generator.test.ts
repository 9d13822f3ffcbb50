/** The load generator speaks as an official client does: checked against a small server made of the wire package. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import * as wire from '@sofa-registry/wire';
import { afterEach, describe, expect, test } from 'vitest';
import { LoadConnection } from '../../bench/src/load/connection.ts';
import { changeItem, markOf, publishAll, readMark, watchAll } from '../../bench/src/load/fleet.ts';
import { flood } from '../../bench/src/load/flood.ts';
import { type FleetFaults, JavaLikeClient } from '../../bench/src/load/java-client.ts';
import {
  dataIdOf,
  isAccepted,
  payloadOf,
  publish,
  readPush,
  registIdOf,
  subscribe,
  unpublish,
} from '../../bench/src/load/messages.ts';
import { quantile } from '../../bench/src/load/stats.ts';
import { until } from '../../bench/src/load/waiting.ts';

const LIMIT_MS = 5_000;

/** A registry of one list per dataId, without any of the real rules. */
class TinyServer {
  readonly acks: number[] = [];
  readonly publishers = new Map<string, Map<string, wire.PackedBoxes>>();
  readonly refuse = new Set<string>();
  readonly sockets = new Set<Socket>();
  readonly #server: Server;
  readonly #subscribers = new Map<string, { socket: Socket; registId: string }[]>();
  #nextPush = 1000;
  #version = 1;

  private constructor(server: Server) {
    this.#server = server;
    server.on('connection', (socket) => {
      this.sockets.add(socket);
      const decoder = new wire.FrameDecoder();
      socket.on('data', (chunk) => decoder.push(chunk, (frame) => this.#heard(socket, frame)));
      socket.on('error', () => undefined);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  static async open(): Promise<TinyServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TinyServer(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
  }

  push(socket: Socket, dataId: string, registId: string): void {
    const boxes = [...(this.publishers.get(dataId)?.values() ?? [])].flatMap((packed) =>
      wire.unpackBoxes(packed),
    );
    const content = wire.encodeReceivedData({
      dataId,
      group: 'SOFA',
      instanceId: 'DEFAULT_INSTANCE_ID',
      segment: 'DefaultDataCenter',
      scope: 'global',
      subscriberRegistIds: [registId],
      data: new Map([['DEFAULT_ZONE', wire.packBoxes(boxes)]]),
      version: ++this.#version,
      localZone: 'DEFAULT_ZONE',
      dataCount: new Map([['DEFAULT_ZONE', boxes.length]]),
      encoding: null,
      body: null,
      originBodySize: 0,
    });
    const requestId = this.#nextPush++;
    socket.write(
      wire.encodeRequest({ requestId, codec: 1, timeoutMs: 2000, className: wire.RECEIVED_DATA, content }),
    );
  }

  #heard(socket: Socket, frame: wire.Frame): void {
    if (frame.type === wire.FRAME_RESPONSE) {
      if (frame.className === wire.RESULT && wire.decodeResult(frame.content).success)
        this.acks.push(frame.requestId);
      return;
    }
    const isPublish = frame.className === wire.PUBLISHER_REGISTER;
    const register = isPublish
      ? wire.decodePublisherRegister(frame.content)
      : wire.decodeSubscriberRegister(frame.content);
    const dataId = register.dataId ?? '';
    const registId = register.registId ?? '';
    const success = !this.refuse.has(dataId);
    const response = { success, registId, version: register.version ?? 0, refused: false, message: null };
    socket.write(
      wire.encodeResponse({
        requestId: frame.requestId,
        codec: 1,
        status: 0,
        className: wire.REGISTER_RESPONSE,
        content: wire.encodeRegisterResponse(response),
      }),
    );
    const subscribers = this.#subscribers.get(dataId) ?? [];
    this.#subscribers.set(dataId, subscribers);
    if (isPublish) {
      const list = this.publishers.get(dataId) ?? new Map();
      this.publishers.set(dataId, list.set(registId, (register as wire.PublisherRegister).dataBoxes));
      for (const subscriber of subscribers) this.push(subscriber.socket, dataId, subscriber.registId);
    } else {
      subscribers.push({ socket, registId });
      this.push(socket, dataId, registId);
    }
  }
}

let server: TinyServer;
const open: LoadConnection[] = [];

async function connection(): Promise<LoadConnection> {
  const made = await LoadConnection.open('127.0.0.1', server.port);
  open.push(made);
  return made;
}

afterEach(() => {
  for (const each of open.splice(0)) each.destroy();
  server.close();
});

describe('messages', () => {
  test('registrations decode to what an official client sends', async () => {
    server = await TinyServer.open();
    const payload = payloadOf('#1.2#', 300);
    const published = wire.decodePublisherRegister(publish('d', 'r', 3, payload));
    expect(payload).toHaveLength(300);
    expect(wire.unpackBoxes(published.dataBoxes)).toEqual([payload]);
    expect(published).toMatchObject({
      dataId: 'd',
      registId: 'r',
      version: 3,
      eventType: 'REGISTER',
      group: 'SOFA',
      instanceId: null,
      zone: 'DEFAULT_ZONE',
      clientId: null,
      ip: null,
      port: null,
    });
    expect(published.attributes).toEqual(new Map());
    const withdrawn = wire.decodePublisherRegister(unpublish('d', 'r', 4));
    expect(withdrawn).toMatchObject({ version: 4, eventType: 'UNREGISTER' });
    expect(wire.boxCount(withdrawn.dataBoxes)).toBe(0);
    expect(wire.decodeSubscriberRegister(subscribe('d', 's'))).toMatchObject({
      scope: 'global',
      acceptEncoding: null,
      acceptMulti: false,
      version: 1,
    });
  });

  test('registration ids are unique and look like UUIDs', async () => {
    server = await TinyServer.open();
    const ids = new Set([
      registIdOf('a', 1),
      registIdOf('a', 2),
      registIdOf('b', 1),
      registIdOf('b', 0x12345),
    ]);
    expect(ids.size).toBe(4);
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test('marks survive the way through a payload', async () => {
    server = await TinyServer.open();
    expect(readMark(payloadOf(markOf(12, 345), 300))).toEqual({ service: 12, sequence: 345 });
    expect(readMark('10.0.0.1:80')).toBeNull();
  });
});

describe('connections', () => {
  test('a push is acknowledged and handed on', async () => {
    server = await TinyServer.open();
    const client = await connection();
    const lists: string[][] = [];
    client.onPush = (frame) => lists.push(readPush(frame).boxes);
    expect(isAccepted(await client.call(wire.PUBLISHER_REGISTER, publish('d', 'p', 1, 'one')), 1)).toBe(true);
    expect(isAccepted(await client.call(wire.SUBSCRIBER_REGISTER, subscribe('d', 's')), 1)).toBe(true);
    await until(() => server.acks.length === 1, LIMIT_MS);
    expect(server.acks).toEqual([1000]);
    expect(lists).toEqual([['one']]);
    expect(client.pushes).toBe(1);
  });

  test('requests of a lost connection are answered with null, once', async () => {
    server = await TinyServer.open();
    const client = await connection();
    const answers: unknown[] = [];
    for (const socket of server.sockets) socket.destroy();
    client.request(wire.PUBLISHER_REGISTER, publish('d', 'p', 1, 'one'), (frame) => answers.push(frame));
    await until(() => answers.length > 0, LIMIT_MS);
    client.request(wire.PUBLISHER_REGISTER, publish('d', 'p', 2, 'two'), (frame) => answers.push(frame));
    expect(answers).toEqual([null, null]);
    expect(client.inFlight).toBe(0);
  });
});

describe('floods', () => {
  const services = { family: 'flood', count: 500, payloadBytes: 100 };

  test('every service is published once and every change is seen', async () => {
    server = await TinyServer.open();
    const publishers = [await connection(), await connection(), await connection()];
    const watcher = await connection();
    const seen = new Map<number, number>();
    await publishAll(publishers, services);
    await watchAll([watcher], services, (service, sequence) => seen.set(service, sequence));
    expect(server.publishers.size).toBe(500);
    expect([...seen.values()].every((sequence) => sequence === 0)).toBe(true);
    const item = changeItem(services, 7, 3);
    expect(item.accepted(await publishers[0].call(item.className, item.content))).toBe(true);
    await until(() => seen.get(7) === 3, LIMIT_MS);
    expect(seen.get(7)).toBe(3);
  });

  test('refused and lost requests are counted apart', async () => {
    server = await TinyServer.open();
    server.refuse.add(dataIdOf('flood', 1));
    const client = await connection();
    const refused = await flood([client], 4, countTo(3, services));
    expect(refused).toMatchObject({ answered: 2, refused: 1, lost: 0 });
    client.destroy();
    await until(() => client.closed, LIMIT_MS);
    expect(await flood([client], 2, countTo(2, services))).toMatchObject({
      answered: 0,
      refused: 0,
      lost: 2,
    });
  });
});

function countTo(count: number, services: { family: string; count: number; payloadBytes: number }) {
  let next = 0;
  return () => (next < count ? changeItem(services, next++, 0) : null);
}

describe('Java-like clients', () => {
  test('they register everything, notice shrunken and empty lists, and come back after a lost socket', async () => {
    server = await TinyServer.open();
    const faults: FleetFaults = { shrunken: 0, empty: 0, repeated: 0, older: 0, pushes: 0 };
    const plan = { family: 'java', host: '127.0.0.1', port: server.port, listSize: 1 };
    const client = new JavaLikeClient(plan, faults, 0, [0, 1], [0, 1]);
    await client.run();
    await until(() => client.complete, LIMIT_MS);
    // The first pushes came before anything was published.
    expect(faults).toMatchObject({ shrunken: 0, empty: 2, repeated: 0, older: 0 });
    expect(faults.pushes).toBeGreaterThanOrEqual(4);
    for (const socket of server.sockets) {
      server.publishers.clear();
      server.push(socket, dataIdOf('java', 0), 'any');
    }
    await until(() => faults.shrunken === 1, LIMIT_MS);
    expect(faults).toMatchObject({ shrunken: 1, empty: 3 });
    await client.dropAndReturn(0);
    await until(() => client.complete, LIMIT_MS);
    expect(client.complete).toBe(true);
    expect(client.registered).toBe(4);
    client.stop();
  });
});

test('quantiles go by the nearest rank', async () => {
  server = await TinyServer.open();
  const samples = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect(quantile(samples, 0.5)).toBe(50);
  expect(quantile(samples, 0.99)).toBe(99);
  expect(quantile([7], 0.99)).toBe(7);
  expect(quantile([], 0.5)).toBeNaN();
});
