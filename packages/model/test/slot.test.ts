import { crc32c, slotOf } from '@sofa-registry/model';
import { expect, test } from 'vitest';

const VECTORS: [string, string, number][] = [
  ['', '00000000', 0],
  ['123456789', 'e3069283', 125],
  ['com.alipay.test.demo.service:1.0@DEFAULT#@#DEFAULT_INSTANCE_ID#@#TEST_GROUP', '3a66b367', 103],
  ['com.alipay.sofa.rpc.example.HelloService#@#SOFA#@#00001', '4ba9e497', 151],
  ['服务#@#DEFAULT_INSTANCE_ID#@#SOFA', '785aa860', 96],
];

test.each(VECTORS)('slot of %j', (text, crc, slot) => {
  expect((crc32c(text) >>> 0).toString(16).padStart(8, '0')).toBe(crc);
  expect(slotOf(text, 256)).toBe(slot);
});
