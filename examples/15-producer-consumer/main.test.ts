import { assert, describe, it } from "@effect/vitest"
import { Explore } from "@heddle/testkit"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import { TestClock } from "effect/testing"
import { consume, produce, scene } from "./main.ts"

const all = { concurrency: "unbounded", discard: true } as const
const jobs = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => Effect.succeed(from + at))

describe("producers and consumers on a queue of Effect", () => {
  it.live("AC-20.1 25 go in and 25 come out, each once, however their fibers are interleaved", () =>
    Explore.run(
      Effect.map(scene, (shares) => {
        const done = shares.flat().toSorted((a, b) => a - b)
        assert.deepStrictEqual(done, Array.from({ length: 25 }, (_, at) => at))
      }),
      { runs: 1000, leaks: true }
    ))

  it.effect("AC-20.1 when consumers stop, the producer is blocked at the buffer", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.bounded<number, Cause.Done>(4)
      let made = 0
      const job = Effect.sync(() => ++made)
      const producer = yield* Effect.forkChild(produce(queue, [Array.from({ length: 25 }, () => job)]))
      yield* TestClock.adjust("1 minute")
      assert.isUndefined(producer.pollUnsafe())
      assert.strictEqual(made, 5)
      assert.strictEqual(yield* Queue.size(queue), 4)
    }))

  it.effect("AC-23.1 of 14 jobs 12 are done, and 7 and 14 are told as failed, by whom and why", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.bounded<number, Cause.Done>(4)
      const outcomes: Array<readonly [job: number, failure: string | undefined]> = []
      const work = (job: number) => job % 7 === 0 ? Effect.fail(`job ${job} failed`) : Effect.void
      const told = (job: number) =>
        Effect.map(
          Effect.result(work(job)),
          (result) => outcomes.push([job, result._tag === "Failure" ? result.failure : undefined])
        )
      yield* Effect.all([produce(queue, [jobs(1, 14)]), consume(queue, told), consume(queue, told)], all)
      const failed = outcomes.filter(([, failure]) => failure !== undefined).toSorted(([a], [b]) => a - b)
      assert.deepStrictEqual(failed, [[7, "job 7 failed"], [14, "job 14 failed"]])
      assert.strictEqual(outcomes.length, 14)
    }))

  it.effect("AC-24.1 the end of input ends a worker, and it has seen no job that was not sent", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.bounded<number, Cause.Done>(4)
      const seen: Array<number> = []
      const worker = yield* Effect.forkChild(consume(queue, (job) => Effect.sync(() => seen.push(job))))
      yield* produce(queue, [jobs(1, 3)])
      yield* Fiber.join(worker)
      assert.deepStrictEqual(seen, [1, 2, 3])
    }))

  it.effect("AC-24.1 a worker with a time limit gives one typed result, though its input never ends", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.bounded<number, Cause.Done>(4)
      const worker = yield* Effect.forkChild(Effect.timeoutOption(consume(queue, Effect.succeed), "100 millis"))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(worker), Option.none())
    }))

  it.effect("a producer's failure reaches the consumers after what it sent, and a consumer's stops the producers", () =>
    Effect.gen(function*() {
      const queue = yield* Queue.bounded<number, "no more" | Cause.Done>(4)
      const seen: Array<number> = []
      const takes = consume(queue, (job) => Effect.sync(() => seen.push(job)))
      const broken = produce(queue, [[Effect.succeed(1), Effect.fail("no more" as const)]])
      assert.strictEqual(yield* Effect.flip(Effect.all([broken, takes], all)), "no more")
      assert.deepStrictEqual(seen, [1])

      const other = yield* Queue.bounded<number, Cause.Done>(4)
      let made = 0
      const job = Effect.sync(() => ++made)
      const endless = produce(other, [Array.from({ length: 1000 }, () => job)])
      const refuses = consume(other, () => Effect.fail("broken" as const))
      assert.strictEqual(yield* Effect.flip(Effect.all([endless, refuses], all)), "broken")
      assert.isAtMost(made, 20)
    }))
})
