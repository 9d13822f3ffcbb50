/** Official Java clients of several generations that publish and watch the same services, under the eyes of the oracle. */
import type { Cluster } from '../../../bench/src/cluster/cluster.ts';
import { Oracle, type Publication, type Sight } from '../../../bench/src/cluster/oracle.ts';
import { Pace } from '../../../bench/src/cluster/pace.ts';
import { valueOf } from '../../../bench/src/cluster/value.ts';
import { eventually } from '../e2e/waiting.ts';
import { JavaDriver, valuesOf } from './driver.ts';

const GROUP = 'DEFAULT_GROUP';
const REGISTERED_LIMIT_MS = 60_000;
const EXPLAINED_MAX = 6;

/** How many clients, and how much each of them does. */
export interface JavaFleetPlan {
  readonly versions: readonly string[];
  /** Clients of each version; they share a JVM. */
  readonly clients: number;
  readonly services: number;
  /** Services each client publishes, and as many that it watches. */
  readonly each: number;
}

interface Owned {
  readonly version: string;
  readonly name: string;
  readonly publication: Publication;
}

/** See above. */
export class JavaFleet {
  readonly oracle: Oracle;
  readonly #plan: JavaFleetPlan;
  readonly #drivers = new Map<string, JavaDriver>();
  readonly #sights = new Map<string, Sight>();
  #owned: Owned[] = [];
  readonly #churn = new Pace(() => this.#change(this.#owned[Math.floor(Math.random() * this.#owned.length)]));

  constructor(plan: JavaFleetPlan) {
    this.#plan = plan;
    this.oracle = new Oracle(plan.services);
  }

  /** Starts all JVMs; each client finds the registry through one of the sessions and registers everything it has. */
  async start(cluster: Cluster): Promise<void> {
    const sessions = cluster.of('session');
    const { versions, clients, services, each } = this.#plan;
    let n = 0;
    for (const version of versions) {
      const driver = await JavaDriver.start(version);
      this.#drivers.set(version, driver);
      driver.onData = (name, data) => {
        const sight = this.#sights.get(`${version}/${name}`);
        if (sight === undefined) throw new Error(`data for ${name}, which nobody subscribed`);
        // Official clients do not tell their users the version; what they hand out is in order.
        this.oracle.pushed(
          sight,
          { dataId: name, version: sight.version + 1, boxes: valuesOf(data) },
          version,
        );
      };
      for (let c = 0; c < clients; c++, n++) {
        const client = `client-${c}`;
        await driver.connect(client, { httpPort: sessions[n % sessions.length].ports.httpPort });
        for (let k = 0; k < each; k++) {
          const service = (n * 7 + k) % services;
          const publication = this.oracle.publish(service);
          const name = `pub-${publication.number}`;
          this.#owned.push({ version, name, publication });
          await driver.publish(client, name, `java-${service}`, GROUP, [valueOf(publication.number, 1)]);
        }
        for (let k = 0; k < each; k++) {
          const service = (n * 11 + k) % services;
          const name = `sub-${c}-${service}`;
          this.#sights.set(`${version}/${name}`, this.oracle.watch(service, `${version}/${client}`));
          await driver.subscribe(client, name, `java-${service}`, GROUP, 'dataCenter');
        }
      }
    }
    for (const { version, name, publication } of this.#owned) {
      await this.#driver(version).registered(name, REGISTERED_LIMIT_MS);
      publication.ackedMs = performance.now();
    }
  }

  /** Changes from now on, `perSecond` of them; 0 stops them. */
  churn(perSecond: number): void {
    this.#churn.set(perSecond);
  }

  /** Changes one publication of every service and waits until all who watch it know. @returns seconds it took */
  async propagates(limitMs: number): Promise<number> {
    const began = performance.now();
    const probes = [...new Map(this.#owned.map((owned) => [owned.publication.service, owned])).values()];
    const wanted = probes.map((owned) => {
      this.#change(owned);
      return { publication: owned.publication, revision: owned.publication.revision };
    });
    const unseen = (): number =>
      wanted.filter(({ publication, revision }) => !this.oracle.isSeen(publication, revision)).length;
    await eventually(`${wanted.length} changes are seen`, () => unseen() === 0, limitMs);
    return (performance.now() - began) / 1000;
  }

  /** Stops the changes and waits until every list is exactly right. */
  async equal(limitMs: number): Promise<void> {
    this.churn(0);
    await eventually(
      'all lists are right',
      () => {
        const wrong = this.oracle.wrong();
        if (wrong.length === 0) return true;
        const words = wrong.slice(0, EXPLAINED_MAX).map((sight) => this.oracle.explain(sight));
        throw new Error(`${wrong.length} lists are wrong:\n  ${words.join('\n  ')}`);
      },
      limitMs,
    );
  }

  /** Kills the JVM of one version and waits until nobody lists what it published. @returns seconds it took */
  async kill(version: string, limitMs: number): Promise<number> {
    const gone = this.#owned
      .filter((owned) => owned.version === version)
      .map(({ publication }) => publication);
    this.#owned = this.#owned.filter((owned) => owned.version !== version);
    const began = performance.now();
    for (const publication of gone) this.oracle.withdraw(publication);
    for (const [key, sight] of this.#sights) {
      if (key.startsWith(`${version}/`)) this.oracle.forget(sight);
    }
    await this.#driver(version).kill();
    const listed = (): boolean => gone.every((publication) => this.oracle.isGone(publication));
    await eventually(`nobody lists what ${version} published`, listed, limitMs);
    return (performance.now() - began) / 1000;
  }

  /** Publications that are published. */
  get published(): number {
    return this.#owned.length;
  }

  async stop(): Promise<void> {
    this.churn(0);
    await Promise.all([...this.#drivers.values()].map((driver) => driver.kill()));
  }

  #change({ version, name, publication }: Owned): void {
    this.oracle.update(publication);
    const value = valueOf(publication.number, publication.revision);
    this.#driver(version)
      .republish(name, [value])
      .catch((error: unknown) => {
        if (publication.wanted) throw error;
      });
  }

  #driver(version: string): JavaDriver {
    const driver = this.#drivers.get(version);
    if (driver === undefined) throw new Error(`no client of version ${version}`);
    return driver;
  }
}
