/** Prometheus text format 0.0.4 of metric sets. */
import type { MetricFamily, MetricSample, MetricSet } from '@sofa-registry/runtime';

/** Content type of the format, as the reference sends it. */
export const PROMETHEUS_TYPE = 'text/plain;charset=utf-8;version=0.0.4';

/** Text of all metrics of the sets. */
export function renderMetrics(sets: readonly MetricSet[]): string {
  const lines: string[] = [];
  for (const set of sets) {
    for (const family of set.families()) renderFamily(family, lines);
  }
  return `${lines.join('\n')}\n`;
}

function renderFamily(family: MetricFamily, lines: string[]): void {
  lines.push(`# HELP ${family.name} ${family.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}`);
  lines.push(`# TYPE ${family.name} ${family.kind}`);
  for (const sample of family.samples()) {
    const pairs = family.labels.map((label, i) => `${label}="${escapeLabel(sample.labelValues[i] ?? '')}"`);
    if (family.kind === 'histogram') renderHistogram(family, sample, pairs, lines);
    else lines.push(`${family.name}${braces(pairs)} ${number(sample.value)}`);
  }
}

function renderHistogram(family: MetricFamily, sample: MetricSample, pairs: string[], lines: string[]): void {
  let cumulated = 0;
  family.buckets.forEach((bound, i) => {
    cumulated += sample.bucketCounts?.[i] ?? 0;
    lines.push(`${family.name}_bucket${braces([...pairs, `le="${bound}"`])} ${cumulated}`);
  });
  const count = sample.count ?? 0;
  lines.push(`${family.name}_bucket${braces([...pairs, 'le="+Inf"'])} ${count}`);
  lines.push(`${family.name}_sum${braces(pairs)} ${number(sample.value)}`);
  lines.push(`${family.name}_count${braces(pairs)} ${count}`);
}

function braces(pairs: readonly string[]): string {
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function number(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
