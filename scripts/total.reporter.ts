import type { Reporter, TestModule } from "vitest/node"

/** Closes a run with the one line that CI reads: `12 passed, 0 failed`. What broke outside of a test counts as failed. */
export default class TotalReporter implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>, unhandled: ReadonlyArray<unknown>): void {
    let passed = 0
    let failed = unhandled.length
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result()
        if (state === "passed") passed++
        else if (state === "failed") failed++
      }
      failed += module.errors().length
      for (const suite of module.children.allSuites()) failed += suite.errors().length
    }
    process.stdout.write(`${passed} passed, ${failed} failed\n`)
  }
}
