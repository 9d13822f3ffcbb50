import type { MetaRegister } from '@sofa-registry/wire';
import { describe, expect, it } from 'vitest';
import { AppMetadata } from '../src/metadata/app-metadata.ts';

function revision(id: string, app: string, services: string[]): MetaRegister {
  return {
    application: app,
    revision: id,
    clientVersion: '1',
    baseParams: new Map(),
    services: new Map(services.map((name) => [name, { id: name, params: new Map() }])),
  };
}

function metadata(revisionsMax = 100, revisionBytesMax = 1_000_000): AppMetadata {
  let version = 0;
  return new AppMetadata({ revisionsMax, revisionBytesMax }, () => ++version);
}

const page = (term: number, next: number, services: [string, number, string[]][], more = false) => ({
  term,
  next,
  more,
  services: services.map(([service, version, apps]) => ({ service, version, apps })),
});

describe('what a session knows of applications', () => {
  it('counts what its clients registered at once, and hands it over once', () => {
    const core = metadata();
    expect(core.register(revision('r1', 'app1', ['__proto__', 's']), 100, 0)).toBe(true);
    expect(core.register(revision('r1', 'app1', ['__proto__', 's']), 100, 5)).toBe(false);
    expect(core.appsOf('__proto__')?.apps).toEqual(['app1']);
    expect(core.takePending(10, 1000).map(({ revision: id }) => id)).toEqual(['r1']);
    core.stored(['r1']);
    expect(core.takePending(10, 1000)).toEqual([]);
    expect(core.register(revision('r1', 'app1', ['s']), 100, 9)).toBe(false);
    expect(core.heardSince(9)).toEqual(['r1']);
    expect(core.heardSince(10)).toEqual([]);
  });

  it('bounds a batch by items and bytes, but lets one large revision go', () => {
    const core = metadata();
    for (const id of ['a', 'b', 'c']) core.register(revision(id, 'app', []), 600, 0);
    expect(core.takePending(10, 1200)).toHaveLength(2);
    expect(core.takePending(1, 1200)).toHaveLength(1);
    expect(core.takePending(10, 100)).toHaveLength(1);
  });

  it('adds its own to the index of the leader, until the index has it', () => {
    const core = metadata();
    core.register(revision('r1', 'mine', ['s']), 1, 0);
    expect(core.behind(1, 40)).toBe(true);
    expect(core.readFrom(1)).toBe(0);
    expect(core.page(page(1, 40, [['s', 40, ['other']]]))).toBe(true);
    expect(core.behind(1, 40)).toBe(false);
    expect(core.appsOf('s')).toEqual({ version: 40, apps: ['other', 'mine'] });
    core.stored(['r1']);
    expect(core.appsOf('s')?.apps).toEqual(['other', 'mine']);
    // A reading that began before may lack it; the next one does not.
    core.readFrom(1);
    core.page(page(1, 41, [['s', 41, ['other', 'mine']]]));
    expect(core.appsOf('s')).toEqual({ version: 41, apps: ['other', 'mine'] });
    core.page(page(1, 42, [['s', 42, []]]));
    expect(core.appsOf('s')).toBeUndefined();
  });

  it('reads the whole index of another term and shows the old one meanwhile', () => {
    const core = metadata();
    core.readFrom(1);
    core.page(
      page(1, 7, [
        ['old', 6, ['a']],
        ['both', 7, ['a']],
      ]),
    );
    expect(core.behind(2, 1)).toBe(true);
    expect(core.readFrom(2)).toBe(0);
    expect(core.page(page(2, 8, [['both', 8, ['b']]], true))).toBe(false);
    expect(core.appsOf('old')?.apps).toEqual(['a']);
    expect(core.readFrom(2)).toBe(8);
    expect(core.page(page(2, 9, [['new', 9, ['c']]]))).toBe(true);
    expect([core.appsOf('old'), core.appsOf('both')?.apps, core.appsOf('new')?.apps]).toEqual([
      undefined,
      ['b'],
      ['c'],
    ]);
  });

  it('hands over again what meta has lost, and forgets what nobody has', () => {
    const core = metadata();
    core.register(revision('r1', 'app', ['s']), 1, 0);
    core.stored(['r1']);
    core.exists(['r2'], 0);
    expect(core.heard(['r1', 'r2', 'r3'], 1)).toEqual(['r3']);
    expect(core.missing(['r1', 'r2'])).toBe(true);
    expect(core.takePending(10, 10).map(({ revision: id }) => id)).toEqual(['r1']);
    expect(core.heard(['r1', 'r2'], 2)).toEqual(['r2']);
  });

  it('keeps what was named last within its bounds, and counts what meta never got', () => {
    const few = metadata(2);
    few.register(revision('r1', 'app1', ['s']), 1, 0);
    few.register(revision('r2', 'app2', ['s']), 1, 0);
    few.stored(['r1', 'r2']);
    few.heard(['r1'], 1);
    few.register(revision('r3', 'app3', []), 1, 2);
    expect([few.size, few.revision('r2'), few.lost]).toEqual([2, undefined, 0]);
    few.register(revision('r4', 'app4', []), 1, 3);
    few.register(revision('r5', 'app5', []), 1, 4);
    expect(few.lost).toBe(1);
    const small = metadata(100, 1000);
    small.register(revision('big', 'app', []), 5000, 0);
    expect(small.size).toBe(1);
    small.register(revision('other', 'app', []), 900, 1);
    expect(small.revision('big')).toBeUndefined();
  });
});
