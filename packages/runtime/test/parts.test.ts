/** Metrics, backoff, randomness, loggers, errors. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  Backoff,
  BOLT_METRICS,
  LOG_LINES_MAX,
  memoryLogger,
  METRIC_CHILDREN_MAX,
  MetricSet,
  noopLogger,
  RpcError,
  RUNTIME_ERRORS,
  seededRandom,
} from '@sofa-registry/runtime';
import { NET_METRICS, nodeRandom, pinoLogger } from '@sofa-registry/runtime/node';

const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('metrics', () => {
  test('a family lists name, help, labels, source and current values', () => {
    const set = new MetricSet('session');
    const pushes = set.counter('push_sent_total', 'Pushes sent.', 'F251');
    const failed = set.counterVec('push_failed_total', 'Pushes failed.', ['reason', 'codec']);
    let parked = 3;
    set.gauge('pushes_parked', 'Parked.', () => parked);
    set.gaugeVec('links', 'Links.', ['role'], () => [[['data'], 2]]);
    const latency = set.histogram('push_ms', 'Latency.', [1, 10, 100]);
    pushes.value += 2;
    failed.with('timeout', 'pb').value++;
    failed.with('timeout', 'pb').value++;
    for (const ms of [0.5, 1, 5, 1000]) latency.observe(ms);
    parked = 4;
    const families = set
      .families()
      .map(({ name, kind, labels, source, samples }) => [name, kind, labels, source, samples()]);
    expect(families).toEqual([
      ['sofa_registry_session_push_sent_total', 'counter', [], 'F251', [{ labelValues: [], value: 2 }]],
      [
        'sofa_registry_session_push_failed_total',
        'counter',
        ['reason', 'codec'],
        '',
        [{ labelValues: ['timeout', 'pb'], value: 2 }],
      ],
      ['sofa_registry_session_pushes_parked', 'gauge', [], '', [{ labelValues: [], value: 4 }]],
      ['sofa_registry_session_links', 'gauge', ['role'], '', [{ labelValues: ['data'], value: 2 }]],
      [
        'sofa_registry_session_push_ms',
        'histogram',
        [],
        '',
        [{ labelValues: [], value: 1006.5, count: 4, bucketCounts: [2, 1, 0, 1] }],
      ],
    ]);
    expect([latency.quantile(0.5), latency.quantile(0.75), latency.quantile(1)]).toEqual([1, 10, Infinity]);
  });

  test('names are checked: shape, suffix, no doubles, right number of labels', () => {
    const set = new MetricSet('x');
    set.counter('a_total', 'a');
    expect(() => set.counter('a_total', 'a')).toThrow('exists already');
    expect(() => set.counter('b', 'b')).toThrow('_total');
    expect(() => set.gauge('Bad-Name', 'b', () => 0)).toThrow('bad metric name');
    expect(() => new MetricSet('Bad')).toThrow('bad metric set name');
    expect(() => set.counterVec('c_total', 'c', ['one']).with('1', '2')).toThrow('expected labels one');
  });

  test('labelled children are bounded; what is above shares the child "other"', () => {
    const vec = new MetricSet('x').counterVec('c_total', 'c', ['peer']);
    for (let i = 0; i < METRIC_CHILDREN_MAX + 50; i++) vec.with(`peer-${i}`).value++;
    const samples = vec.samples();
    expect(samples).toHaveLength(METRIC_CHILDREN_MAX + 1);
    expect(samples.at(-1)).toEqual({ labelValues: ['other'], value: 50 });
  });

  test('the sets of this package have help texts', () => {
    for (const family of [...BOLT_METRICS.set.families(), ...NET_METRICS.set.families()]) {
      expect(family.help).toMatch(/^[A-Z].*\.$/);
    }
  });
});

describe('backoff', () => {
  test('waits grow, stay within bounds and jitter, and start over after reset', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const backoff = new Backoff(seededRandom(seed), { baseMs: 100, maxMs: 3000, factor: 2, jitter: 0.5 });
        for (const fullMs of [100, 200, 400, 800, 1600, 3000, 3000]) {
          const ms = backoff.nextMs();
          expect(ms).toBeGreaterThan(fullMs / 2);
          expect(ms).toBeLessThanOrEqual(fullMs);
        }
        expect(backoff.attempt).toBe(7);
        backoff.reset();
        expect(backoff.nextMs()).toBeLessThanOrEqual(100);
      }),
    );
  });

  test('stays finite however often it is asked', () => {
    const backoff = new Backoff(seededRandom(1), { jitter: 0 });
    for (let i = 0; i < 5000; i++) backoff.nextMs();
    expect(backoff.nextMs()).toBe(5000);
  });
});

describe.each([
  ['seeded', seededRandom(42)],
  ['node', nodeRandom()],
])('%s random', (_name, random) => {
  test('numbers are in range and spread, UUIDs are of version 4 and differ', () => {
    const buckets = Array.from({ length: 16 }, () => 0);
    for (let i = 0; i < 4000; i++) {
      const value = random.next();
      expect(value >= 0 && value < 1).toBe(true);
      buckets[Math.floor(value * 16)]++;
      const word = random.uint32();
      expect(Number.isInteger(word) && word >= 0 && word < 2 ** 32).toBe(true);
    }
    for (const count of buckets) expect(count).toBeGreaterThan(150);
    const uuids = new Set(Array.from({ length: 200 }, () => random.uuid()));
    expect(uuids.size).toBe(200);
    for (const uuid of uuids) expect(uuid).toMatch(UUID_V4);
  });
});

test('the same seed gives the same numbers, another seed others', () => {
  const take = (seed: number) => {
    const random = seededRandom(seed);
    return [random.uint32(), random.next(), random.uuid()];
  };
  expect(take(7)).toEqual(take(7));
  expect(take(7)).not.toEqual(take(8));
});

describe('loggers', () => {
  test('the memory logger keeps lines of its children, up to a bound', () => {
    const logger = memoryLogger();
    logger.child({ role: 'data' }).child({ slot: 3 }).warn('late', { ms: 5 });
    logger.debug('d');
    logger.info('i');
    logger.error('e');
    expect(logger.lines[0]).toEqual({
      level: 'warn',
      message: 'late',
      fields: { role: 'data', slot: 3, ms: 5 },
    });
    expect(logger.lines.map((line) => line.level)).toEqual(['warn', 'debug', 'info', 'error']);
    for (let i = 0; i < LOG_LINES_MAX; i++) logger.info(String(i));
    expect(logger.lines).toHaveLength(LOG_LINES_MAX);
    expect(noopLogger().child({ a: 1 })).toBe(noopLogger());
  });

  test('pino as JSON: one object per line, levels by name, errors with their stack, children with their fields', () => {
    const lines: string[] = [];
    const logger = pinoLogger({
      level: 'debug',
      destination: { write: (line) => void lines.push(line) },
      fields: { role: 'meta' },
    });
    logger.child({ term: 3 }).error('lost', { error: new Error('why') });
    logger.debug('plain');
    const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first).toMatchObject({
      level: 'error',
      msg: 'lost',
      role: 'meta',
      term: 3,
      error: { message: 'why' },
    });
    expect(first.time).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(second).toMatchObject({ level: 'debug', msg: 'plain' });
    expect(lines[1].endsWith('}\n')).toBe(true);
  });

  test('pino readable: one line whatever the message and fields hold', () => {
    const lines: string[] = [];
    const logger = pinoLogger({ format: 'pretty', destination: { write: (line) => void lines.push(line) } });
    logger.debug('below the level');
    logger.info('started', { port: 9600, host: '127.0.0.1', note: 'two words' });
    logger.warn('evil\nERROR forged\u001b[31m', { id: 'a\nb\u009b' });
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^\S+Z INFO {2}started port=9600 host=127\.0\.0\.1 note="two words"\n$/);
    expect(lines[1]).toMatch(/WARN {2}evil\\nERROR forged\\u001b\[31m id="a\\nb\\u009b"\n$/);
  });
});

test('errors carry code, retryable and message of the table', () => {
  const error = new RpcError('SR_RPC_STATUS', 'status 0x0012', 0x12);
  expect(error).toMatchObject({ name: 'RpcError', status: 0x12, retryable: false, code: 'SR_RPC_STATUS' });
  expect(error.message).toBe(`${RUNTIME_ERRORS.SR_RPC_STATUS.message}: status 0x0012`);
  expect(new RpcError('SR_RPC_BUSY').message).toBe(RUNTIME_ERRORS.SR_RPC_BUSY.message);
});
