import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Job } from "heddle/messaging"
import type { JobAbilities } from "../JobStoreLaws.ts"
import { bytes, claim, complete, enqueue, failed, type JobLaw, nothing, refused, text } from "./jobStage.ts"

export const jobEndingLaws = (law: JobLaw, _abilities: JobAbilities): void => {
  law(
    "a failed job comes again with the next attempt and a higher token",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["a"])
        const first = yield* claim(store, queue)
        assert.strictEqual(yield* store.settle(first, { _tag: "Retry", delay: 0, failure: failed("no") }), "Retried")
        const second = yield* claim(store, queue)
        assert.deepStrictEqual([second.id, second.attempt], [first.id, 2])
        assert.isTrue(second.token > first.token)
      })
  )

  law("who ends one claim twice at once is heard once", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["a"])
      const job = yield* claim(store, queue)
      const end = Effect.match(store.settle(job, { _tag: "Completed" }), {
        onFailure: ({ _tag }) => _tag,
        onSuccess: (settled) => settled
      })
      const told = yield* Effect.all([end, end], { concurrency: "unbounded" })
      assert.deepStrictEqual(told.toSorted(), ["Completed", "LeaseLost"])
      yield* nothing(store, queue)
    }))

  law(
    "claims that end together are each told what became of them, in their order",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["lost", "done", "back", "dead", "again"])
        const jobs: Array<Job.Claimed> = []
        while (jobs.length < 5) jobs.push(yield* claim(store, queue))
        const [gone, done, back, dead, again] = jobs
        assert.isDefined(gone)
        yield* store.settle(gone, { _tag: "Completed" })
        const ends = [
          [again, { _tag: "Retry", delay: NaN, failure: failed("no") }],
          [gone, { _tag: "Completed" }],
          [done, { _tag: "Completed" }],
          [dead, { _tag: "Dead", failure: failed("no") }],
          [back, { _tag: "HandedBack" }],
          [again, { _tag: "Retry", delay: -1, failure: failed("no") }],
          [again, { _tag: "Retry", delay: 0, failure: failed("no") }]
        ] as const
        const all = yield* store.settleAll(ends.flatMap(([job, end]) => job === undefined ? [] : [{ job, end }]))
        assert.deepStrictEqual(
          all.map((settled) => typeof settled === "string" ? settled : settled._tag),
          ["InvalidJob", "LeaseLost", "Completed", "Dead", "HandedBack", "InvalidJob", "Retried"]
        )
        assert.deepStrictEqual(new Set(yield* complete(store, queue, 2)), new Set(["again", "back"]))
        yield* nothing(store, queue)
        assert.deepStrictEqual((yield* store.deadLetters(queue)).map(({ payload }) => text(payload)), ["dead"])
      })
  )

  law("a failed job waits for its delay, and those behind it go on", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["slow", "quick"])
      const slow = yield* claim(store, queue)
      yield* store.settle(slow, { _tag: "Retry", delay: 100, failure: failed("no") })
      assert.deepStrictEqual(yield* complete(store, queue, 1), ["quick"])
      assert.deepStrictEqual(yield* complete(store, queue, 1), ["slow"])
    }))

  law("a claim that waits gets a failed job when its delay is over", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["a"])
      yield* store.settle(yield* claim(store, queue), { _tag: "Retry", delay: 50, failure: failed("no") })
      assert.strictEqual((yield* claim(store, queue)).attempt, 2)
    }))

  law(
    "AC-36.5: a job that fails in all its attempts is a dead letter with cause and bytes",
    ({ queue, store }) =>
      Effect.gen(function*() {
        const payload = Uint8Array.of(0, 255, 10)
        const error = Uint8Array.of(1, 0, 200)
        const headers = { traceparent: "00-1-2-01" }
        const [enqueued] = yield* store.enqueue(queue, [{ payload, headers, maxAttempts: 2 }])
        const end = { _tag: "Retry", delay: 0, failure: { cause: "it broke: ü", error } } as const
        assert.strictEqual(yield* store.settle(yield* claim(store, queue), end), "Retried")
        assert.strictEqual(yield* store.settle(yield* claim(store, queue), end), "Dead")
        yield* nothing(store, queue)
        const [letter, ...others] = yield* store.deadLetters(queue)
        assert.deepStrictEqual(others, [])
        assert.deepStrictEqual([letter?.id, letter?.attempts], [enqueued?.id, 2])
        assert.deepStrictEqual(Uint8Array.from(letter?.payload ?? []), payload)
        assert.deepStrictEqual<Job.Headers>({ ...letter?.headers }, headers)
        assert.strictEqual(letter?.failure.cause, "it broke: ü")
        assert.deepStrictEqual(Uint8Array.from(letter?.failure.error ?? []), error)
      })
  )

  law("a job can be given up at once", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["bad", "good"])
      const bad = yield* claim(store, queue)
      assert.strictEqual(yield* store.settle(bad, { _tag: "Dead", failure: failed("not a number") }), "Dead")
      assert.deepStrictEqual(yield* complete(store, queue, 1), ["good"])
      const letters = yield* store.deadLetters(queue)
      assert.deepStrictEqual(letters.map(({ failure: { cause }, payload }) => [text(payload), cause]), [
        ["bad", "not a number"]
      ])
    }))

  law("dead letters are read oldest first, as many as asked for", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["1", "2", "3"])
      for (const cause of ["a", "b", "c"]) {
        yield* store.settle(yield* claim(store, queue), { _tag: "Dead", failure: failed(cause) })
      }
      const read = (limit: number) =>
        Effect.map(store.deadLetters(queue, { limit }), (letters) => letters.map(({ failure }) => failure.cause))
      assert.deepStrictEqual(yield* read(2), ["a", "b"])
      assert.deepStrictEqual(yield* read(10), ["a", "b", "c"])
    }))

  law("dead letters that are redriven have all their attempts again", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["1", "2"], { maxAttempts: 1 })
      for (const _ of [1, 2]) {
        yield* store.settle(yield* claim(store, queue), { _tag: "Retry", delay: 0, failure: failed("no") })
      }
      assert.strictEqual(yield* store.redrive(queue), 2)
      assert.deepStrictEqual(yield* store.deadLetters(queue), [])
      const job = yield* claim(store, queue)
      assert.strictEqual(job.attempt, 1)
      yield* store.settle(job, { _tag: "Completed" })
      assert.strictEqual((yield* complete(store, queue, 1)).length, 1)
    }))

  law("of dead letters those that are named are redriven", ({ queue, store }) =>
    Effect.gen(function*() {
      const [one = "", two = "", three = ""] = yield* enqueue(store, queue, ["1", "2", "3"])
      for (const _ of [1, 2, 3]) {
        yield* store.settle(yield* claim(store, queue), { _tag: "Dead", failure: failed("no") })
      }
      assert.strictEqual(yield* store.redrive(queue, [two, "unknown"]), 1)
      assert.strictEqual((yield* claim(store, queue)).id, two)
      assert.deepStrictEqual((yield* store.deadLetters(queue)).map(({ id }) => id), [one, three])
    }))

  law(
    "a job that is handed back is in its old place and has lost no attempt, however often",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["1", "2"], { maxAttempts: 2 })
        let token = 0n
        for (const _ of [1, 2, 3, 4]) {
          const job = yield* claim(store, queue)
          assert.deepStrictEqual([text(job.payload), job.attempt], ["1", 1])
          assert.isTrue(job.token > token)
          token = job.token
          assert.strictEqual(yield* store.settle(job, { _tag: "HandedBack" }), "HandedBack")
          assert.strictEqual(yield* refused(store.settle(job, { _tag: "Completed" })), "LeaseLost")
        }
        assert.deepStrictEqual(yield* complete(store, queue, 2), ["1", "2"])
      })
  )

  law("a purge of what waits takes nothing else", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["dead", "claimed", "1", "2", "3"])
      yield* store.settle(yield* claim(store, queue), { _tag: "Dead", failure: failed("no") })
      const claimed = yield* claim(store, queue)
      assert.strictEqual(yield* store.purge(queue, "waiting"), 3)
      yield* nothing(store, queue)
      assert.strictEqual((yield* store.deadLetters(queue)).length, 1)
      assert.strictEqual(yield* store.settle(claimed, { _tag: "Completed" }), "Completed")
    }))

  law("a purge of dead letters takes nothing else", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["dead", "1", "2"])
      yield* store.settle(yield* claim(store, queue), { _tag: "Dead", failure: failed("no") })
      assert.strictEqual(yield* store.purge(queue, "dead"), 1)
      assert.deepStrictEqual(yield* store.deadLetters(queue), [])
      assert.strictEqual(yield* store.redrive(queue), 0)
      assert.deepStrictEqual(yield* complete(store, queue, 2), ["1", "2"])
    }))

  law("a result that is not asked for is no trouble", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["a"])
      const job = yield* claim(store, queue)
      assert.strictEqual(yield* store.settle(job, { _tag: "Completed", result: bytes("done") }), "Completed")
    }))
}
