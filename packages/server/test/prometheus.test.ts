import { MetricSet } from '@sofa-registry/runtime';
import { expect, it } from 'vitest';
import { renderMetrics } from '../src/http/prometheus.ts';

it('renders counters, gauges, labels and histograms', () => {
  const set = new MetricSet('demo');
  set.counter('sent_total', 'Sent.').value = 3;
  set.counterVec('failed_total', 'Failed\nbadly.', ['reason']).with('a "b" \\ c').value = 1;
  set.gauge('open', 'Open.', () => Infinity);
  const histogram = set.histogram('delay_ms', 'Delay.', [1, 10]);
  for (const value of [0.5, 5, 5, 50]) histogram.observe(value);
  expect(renderMetrics([set])).toBe(
    [
      '# HELP sofa_registry_demo_sent_total Sent.',
      '# TYPE sofa_registry_demo_sent_total counter',
      'sofa_registry_demo_sent_total 3',
      '# HELP sofa_registry_demo_failed_total Failed\\nbadly.',
      '# TYPE sofa_registry_demo_failed_total counter',
      'sofa_registry_demo_failed_total{reason="a \\"b\\" \\\\ c"} 1',
      '# HELP sofa_registry_demo_open Open.',
      '# TYPE sofa_registry_demo_open gauge',
      'sofa_registry_demo_open +Inf',
      '# HELP sofa_registry_demo_delay_ms Delay.',
      '# TYPE sofa_registry_demo_delay_ms histogram',
      'sofa_registry_demo_delay_ms_bucket{le="1"} 1',
      'sofa_registry_demo_delay_ms_bucket{le="10"} 3',
      'sofa_registry_demo_delay_ms_bucket{le="+Inf"} 4',
      'sofa_registry_demo_delay_ms_sum 60.5',
      'sofa_registry_demo_delay_ms_count 4',
      '',
    ].join('\n'),
  );
});
