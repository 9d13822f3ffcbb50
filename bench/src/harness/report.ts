/** Tables for people, JSON for programs. */
import type { Row } from './scenario.ts';

/** The figures of one scenario, or why there are none. */
export interface Report {
  readonly scenario: string;
  readonly title: string;
  readonly rows: readonly Row[];
  readonly elapsedMs: number;
  /** Why it was left out or failed. */
  readonly problem?: string;
}

/** True, false, or null without a budget. */
export function isReached(row: Row): boolean | null {
  if (row.budget === undefined || Number.isNaN(row.value)) return null;
  return row.atLeast === true ? row.value >= row.budget : row.value <= row.budget;
}

/** A figure with as many digits as it deserves. */
export function formatValue(value: number, unit: string): string {
  if (Number.isNaN(value)) return '-';
  const digits = unit === 'count' ? 0 : Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${unit === 'count' ? '' : unit}`.trim();
}

/** Lines of one scenario. */
export function formatReport(report: Report): string {
  const lines = [`\n${report.title}  (${report.scenario}, ${(report.elapsedMs / 1000).toFixed(1)} s)`];
  for (const row of report.rows) {
    const reached = isReached(row);
    const mark = reached === null ? ' ' : reached ? '+' : '!';
    const budget =
      row.budget === undefined
        ? ''
        : `${row.atLeast === true ? '>=' : '<='} ${formatValue(row.budget, row.unit)}`;
    lines.push(
      `${mark} ${row.what.padEnd(58)} ${formatValue(row.value, row.unit).padStart(14)}  ${budget.padEnd(14)} ${row.note ?? ''}`.trimEnd(),
    );
  }
  if (report.problem !== undefined) lines.push(`! ${report.problem}`);
  return lines.join('\n');
}

/** The figures as a Markdown table, for bench/RESULTS.md. */
export function formatMarkdown(reports: readonly Report[]): string {
  const lines = ['| what | budget | reached | note |', '|---|---|---|---|'];
  for (const report of reports) {
    lines.push(`| **${report.title}** (\`${report.scenario}\`) | | | ${report.problem ?? ''} |`);
    for (const row of report.rows) {
      const reached = isReached(row);
      const value = formatValue(row.value, row.unit);
      const bound = row.atLeast === true ? '>=' : '<=';
      const budget = row.budget === undefined ? '' : `${bound} ${formatValue(row.budget, row.unit)}`;
      lines.push(
        `| ${row.what} | ${budget} | ${reached === false ? `**${value}**` : value} | ${row.note ?? ''} |`,
      );
    }
  }
  return lines.join('\n');
}
