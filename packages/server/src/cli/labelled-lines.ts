/** Puts the output of several processes into one stream, line by line, each line with the name of its process. */
import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** A longer line is written in pieces of this length, each with the name, in UTF-16 units. */
const LINE_UNITS_MAX = 65_536;

/** The part of a stream that is written to. */
export interface LineSink {
  write(text: string): boolean;
  once(event: 'drain', listener: () => void): unknown;
}

/** `line` with the name in it: as first field of a JSON line, before any other. */
export function labelled(name: string, line: string): string {
  return line.startsWith('{"') ? `{"process":${JSON.stringify(name)},${line.slice(1)}` : `${name}: ${line}`;
}

/** Copies all lines of `source`. A sink that does not keep up slows the process down, as its own output would. */
export function copyLines(name: string, source: Readable, sink: LineSink): void {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  const write = (lines: readonly string[]): void => {
    if (lines.length === 0) return;
    const text = lines.map((line) => `${labelled(name, line)}\n`).join('');
    if (sink.write(text)) return;
    source.pause();
    sink.once('drain', () => source.resume());
  };
  source.on('data', (chunk: Buffer) => {
    const lines = (rest + decoder.write(chunk)).split('\n');
    rest = lines.pop() ?? '';
    const pieces = lines.filter((line) => line !== '');
    for (; rest.length >= LINE_UNITS_MAX; rest = rest.slice(LINE_UNITS_MAX))
      pieces.push(rest.slice(0, LINE_UNITS_MAX));
    write(pieces);
  });
  source.on('end', () => {
    const last = rest + decoder.end();
    if (last !== '') write([last]);
  });
}
