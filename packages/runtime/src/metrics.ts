/**
 * Metrics as plain numbers. The owner of a metric keeps the object and does `counter.value++`; an exporter reads the whole
 * set when it is asked. Names, help texts and labels are fixed when the set is built, so a test can list them.
 */

/** Kinds of metric. */
export type MetricKind = 'counter' | 'gauge' | 'histogram';

/** One metric with all its values, as an exporter sees it. */
export interface MetricFamily {
  /** Full name, `sofa_registry_<set>_<name>`. */
  readonly name: string;
  readonly kind: MetricKind;
  readonly help: string;
  /** Label names, in the order of the values of a sample. */
  readonly labels: readonly string[];
  /** Where the metric comes from: a feature id (F251) or a reference page; '' if it is ours alone. */
  readonly source: string;
  /** Upper bounds of a histogram's buckets, ascending, without the infinite one; empty for other kinds. */
  readonly buckets: readonly number[];
  /** Current values. */
  samples(): readonly MetricSample[];
}

/** One value of a counter or gauge, or one histogram. */
export interface MetricSample {
  readonly labelValues: readonly string[];
  /** Value, or the sum of what a histogram observed. */
  readonly value: number;
  /** Histogram only: observations per bucket (not cumulative), the last one being above all bounds. */
  readonly bucketCounts?: readonly number[];
  /** Histogram only: number of observations. */
  readonly count?: number;
}

/** Children of one labelled metric; what comes after shares the child `other`. */
export const METRIC_CHILDREN_MAX = 1000;

/** A number that only rises. */
export class Counter {
  value = 0;
}

/** Counters that differ by label values. Keep the child: looking it up costs a string and a Map access. */
export class CounterVec {
  readonly #labels: readonly string[];
  readonly #children = new Map<string, { values: readonly string[]; counter: Counter }>();

  constructor(labels: readonly string[]) {
    this.#labels = labels;
  }

  /** The child with these label values, in the order of the label names. */
  with(...values: string[]): Counter {
    if (values.length !== this.#labels.length) throw new Error(`expected labels ${this.#labels.join(', ')}`);
    const key = values.join('\u0000');
    const known = this.#children.get(key);
    if (known !== undefined) return known.counter;
    if (this.#children.size >= METRIC_CHILDREN_MAX && values.some((value) => value !== 'other')) {
      return this.with(...values.map(() => 'other'));
    }
    const counter = new Counter();
    this.#children.set(key, { values, counter });
    return counter;
  }

  samples(): MetricSample[] {
    return [...this.#children.values()].map(({ values, counter }) => ({
      labelValues: values,
      value: counter.value,
    }));
  }
}

/** Distribution of a measure over fixed buckets. */
export class Histogram {
  readonly buckets: readonly number[];
  readonly counts: number[];
  count = 0;
  sum = 0;

  /** @param buckets upper bounds, ascending */
  constructor(buckets: readonly number[]) {
    this.buckets = buckets;
    this.counts = Array.from({ length: buckets.length + 1 }, () => 0);
  }

  /** Adds one observation. */
  observe(value: number): void {
    let i = 0;
    while (i < this.buckets.length && value > this.buckets[i]) i++;
    this.counts[i]++;
    this.count++;
    this.sum += value;
  }

  /** Upper bound of the bucket that holds the quantile `q` (0 to 1); Infinity above all bounds, 0 without observations. */
  quantile(q: number): number {
    if (this.count === 0) return 0;
    let rest = q * this.count;
    for (let i = 0; i < this.buckets.length; i++) {
      rest -= this.counts[i];
      if (rest <= 0) return this.buckets[i];
    }
    return Infinity;
  }
}

/** Bounds, in ms, that fit most latencies here. */
export const LATENCY_BUCKETS_MS: readonly number[] = Object.freeze([
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 30_000,
]);

const NAME = /^[a-z][a-z0-9_]*$/;

/** All metrics of one component. */
export class MetricSet {
  readonly #prefix: string;
  readonly #families = new Map<string, MetricFamily>();

  /** @param name the component, e.g. `session` */
  constructor(name: string) {
    if (!NAME.test(name)) throw new Error(`bad metric set name ${name}`);
    this.#prefix = `sofa_registry_${name}_`;
  }

  /** A counter; its name ends in `_total`. */
  counter(name: string, help: string, source = ''): Counter {
    const counter = new Counter();
    this.#add('counter', name, help, [], source, [], () => [{ labelValues: [], value: counter.value }]);
    return counter;
  }

  /** Labelled counters; the name ends in `_total`. */
  counterVec(name: string, help: string, labels: readonly string[], source = ''): CounterVec {
    const vec = new CounterVec(labels);
    this.#add('counter', name, help, labels, source, [], () => vec.samples());
    return vec;
  }

  /** A value that is read when the metrics are. */
  gauge(name: string, help: string, read: () => number, source = ''): void {
    this.#add('gauge', name, help, [], source, [], () => [{ labelValues: [], value: read() }]);
  }

  /** Labelled values that are read when the metrics are: pairs of label values and value. */
  gaugeVec(
    name: string,
    help: string,
    labels: readonly string[],
    read: () => readonly (readonly [readonly string[], number])[],
    source = '',
  ): void {
    this.#add('gauge', name, help, labels, source, [], () =>
      read().map(([labelValues, value]) => ({ labelValues, value })),
    );
  }

  /** A histogram over `buckets` (upper bounds, ascending; in ms if the name ends in `_ms`). */
  histogram(name: string, help: string, buckets: readonly number[], source = ''): Histogram {
    const histogram = new Histogram(buckets);
    this.#add('histogram', name, help, [], source, buckets, () => [
      { labelValues: [], value: histogram.sum, count: histogram.count, bucketCounts: histogram.counts },
    ]);
    return histogram;
  }

  /** Every metric, in the order of registration. */
  families(): readonly MetricFamily[] {
    return [...this.#families.values()];
  }

  #add(
    kind: MetricKind,
    name: string,
    help: string,
    labels: readonly string[],
    source: string,
    buckets: readonly number[],
    samples: () => readonly MetricSample[],
  ): void {
    const full = this.#prefix + name;
    if (!NAME.test(name)) throw new Error(`bad metric name ${name}`);
    if (kind === 'counter' && !name.endsWith('_total')) throw new Error(`counter ${full} must end in _total`);
    if (this.#families.has(full)) throw new Error(`metric ${full} exists already`);
    this.#families.set(full, { name: full, kind, help, labels, source, buckets, samples });
  }
}
