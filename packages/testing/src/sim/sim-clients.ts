/** The model clients of a run: they join, and do what the plan says. */
import type { Random } from '@sofa-registry/runtime';
import type { SimModel } from './model.ts';
import type { ModelClient } from './model-client.ts';
import { OfficialClient } from './official-client.ts';
import { type ClientStep, oneOf } from './plan.ts';
import { SdkClient } from './sdk-client.ts';
import type { SimCluster } from './sim-cluster.ts';
import { SimHost, type SimWorld } from './sim-host.ts';

/** The clients. */
export class SimClients {
  readonly #world: SimWorld;
  readonly #cluster: SimCluster;
  readonly #model: SimModel;
  readonly #random: Random;
  readonly #done: () => boolean;
  readonly #clients: ModelClient[] = [];

  /** @param done true once nothing is to be done any more */
  constructor(world: SimWorld, cluster: SimCluster, model: SimModel, random: Random, done: () => boolean) {
    this.#world = world;
    this.#cluster = cluster;
    this.#model = model;
    this.#random = random;
    this.#done = done;
  }

  /** Those that live, in order of joining. */
  living(): readonly ModelClient[] {
    return this.#clients.filter((client) => client.alive);
  }

  /** Does a step of the plan. */
  step(step: ClientStep): void {
    if (this.#done()) return;
    if (step.do === 'join') {
      this.#join(step.kind);
      return;
    }
    const client = this.#pick(step.client);
    if (client === null) return;
    switch (step.do) {
      case 'publish':
        client.publish(`service-${step.service}`);
        break;
      case 'publishTemporary':
        client.publishTemporary(`service-${step.service}`);
        break;
      case 'subscribe':
        client.subscribe(`service-${step.service}`, step.scope);
        break;
      case 'leave':
        client.leave();
        break;
      case 'die':
        client.die(step.silent);
        break;
      default:
        this.#change(client, step.do, step.pick);
    }
    this.#world.trace.add(client.name, () => `application: ${step.do}`);
  }

  /** A service gets busy. */
  hot(service: number, everyMs: number, forMs: number): void {
    const name = `service-${service}`;
    for (let atMs = 0; atMs < forMs; atMs += everyMs) {
      this.#world.clock.setTimer(atMs, () => {
        const client = this.#pick(this.#random.uint32());
        if (client === null || this.#done()) return;
        const own = [...client.publications.values()].filter((item) => item.wanted && item.service === name);
        if (own.length > 0) client.update(oneOf(this.#random, own).key);
        else if (this.#random.uint32() % 8 === 0) client.publish(name);
      });
    }
  }

  #pick(index: number): ModelClient | null {
    const living = this.living();
    return living.length === 0 ? null : living[index % living.length];
  }

  #change(client: ModelClient, what: 'update' | 'unpublish' | 'unsubscribe', pick: number): void {
    const items = what === 'unsubscribe' ? client.subscriptions : client.publications;
    const wanted = [...items.values()].filter((item) => item.wanted);
    if (wanted.length > 0) client[what](wanted[pick % wanted.length].key);
  }

  #join(kind: number): void {
    const host = new SimHost(this.#world, `client-${this.#clients.length + 1}`);
    const zone = oneOf(this.#random, this.#cluster.options.zones);
    const sessions = (): readonly string[] => this.#sessionsOf(zone);
    const kinds = ['official-hessian', 'official-pb', 'sdk', 'sdk'] as const;
    const chosen = kinds[kind % kinds.length];
    const client: ModelClient =
      chosen === 'sdk'
        ? new SdkClient(host, zone, sessions, this.#model)
        : new OfficialClient(host, chosen, zone, sessions, this.#model);
    this.#clients.push(client);
    this.#model.absences.add(client);
    this.#world.trace.add(host.name, () => `joins (${chosen}, ${zone})`);
    client.start();
  }

  /** Client addresses as the server list of a zone tells them. */
  #sessionsOf(zone: string): readonly string[] {
    const all = this.#cluster.of('session');
    const near = all.filter((node) => node.zone === zone);
    return (near.length > 0 ? near : all).map((node) => node.address);
  }
}
