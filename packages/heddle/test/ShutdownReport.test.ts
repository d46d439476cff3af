import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import { ShutdownReport } from "heddle/lifecycle"

const report = (reason: ShutdownReport.Reason, ...outcomes: ReadonlyArray<ShutdownReport.Outcome>) =>
  ShutdownReport.make({
    reason,
    signals: reason === "asked" || reason === "interrupted" ? [] : [reason],
    steps: outcomes.map((outcome, at) => ({ name: `step ${at}`, phase: "drain", outcome, millis: 1 })),
    millis: 9.6
  })

const finished: ShutdownReport.Outcome = { _tag: "Finished", value: undefined }
const others: ReadonlyArray<readonly [ShutdownReport.Outcome, told: string]> = [
  [{ _tag: "Failed", cause: Cause.fail("no disk") }, "failed: Error: no disk"],
  [{ _tag: "TimedOut", held: "3 jobs", left: true }, "timed out, left behind, held 3 jobs"],
  [{ _tag: "TimedOut", held: undefined, left: false }, "timed out"],
  [{ _tag: "Cut", held: undefined, left: true }, "cut short, left behind"],
  [{ _tag: "Skipped", because: "time" }, "skipped: no time left"],
  [{ _tag: "Skipped", because: "hurry" }, "skipped: in a hurry"],
  [{ _tag: "Skipped", because: "gone" }, "skipped: its scope had closed"]
]

describe("ShutdownReport", () => {
  it("has the exit code of its reason where every step finished, or there was none", () => {
    const reasons = ["SIGTERM", "SIGINT", "SIGHUP", "interrupted", "asked"] as const
    assert.deepStrictEqual(reasons.map((reason) => report(reason, finished).exitCode), [143, 130, 129, 130, 0])
    assert.deepStrictEqual([report("SIGTERM").clean, report("SIGTERM").exitCode], [true, 143])
  })

  it.each(others)("is not clean, with 1, where one step did not finish, and tells it: %j", (outcome, told) => {
    const all = report("asked", finished, outcome)
    assert.deepStrictEqual([all.clean, all.exitCode], [false, 1])
    assert.deepStrictEqual(ShutdownReport.format(all).split("\n"), [
      "shutdown by asked, not clean, 10 ms",
      "  drain step 0: finished, 1 ms",
      `  drain step 1: ${told}, 1 ms`
    ])
  })

  it("tells the signals that came after the first", () => {
    const hurried = ShutdownReport.make({
      reason: "SIGTERM",
      signals: ["SIGTERM", "SIGINT", "SIGTERM"],
      steps: [],
      millis: 1
    })
    assert.strictEqual(ShutdownReport.format(hurried), "shutdown by SIGTERM, hurried by SIGINT, SIGTERM, clean, 1 ms")
  })
})
