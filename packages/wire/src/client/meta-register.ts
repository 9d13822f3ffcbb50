/**
 * Registers an application revision, client -> session; protobuf only, answered with RegisterResponsePb (wire 5).
 *
 *   MetaRegister = application=1 revision=2 clientVersion=3 baseParams=4:map<string,StringList>
 *                  services=5:map<string,MetaService>
 *   MetaService  = id=1 params=3:map<string,StringList>
 *   StringList   = values=1:repeated string
 */
import type { ByteWriter } from '../bytes/byte-writer.ts';
import { CONTENT_LIMITS, type ContentLimits } from '../limits.ts';
import { type PbReader, pbReader } from '../pb/reader.ts';
import { pbClose, pbOpen, pbString, pbStringAlways, pbStringList } from '../pb/writer.ts';
import { freshScratch } from '../scratch.ts';
import type { MetaRegister, MetaService } from './types.ts';

function readListEntry(reader: PbReader, map: Map<string, string[]>): void {
  const outer = reader.enter();
  let key = '';
  const values: string[] = [];
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) key = reader.shared();
    else if (tag === 0x12) {
      const inner = reader.enter();
      while (reader.more()) {
        if (reader.tag() === 0x0a) reader.stringInto(values);
        else reader.skip();
      }
      reader.leave(inner);
    } else reader.skip();
  }
  reader.leave(outer);
  reader.put(map, key, values);
}

function readServiceEntry(reader: PbReader, map: Map<string, MetaService>): void {
  const outer = reader.enter();
  let key = '';
  const service: MetaService = { id: '', params: new Map() };
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) key = reader.shared();
    else if (tag === 0x12) {
      const inner = reader.enter();
      while (reader.more()) {
        const field = reader.tag();
        if (field === 0x0a) service.id = reader.shared();
        else if (field === 0x1a) readListEntry(reader, service.params);
        else reader.skip();
      }
      reader.leave(inner);
    } else reader.skip();
  }
  reader.leave(outer);
  reader.put(map, key, service);
}

/** An empty revision. */
export function emptyMetaRegister(): MetaRegister {
  return { application: '', revision: '', clientVersion: '', baseParams: new Map(), services: new Map() };
}

/** Reads the fields of a MetaRegister up to the end of the current message. */
export function readMetaRegister(reader: PbReader, out: MetaRegister): void {
  while (reader.more()) {
    const tag = reader.tag();
    if (tag === 0x0a) out.application = reader.shared();
    else if (tag === 0x12) out.revision = reader.shared();
    else if (tag === 0x1a) out.clientVersion = reader.shared();
    else if (tag === 0x22) readListEntry(reader, out.baseParams);
    else if (tag === 0x2a) readServiceEntry(reader, out.services);
    else reader.skip();
  }
}

function writeLists(out: ByteWriter, tag: number, map: ReadonlyMap<string, readonly string[]>): void {
  for (const [key, values] of map) {
    const entry = pbOpen(out, tag);
    pbStringAlways(out, 0x0a, key);
    const list = pbOpen(out, 0x12);
    pbStringList(out, 0x0a, values);
    pbClose(out, list);
    pbClose(out, entry);
  }
}

/** Writes the fields of a MetaRegister. */
export function writeMetaRegister(out: ByteWriter, value: MetaRegister): void {
  pbString(out, 0x0a, value.application);
  pbString(out, 0x12, value.revision);
  pbString(out, 0x1a, value.clientVersion);
  writeLists(out, 0x22, value.baseParams);
  for (const [key, service] of value.services) {
    const entry = pbOpen(out, 0x2a);
    pbStringAlways(out, 0x0a, key);
    const body = pbOpen(out, 0x12);
    pbString(out, 0x0a, service.id);
    writeLists(out, 0x1a, service.params);
    pbClose(out, body);
    pbClose(out, entry);
  }
}

/** Decodes protobuf content. @throws WireError */
export function decodeMetaRegister(content: Buffer, limits: ContentLimits = CONTENT_LIMITS): MetaRegister {
  const reader = pbReader(content, limits);
  const out = emptyMetaRegister();
  readMetaRegister(reader, out);
  reader.finish();
  return out;
}

/** Encodes as protobuf. @throws WireError */
export function encodeMetaRegister(value: MetaRegister): Buffer {
  const out = freshScratch();
  writeMetaRegister(out, value);
  return out.take();
}
