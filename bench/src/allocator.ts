/** Time of the slot allocator (budget: a table for 60 data nodes in at most 50 ms). Run: node --conditions=development bench/src/allocator.ts */
import { World } from '../../packages/meta/test/allocator-world.ts';

function world(nodes: number, slotCount: number, replicas = 2): World {
  const made = new World(slotCount, replicas);
  for (let i = 1; i <= nodes; i++) made.join(i);
  return made;
}

function time(name: string, prepare: () => World, runs = 15): void {
  const times: number[] = [];
  for (let i = 0; i < runs; i++) {
    const w = prepare();
    const start = performance.now();
    w.round();
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const [fastest] = times;
  console.log(
    `${name.padEnd(52)} best ${fastest.toFixed(2).padStart(8)} ms   median ${times[runs >> 1].toFixed(2).padStart(8)} ms   worst ${times[runs - 1].toFixed(2).padStart(8)} ms`,
  );
}

function settled(nodes: number, slotCount: number): World {
  const made = world(nodes, slotCount);
  made.settle();
  return made;
}

for (const [slots, runs] of [
  [256, 15],
  [4096, 5],
] as const) {
  time(`first placement, 60 nodes, ${slots} slots`, () => world(60, slots), runs);
  time(
    `one node lost, 60 nodes, ${slots} slots`,
    () => {
      const w = settled(60, slots);
      w.remove('10.0.0.7:9621');
      return w;
    },
    runs,
  );
  time(
    `twenty nodes lost, 60 nodes, ${slots} slots`,
    () => {
      const w = settled(60, slots);
      for (let i = 1; i <= 20; i++) w.remove(`10.0.0.${i}:9621`);
      return w;
    },
    runs,
  );
  time(
    `one node joins, 59 nodes, ${slots} slots`,
    () => {
      const w = settled(59, slots);
      w.join(60);
      return w;
    },
    runs,
  );
  time(`nothing to do, 60 nodes, ${slots} slots`, () => settled(60, slots), runs);
}
