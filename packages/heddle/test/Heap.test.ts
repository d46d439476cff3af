import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Order from "effect/Order"
import * as Schema from "effect/Schema"
import * as TxPriorityQueue from "effect/TxPriorityQueue"
import { Heap } from "../src/messaging/internal/Heap.ts"

/** A number is put in, the least is taken out, or all that are even are. */
const Step = Schema.Union([Schema.Int, Schema.Literals(["take", "odd"])])

describe("Heap", () => {
  it.effect.prop(
    "gives out what Effect's own queue of priorities does",
    [Schema.Array(Step)],
    ([steps]) =>
      Effect.gen(function*() {
        const heap = new Heap<number>((one, other) => one < other)
        const queue = yield* TxPriorityQueue.empty<number>(Order.Number)
        for (const step of steps) {
          if (step === "odd") {
            heap.keep((n) => n % 2 !== 0)
            yield* TxPriorityQueue.retainIf(queue, (n) => n % 2 !== 0)
          } else if (step === "take") {
            const head = heap.head
            const least = heap.shift()
            assert.strictEqual(least, head)
            const expected = yield* TxPriorityQueue.takeOption(queue)
            assert.strictEqual(least, expected._tag === "Some" ? expected.value : undefined)
          } else {
            heap.push(step)
            yield* TxPriorityQueue.offer(queue, step)
          }
          assert.strictEqual(heap.size, yield* TxPriorityQueue.size(queue))
        }
      })
  )
})
