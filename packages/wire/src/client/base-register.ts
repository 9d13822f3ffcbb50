/**
 * Hot path. The part all registrations share (wire 2.5, 5).
 *
 * Hessian: the fields below, in this order, between the subclass's scalar fields and its collections; `attributes` last.
 *
 *   BaseRegisterPb = instanceId=1 zone=2 appName=3 dataId=4 group=5 processId=6 registId=7 clientId=8 dataInfoId=9 ip=10
 *                    port=11:int32 eventType=12 version=13:int64 timestamp=14:int64 attributes=15:map<string,string>
 */
import type { ByteWriter } from '../bytes/byte-writer.ts';
import type { HessianReader } from '../hessian/reader.ts';
import { writeInt, writeLong, writeString } from '../hessian/writer.ts';
import type { PbReader } from '../pb/reader.ts';
import { pbInt32, pbInt64, pbString, pbStringMap } from '../pb/writer.ts';
import type { BaseRegister } from './types.ts';

/** Hessian fields 1-14; ids 0-13. `attributes` is written last by every subclass. */
export const BASE_FIELDS = [
  'instanceId',
  'zone',
  'appName',
  'dataId',
  'group',
  'processId',
  'registId',
  'clientId',
  'dataInfoId',
  'ip',
  'port',
  'eventType',
  'version',
  'timestamp',
] as const;

const readText = (reader: HessianReader): string => reader.readText();

/** Reads the value of one base field. Subclasses number `attributes` 14 and their own fields from 15 on. */
export function readBaseField(reader: HessianReader, out: BaseRegister, id: number): void {
  switch (id) {
    case 0:
      out.instanceId = reader.readShared();
      break;
    case 1:
      out.zone = reader.readShared();
      break;
    case 2:
      out.appName = reader.readShared();
      break;
    case 3:
      out.dataId = reader.readShared();
      break;
    case 4:
      out.group = reader.readShared();
      break;
    case 5:
      out.processId = reader.readShared();
      break;
    case 6:
      out.registId = reader.readString();
      break;
    case 7:
      out.clientId = reader.readString();
      break;
    case 8:
      out.dataInfoId = reader.readShared();
      break;
    case 9:
      out.ip = reader.readShared();
      break;
    case 10:
      out.port = reader.tryNull() ? null : reader.readInt();
      break;
    case 11:
      out.eventType = reader.readShared();
      break;
    case 12:
      out.version = reader.readInt64();
      break;
    case 13:
      out.timestamp = reader.readInt64();
      break;
    case 14:
      out.attributes = reader.readMap(readText);
      break;
    default:
      reader.skip();
  }
}

/** Writes fields 1-14. */
export function writeBaseFields(out: ByteWriter, value: BaseRegister): void {
  writeString(out, value.instanceId);
  writeString(out, value.zone);
  writeString(out, value.appName);
  writeString(out, value.dataId);
  writeString(out, value.group);
  writeString(out, value.processId);
  writeString(out, value.registId);
  writeString(out, value.clientId);
  writeString(out, value.dataInfoId);
  writeString(out, value.ip);
  writeInt(out, value.port);
  writeString(out, value.eventType);
  writeLong(out, value.version);
  writeLong(out, value.timestamp);
}

/** Sets what an unset protobuf field means: '' and 0. */
export function clearBasePb(out: BaseRegister): void {
  out.instanceId = out.zone = out.appName = out.dataId = out.group = out.processId = '';
  out.registId = out.clientId = out.dataInfoId = out.ip = out.eventType = '';
  out.port = 0;
  out.version = 0;
  out.timestamp = 0;
}

/** Reads a BaseRegisterPb field into `out`; a second one merges, as proto3 asks. */
export function readBasePb(reader: PbReader, out: BaseRegister): void {
  const outer = reader.enter();
  while (reader.more()) {
    switch (reader.tag()) {
      case 0x0a:
        out.instanceId = reader.shared();
        break;
      case 0x12:
        out.zone = reader.shared();
        break;
      case 0x1a:
        out.appName = reader.shared();
        break;
      case 0x22:
        out.dataId = reader.shared();
        break;
      case 0x2a:
        out.group = reader.shared();
        break;
      case 0x32:
        out.processId = reader.shared();
        break;
      case 0x3a:
        out.registId = reader.string();
        break;
      case 0x42:
        out.clientId = reader.string();
        break;
      case 0x4a:
        out.dataInfoId = reader.shared();
        break;
      case 0x52:
        out.ip = reader.shared();
        break;
      case 0x58:
        out.port = reader.int32();
        break;
      case 0x62:
        out.eventType = reader.shared();
        break;
      case 0x68:
        out.version = reader.int64();
        break;
      case 0x70:
        out.timestamp = reader.int64();
        break;
      case 0x7a:
        reader.stringEntryInto((out.attributes ??= new Map()));
        break;
      default:
        reader.skip();
    }
  }
  reader.leave(outer);
}

/** Writes the fields of a BaseRegisterPb. */
export function writeBasePb(out: ByteWriter, value: BaseRegister): void {
  pbString(out, 0x0a, value.instanceId);
  pbString(out, 0x12, value.zone);
  pbString(out, 0x1a, value.appName);
  pbString(out, 0x22, value.dataId);
  pbString(out, 0x2a, value.group);
  pbString(out, 0x32, value.processId);
  pbString(out, 0x3a, value.registId);
  pbString(out, 0x42, value.clientId);
  pbString(out, 0x4a, value.dataInfoId);
  pbString(out, 0x52, value.ip);
  pbInt32(out, 0x58, value.port);
  pbString(out, 0x62, value.eventType);
  pbInt64(out, 0x68, value.version);
  pbInt64(out, 0x70, value.timestamp);
  pbStringMap(out, 0x7a, value.attributes);
}
