import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { BatchQueue } from "../src/flow/internal/batchQueue.ts"
import { Seat } from "../src/flow/internal/batchSeat.ts"

/** So many come, every so-manieth of those who stand leaves, the next batch goes, or none that stands shall wait for more. */
const Step = Schema.Union([
  Schema.Struct({ come: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 })) }),
  Schema.Struct({ leaves: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 })) }),
  Schema.Literals(["cut", "press"])
])

interface Who {
  readonly item: number
  readonly weight: number
  readonly time: number
  readonly seat: Seat<number, never>
}

describe("BatchQueue", () => {
  it.effect.prop(
    "cuts the batches that a list of those who stand would, whoever leaves, and everyone knows where they are",
    [Schema.Array(Step), Schema.Boolean, Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 }))],
    ([steps, weighed, maxSize]) =>
      Effect.sync(() => {
        let time = 0
        const counts = { depth: 0, waiting: 0, active: 0, completed: 0, failed: 0, dropped: 0 }
        const maxWeight = weighed ? 20 : Infinity
        const limits = { maxSize, maxWeight, maxWait: 5, capacity: Infinity }
        const tally = { counts, latency: undefined, waited: undefined }
        const queue = new BatchQueue<number, number, never>(limits, () => time, tally, (call) => call())
        let stand: ReadonlyArray<Who> = []
        let pressed = 0
        const gone: Array<Who> = []
        const told: Array<number> = []
        const cut = () => {
          const first: Array<Who> = []
          let weight = 0
          for (const who of stand) {
            weight += who.weight
            if (first.length === maxSize || weight > maxWeight) break
            first.push(who)
          }
          stand = stand.slice(first.length)
          pressed = Math.max(0, pressed - first.length)
          const batch = queue.cut()
          assert.strictEqual(batch === undefined, first.length === 0)
          if (batch === undefined) return
          assert.deepStrictEqual([...batch.items], first.map(({ item }) => item))
          assert.isTrue(first.every(({ seat }) => batch.from <= seat.at && seat.at < batch.until))
          assert.isFalse([...stand, ...gone].some(({ seat }) => batch.from <= seat.at && seat.at < batch.until))
          gone.push(...first)
          batch.tell(first.map(({ item }) => Exit.succeed(item)))
        }
        for (const step of steps) {
          if (step === "cut") cut()
          else if (step === "press") {
            queue.press()
            pressed = stand.length
          } else if ("come" in step) {
            const all = Array.from({ length: step.come }, (): Who => {
              const item = ++time
              const seat = new Seat<number, never>((exit) => {
                assert.deepStrictEqual(exit, Exit.succeed(item))
                told.push(item)
              }, () =>
                Effect.void, undefined)
              const weight = weighed ? item % 8 : 0
              queue.admit(item, weight, seat)
              return { item, weight, time: item, seat }
            })
            stand = [...stand, ...all]
          } else {
            for (const [at, who] of stand.entries()) {
              if (at % step.leaves === 0) {
                assert.isTrue(queue.remove(who.seat))
              }
            }
            stand = stand.filter((_, at) =>
              at % step.leaves !== 0
            )
            pressed = Math.min(pressed, stand.length)
            assert.isFalse(gone.some(({ seat }) => queue.remove(seat)))
          }
          const [head] = stand
          const weight = stand.reduce((sum, who) => sum + who.weight, 0)
          assert.strictEqual(queue.size, stand.length)
          assert.strictEqual(queue.full, stand.length >= maxSize || weight >= maxWeight)
          const due = head === undefined ? Infinity : head.time + 5
          assert.strictEqual(queue.due, head !== undefined && (queue.full || pressed > 0) ? -Infinity : due)
        }
        while (stand.length > 0) cut()
        assert.deepStrictEqual(told, gone.map(({ item }) => item))
        assert.strictEqual(counts.depth, 0)
        assert.strictEqual(counts.dropped + counts.active, time)
      }),
    { arbitrary: { runs: 300, size: 60 } }
  )
})
