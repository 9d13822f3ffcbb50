/** Adds up the figures of all suites: names what failed, prints `N passed, N failed` and fails if anything did. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** One failure in a few lines, so that the end of the output tells what it was. */
function say(file: string, test: string, why: string): void {
  process.stdout.write(`failed: ${file}: ${test}\n${why.split('\n').slice(0, 12).join('\n')}\n\n`);
}

const [dir, ...failedSteps] = process.argv.slice(2);
let passed = 0;
let failed = 0;
/** Steps whose failure the tests' own figures do not show: they have no tests, ran out of time, or broke outside of any test. */
const unexplained = new Set(failedSteps);
for (const file of readdirSync(dir).filter((name) => name.endsWith('.json'))) {
  const report = JSON.parse(readFileSync(join(dir, file), 'utf8')) as Report;
  passed += report.numPassedTests;
  const before = failed;
  failed += report.numFailedTests;
  for (const { name, status, message, assertionResults } of report.testResults) {
    const tests = assertionResults.filter((test) => test.status === 'failed');
    for (const { fullName, failureMessages } of tests) say(name, fullName, failureMessages.join('\n'));
    // A file that could not even be loaded has no tests, but it has failed.
    if (status === 'failed' && assertionResults.length === 0) {
      failed += 1;
      say(name, 'the whole file', message);
    }
  }
  if (failed > before) unexplained.delete(basename(file, '.json'));
}
for (const step of unexplained) process.stdout.write(`failed: step ${step}\n`);
failed += unexplained.size;
if (passed === 0) failed = Math.max(failed, 1);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed === 0 ? 0 : 1;
