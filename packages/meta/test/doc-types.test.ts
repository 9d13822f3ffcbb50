import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DOC_TYPES, docRefusal } from '../src/index.ts';

const GOOD: Readonly<Record<string, readonly string[]>> = {
  'switch/stop-push': ['true', 'false'],
  'switch/push-gray': ['', '10.0.0.1', '10.0.0.1, ::1', '["a"]', '{"ips":["10.0.0.1"]}'],
  'switch/compress-push': ['{}', '{"enabled":true,"compressMinSize":1,"forbidEncodes":["zstd"]}'],
  'operator/slot-reconcile': ['true', 'false'],
  'operator/protection': ['off', '0', '1', '0.5', '.25', '1.0'],
  'operator/draining': ['[]', '["10.0.0.1:9620"]'],
  'operator/release-hold': ['DEFAULT_GROUP', '*', 'a,b'],
  'operator/session-balance': ['on', 'off'],
  'operator/blacklist': ['{}', '{"FORBIDDEN_PUB":{"IP_FULL":["10.0.0.7"]}}'],
  'operator/datainfoid-blacklist': ['[]', '["a#@#DEFAULT_INSTANCE_ID#@#SOFA"]'],
  'operator/client-off': [
    '{}',
    '{"off":{}}',
    '{"off":{"10.0.0.7":{"pub":true},"::1":{"pub":false,"sub":true}},"reduced":["10.0.0.8"]}',
  ],
};
const BAD: Readonly<Record<string, readonly string[]>> = {
  'switch/stop-push': ['', 'yes', 'TRUE', 'true\n'],
  'switch/push-gray': ['{"ips":"10.0.0.1"}', '[1]', 'a b'],
  'switch/compress-push': [
    '',
    'true',
    '[]',
    '{"enabled":1}',
    '{"compressMinSize":-1}',
    '{"more":1}',
    '{"enabledClients":"a"}',
  ],
  'operator/slot-reconcile': ['stop', '0'],
  'operator/protection': ['', 'on', '-1', '1.5', '50%', 'NaN'],
  'operator/draining': ['', '10.0.0.1:9620', '[""]', '{}'],
  'operator/release-hold': ['a b', ','],
  'operator/session-balance': ['false'],
  'operator/blacklist': [
    '[]',
    '{"FORBIDDEN_X":{}}',
    '{"FORBIDDEN_PUB":{"IP_FULL":[1]}}',
    '{"FORBIDDEN_PUB":null}',
  ],
  'operator/datainfoid-blacklist': ['', 'a', '{}', '[1]', '[""]'],
  'operator/client-off': [
    '{"a":1}',
    '10.0.0.7',
    '["10.0.0.7"]',
    '{"off":["10.0.0.7"]}',
    '{"off":{"10.0.0.7":{}}}',
    '{"off":{"10.0.0.7":true}}',
    '{"off":{"10.0.0.7":{"pub":true,"sub":"yes"}}}',
    '{"off":{"10.0.0.7":{"pub":true,"more":1}}}',
    '{"off":{"not a host":{"pub":true}}}',
    '{"off":{},"reduced":[1]}',
  ],
};

it.each(Object.keys(DOC_TYPES))(
  '%s takes what its readers understand, and names the rule otherwise',
  (key) => {
    for (const value of GOOD[key]) expect(docRefusal(key, value), value).toBe('');
    for (const value of BAD[key]) {
      expect(docRefusal(key, value), value).toContain(`${key} = `);
      expect(docRefusal(key, value), value).toContain(`it must be ${DOC_TYPES[key].rule}`);
    }
  },
);

it('keys that mean nothing are refused with those that do; persistent ones are free, up to a bound', () => {
  expect(docRefusal('operator/protecton', '0.5')).toMatch(
    /^no document operator\/protecton: there are switch\/stop-push, /,
  );
  expect(docRefusal('operator/toString', 'x')).toContain('no document');
  expect(docRefusal('persistent/a#@#b#@#c', 'anything')).toBe('');
  expect(docRefusal('persistent/a', 'x'.repeat(300_000))).toContain('at most 262144');
});

it('never throws, whatever is written', () => {
  const keys = fc.constantFrom(...Object.keys(DOC_TYPES), 'persistent/x', 'operator/__proto__');
  fc.assert(
    fc.property(
      keys,
      fc.oneof(fc.string(), fc.json()),
      (key, value) => typeof docRefusal(key, value) === 'string',
    ),
  );
});
