/**
 * sr.ListPush encoded once and shared: everything before and after the registerIds is the same for all connections, so each
 * costs one small buffer. Hot path.
 */
import { BinaryWriter, ListPush, type MessageOf } from '@sofa-registry/wire';

const writer = new BinaryWriter();

/** A list push without its registerIds. */
export class SdkPushBody {
  readonly className = ListPush.className;
  readonly #prefix: Buffer;
  readonly shared: Buffer;

  /** @param push `registerIds` is not used */
  constructor(push: MessageOf<typeof ListPush>) {
    const whole = ListPush.encode({ ...push, registerIds: [] });
    // The registerIds stand behind the format byte and six strings; an empty list is one byte.
    let at = 1;
    for (const text of [push.dataId, push.group, push.instanceId, push.segment, push.scope, push.localZone]) {
      const bytes = Buffer.byteLength(text, 'utf8');
      at += bytes + varintBytes(bytes);
    }
    this.#prefix = Buffer.from(whole.subarray(0, at));
    this.shared = whole.subarray(at + 1);
  }

  /** Content for these subscribers. */
  parts(registerIds: readonly string[]): [Buffer, Buffer] {
    writer.raw(this.#prefix);
    writer.uint(registerIds.length);
    for (let i = 0; i < registerIds.length; i++) writer.str(registerIds[i]);
    return [writer.take(), this.shared];
  }
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
}
