/**
 * Tags of the pre-release Hessian 2 dialect (wire 2.3). Ranges that carry a value in the tag are written as comments.
 *
 *   value  = null | bool | int | long | double | date | string | bytes | list | map | object | ref
 *   null   = 4e                         bool = 54 | 46
 *   int    = 80..bf | c0..cf b | d0..d7 b b | 49 b b b b
 *   long   = d8..ef | f0..ff b | 38..3f b b | 77 b*4 | 4c b*8
 *   double = 67 | 68 | 69 b | 6a b b | 6b b*4 | 44 b*8        date = 64 b*8
 *   string = (73 len16 chars)* (53 len16 chars | 00..1f chars)
 *   bytes  = (62 len16 b*)* (42 len16 b* | 20..2f b*)
 *   list   = 56 [type] [6e len8 | 6c len32] value* 7a | 76 int(typeRef) int(length) value*
 *   map    = 4d [type] (value value)* 7a
 *   type   = 74 len16 chars | (75 | 54) int(typeRef)
 *   object = definition* 6f int(classRef) value*
 *   definition = 4f int(length) chars int(fields) string*
 *   ref    = 4a b | 4b b b | 52 b*4
 */
export const TAG_NULL = 0x4e;
export const TAG_TRUE = 0x54;
export const TAG_FALSE = 0x46;
export const TAG_INT = 0x49;
export const TAG_LONG_INT = 0x77;
export const TAG_LONG = 0x4c;
export const TAG_DOUBLE_ZERO = 0x67;
export const TAG_DOUBLE_ONE = 0x68;
export const TAG_DOUBLE_BYTE = 0x69;
export const TAG_DOUBLE_SHORT = 0x6a;
export const TAG_DOUBLE_FLOAT = 0x6b;
export const TAG_DOUBLE = 0x44;
export const TAG_DATE = 0x64;
export const TAG_STRING = 0x53;
export const TAG_STRING_CHUNK = 0x73;
export const TAG_BYTES = 0x42;
export const TAG_BYTES_CHUNK = 0x62;
export const TAG_LIST = 0x56;
export const TAG_LIST_FIXED = 0x76;
export const TAG_LENGTH_BYTE = 0x6e;
export const TAG_LENGTH_INT = 0x6c;
export const TAG_MAP = 0x4d;
export const TAG_TYPE = 0x74;
export const TAG_TYPE_REF = 0x75;
/** The same byte as `true`: where a type may stand it is a type reference, as in the Java reader. */
export const TAG_TYPE_REF_OLD = 0x54;
export const TAG_DEFINITION = 0x4f;
export const TAG_OBJECT = 0x6f;
export const TAG_REF_BYTE = 0x4a;
export const TAG_REF_SHORT = 0x4b;
export const TAG_REF_INT = 0x52;
export const TAG_END = 0x7a;
/** A class definition of the published Hessian 2.0 grammar: the mark of a 4.x writer. */
export const TAG_HESSIAN_V4 = 0x43;

/** Longest string or bytes chunk, in UTF-16 units or bytes. */
export const CHUNK_MAX = 0x8000;
