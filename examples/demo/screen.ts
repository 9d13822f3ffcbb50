/** What the demo shows: lines that stay, and below them a table that is drawn again and again. */
import type { Row } from './messages.ts';

/** Without a terminal the table is printed when the list has changed, and at most this often otherwise. */
const PLAIN_TABLE_MS = 3000;

const live = process.stdout.isTTY === true;
let drawnLines = 0;
let table: readonly string[] = [];
let plainKey = '';
let plainAtMs = 0;

function erase(): void {
  if (drawnLines > 0) process.stdout.write(`\u001b[${drawnLines}A\u001b[J`);
  drawnLines = 0;
}

function draw(): void {
  process.stdout.write(`${table.join('\n')}\n`);
  drawnLines = table.length;
}

/** A line that stays. */
export function say(text: string): void {
  if (live) erase();
  process.stdout.write(`${text}\n`);
  if (live && table.length > 0) draw();
}

/** The table, in place on a terminal. */
export function showTable(rows: readonly Row[], listAgeMs: number, state: string): void {
  table = render(rows, listAgeMs, state);
  if (live) {
    erase();
    draw();
    return;
  }
  const key = rows.map((row) => `${row.url} ${row.name}`).join('\n');
  if (key === plainKey && performance.now() - plainAtMs < PLAIN_TABLE_MS) return;
  plainKey = key;
  plainAtMs = performance.now();
  process.stdout.write(`${table.join('\n')}\n`);
}

/** Leaves the last table standing. */
export function endTable(): void {
  drawnLines = 0;
  table = [];
}

function render(rows: readonly Row[], listAgeMs: number, state: string): string[] {
  const line = (name: string, url: string, answers: string, last: string): string =>
    `  ${name.padEnd(10)} ${url.padEnd(36)} ${answers.padStart(8)}  ${last}`;
  const body = rows.map((row) => line(row.name || '?', row.url, String(row.answers), row.last));
  return [
    `  consumer: ${state}; list of ${rows.length}, ${(listAgeMs / 1000).toFixed(1)} s old`,
    line('provider', 'address', 'answers', 'last call'),
    ...(body.length > 0 ? body : ['  (nobody)']),
    '',
  ];
}
