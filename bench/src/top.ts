/**
 * Where the time of a CPU profile went, by function and by file.
 *
 *   npm run bench -- --only publish --cpu-prof /tmp/prof
 *   node bench/src/top.ts /tmp/prof/publish.cpuprofile [lines] [from-ms] [to-ms]
 */
import { readFileSync } from 'node:fs';

interface ProfileNode {
  id: number;
  callFrame: { functionName: string; url: string; lineNumber: number };
  children?: number[];
}

interface Profile {
  nodes: ProfileNode[];
  samples: number[];
  timeDeltas: number[];
}

const [file, lines = '40', fromMs = '0', toMs = 'Infinity'] = process.argv.slice(2);
const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile;

function placeOf({ callFrame }: ProfileNode): string {
  const path = callFrame.url.replace(/^file:\/\//, '').replace(`${process.cwd()}/`, '');
  return path === '' ? '(engine)' : path;
}

function nameOf(node: ProfileNode): string {
  const { functionName, lineNumber } = node.callFrame;
  return `${functionName === '' ? '(anonymous)' : functionName} ${placeOf(node)}:${lineNumber + 1}`;
}

function add(map: Map<string, number>, key: string, value: number): void {
  map.set(key, (map.get(key) ?? 0) + value);
}

const byId = new Map(profile.nodes.map((node) => [node.id, node]));
const selfOf = new Map<number, number>();
let at = 0;
profile.samples.forEach((id, i) => {
  at += profile.timeDeltas[i];
  if (at < Number(fromMs) * 1000 || at > Number(toMs) * 1000) return;
  selfOf.set(id, (selfOf.get(id) ?? 0) + profile.timeDeltas[i]);
});

const self = new Map<string, number>();
const files = new Map<string, number>();
const total = new Map<string, number>();

/** Adds self and total times of a subtree; a function counts once per stack, however often it recurs. */
function visit(node: ProfileNode, stack: Set<string>): number {
  const name = nameOf(node);
  const own = selfOf.get(node.id) ?? 0;
  add(self, name, own);
  add(files, placeOf(node), own);
  const fresh = !stack.has(name);
  if (fresh) stack.add(name);
  let sum = own;
  for (const id of node.children ?? []) sum += visit(byId.get(id)!, stack);
  if (fresh) {
    stack.delete(name);
    add(total, name, sum);
  }
  return sum;
}

const all = visit(profile.nodes[0], new Set());
const idle = [...self]
  .filter(([name]) => name.startsWith('(idle)'))
  .reduce((sum, [, value]) => sum + value, 0);
const busy = all - idle;

function print(title: string, map: Map<string, number>): void {
  console.log(`\n${title}   (busy ${(busy / 1000).toFixed(0)} ms of ${(all / 1000).toFixed(0)} ms)`);
  const sorted = [...map].filter(([name]) => !name.startsWith('(idle)')).toSorted((a, b) => b[1] - a[1]);
  for (const [name, value] of sorted.slice(0, Number(lines))) {
    console.log(
      `${((100 * value) / busy).toFixed(1).padStart(6)} %  ${(value / 1000).toFixed(0).padStart(7)} ms  ${name}`,
    );
  }
}

print('self time by function', self);
print('self time by file', files);
print('total time by function', total);
