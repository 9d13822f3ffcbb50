import { expect, test } from 'vitest';
import { BoltChannel, ManualClock, memoryNetwork } from '@sofa-registry/runtime';
test('echo', async () => {
  const clock = new ManualClock();
  const net = memoryNetwork({ clock });
  const closed: string[] = [];
  const l = await net.listen({ host: 'a', port: 0 }, (c) => {
    new BoltChannel(c, {
      clock,
      idleCloseMs: 45000,
      handler: {
        request: (ch, f) => ch.respond(f, 'r', Buffer.from(f.content)),
        closed: (_c, r) => void closed.push(r),
      },
    });
  });
  const p = net.connect(l.address);
  await clock.settle();
  const ch = new BoltChannel(await p, {
    clock,
    heartbeatMs: 15000,
    handler: { request() {}, closed: (_c, r) => void closed.push(r) },
  });
  const call = ch.call('x', 1, Buffer.from('hello'), 1000);
  await clock.settle();
  expect((await call).content.toString()).toBe('hello');
  await clock.advance(300_000);
  expect(closed).toEqual([]);
  ch.end();
  await clock.settle();
  expect(closed).toEqual(['peer closed', 'ended']);
  await clock.advance(20000);
  expect(clock.nextTimerMs()).toBe(Infinity);
});
