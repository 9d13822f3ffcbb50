import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AppIndex } from '../src/core/app-index.ts';

function index(): AppIndex {
  let version = 100;
  return new AppIndex(() => ++version);
}

describe('index of applications', () => {
  it('changes the version of a service only when its set of applications does', () => {
    const apps = index();
    apps.add('r1', 'a', ['s', '__proto__'], 0);
    const before = apps.version;
    apps.add('r2', 'a', ['s'], 0);
    apps.add('r2', 'a', ['s'], 0);
    expect(apps.version).toBe(before);
    apps.add('r3', 'b', ['s'], 0);
    expect(apps.scan(before, 10).changes).toEqual([{ service: 's', version: before + 1, apps: ['a', 'b'] }]);
    apps.remove('r1');
    expect(apps.scan(before + 1, 10).changes).toEqual([
      { service: '__proto__', version: before + 2, apps: [] },
    ]);
  });

  it('names revisions that were not touched for long, once', () => {
    const apps = index();
    apps.add('r1', 'a', [], 0);
    expect(apps.takeUntouched(['r1', 'x'], 100, 99)).toEqual([]);
    expect(apps.takeUntouched(['r1', 'x'], 100, 100)).toEqual(['r1']);
    expect(apps.takeUntouched(['r1'], 100, 150)).toEqual([]);
    expect(apps.ids('', 10)).toEqual(['r1']);
    expect(apps.ids('r1', 10)).toEqual([]);
  });

  it('lets a reader that pages through changes end with exactly the index', () => {
    const step = fc.record({ id: fc.nat(8), app: fc.nat(3), remove: fc.boolean(), read: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 4 }), (steps, limit) => {
        const apps = index();
        const copy = new Map<string, readonly string[]>();
        const held = new Map<string, string>();
        let after = 0;
        const readAll = (): void => {
          for (;;) {
            const { changes, next, more } = apps.scan(after, limit);
            expect(changes.length).toBeLessThanOrEqual(limit);
            for (const { service, version, apps: names } of changes) {
              expect(version).toBeGreaterThan(after);
              if (names.length === 0) copy.delete(service);
              else copy.set(service, names);
            }
            expect(next).toBeGreaterThanOrEqual(after);
            after = next;
            if (!more) return;
          }
        };
        for (const { id, app, remove, read } of steps) {
          const name = `r${id}`;
          if (remove) {
            apps.remove(name);
            held.delete(name);
          } else if (!held.has(name)) {
            apps.add(name, `app${app}`, [`s${id % 3}`, 'all'], 0);
            held.set(name, `app${app}`);
          }
          if (read) readAll();
        }
        readAll();
        const wanted = new Map<string, Set<string>>();
        for (const [name, app] of held) {
          for (const service of [`s${Number(name.slice(1)) % 3}`, 'all'])
            wanted.set(service, (wanted.get(service) ?? new Set()).add(app));
        }
        const sorted = (map: Map<string, Iterable<string>>) =>
          new Map([...map].map(([service, names]) => [service, [...names].sort()]));
        expect(sorted(copy)).toEqual(sorted(wanted));
        expect(apps.revisions).toBe(held.size);
      }),
    );
  });
});
