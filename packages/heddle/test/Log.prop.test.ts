import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { LogMachine } from "heddle/messaging"
import { LogPrefix } from "../src/messaging/internal/logPrefix.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("a prefix", () => {
  const Steps = Schema.Array(Schema.Struct({ begins: int(0, 3), finishes: int(0, 5) }))
  it.prop("is finished up to the first entry that is not, in whatever order they end", [Steps], ([steps]) => {
    const prefix = new LogPrefix()
    const all: Array<{ readonly finish: () => boolean; done: boolean }> = []
    let before = 0
    for (const { begins, finishes } of steps) {
      for (let n = 0; n < begins; n++) all.push({ finish: prefix.begin(BigInt(10 * all.length)), done: false })
      const open = all.filter(({ done }) => !done)
      const one = open[finishes % Math.max(1, open.length)]
      if (one === undefined) continue
      one.done = true
      const moved = one.finish()
      const first = all.findIndex(({ done }) => !done)
      const count = first < 0 ? all.length : first
      assert.strictEqual(prefix.finished, count === 0 ? undefined : BigInt(10 * (count - 1)))
      assert.deepStrictEqual([prefix.begun, prefix.passed], [all.length, count])
      assert.strictEqual(moved, count > before)
      before = count
    }
  }, { arbitrary: { runs: 500, size: 60 } })
})

describe("the machine of a log", () => {
  const Retention = Schema.Struct({
    count: Schema.Literals([1, 5, 30, 1_000_000]),
    age: Schema.Literals([1000, 5000, 1_000_000])
  })
  const Appends = Schema.Array(Schema.Struct({ size: int(1, 8), passes: Schema.Literals([0, 400, 2000]) }))
  it.prop(
    "keeps the newest without a hole, never less than is asked for, and not much more",
    [Retention, Appends],
    ([keep, appends]) => {
      const machine = new LogMachine.LogMachine()
      const times: Array<number> = []
      let now = 0
      for (const { passes, size } of appends) {
        now += passes
        const entries = Array.from({ length: size }, () => ({ payload: new Uint8Array(0), headers: {} }))
        const offsets = machine.append(now, entries, keep)
        assert.deepStrictEqual(offsets, entries.map((_, at) => BigInt(times.length + at + 1)))
        times.push(...entries.map(() => now))
        const young = times.filter((time) => time > now - keep.age).length
        const asked = Math.min(keep.count, young)
        const page = machine.page(machine.oldest, Infinity)
        if (page._tag === "Gone") return assert.fail("the oldest is gone")
        const kept = page.entries.map(({ offset }) => Number(offset))
        assert.deepStrictEqual(kept, times.map((_, at) => at + 1).slice(-kept.length))
        assert.isAtLeast(kept.length, asked)
        assert.isAtMost(kept.length, 2 * asked)
        const gone = machine.page(machine.oldest - 1n, 1)._tag
        if (kept.length < times.length) assert.strictEqual(gone, "Gone")
      }
    },
    { arbitrary: { runs: 300, size: 40 } }
  )
})
