import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Job } from "heddle/messaging"
import type { JobAbilities } from "../JobStoreLaws.ts"
import { bytes, claim, complete, enqueue, inTime, type JobLaw, nothing, refused, text } from "./jobStage.ts"

export const jobClaimingLaws = (law: JobLaw, { priority, unique }: JobAbilities): void => {
  law(
    "a job comes with all that it was enqueued with, as its first attempt",
    ({ queue, store }) =>
      Effect.gen(function*() {
        const payload = Uint8Array.from({ length: 256 }, (_, byte) => byte)
        const headers = { traceparent: "00-1-2-01", "heddle-timeout": "250" }
        const [enqueued] = yield* store.enqueue(queue, [{ payload, headers, maxAttempts: 3 }])
        const job = yield* claim(store, queue)
        assert.isTrue(enqueued?.added)
        assert.strictEqual(job.id, enqueued?.id)
        assert.deepStrictEqual(Uint8Array.from(job.payload), payload)
        assert.deepStrictEqual<Job.Headers>({ ...job.headers }, headers)
        assert.deepStrictEqual([job.queue, job.attempt, job.maxAttempts], [queue, 1, 3])
        assert.isTrue(job.token > 0n)
      })
  )

  law("an empty payload stays empty", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, [""])
      assert.strictEqual((yield* claim(store, queue)).payload.length, 0)
    }))

  law("jobs go in the order they came", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["1", "2"])
      yield* enqueue(store, queue, ["3"])
      yield* enqueue(store, queue, ["4", "5"])
      assert.deepStrictEqual(yield* complete(store, queue, 5), ["1", "2", "3", "4", "5"])
    }))

  law("jobs of one queue do not come to another", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, `${queue}/a`, ["a"])
      yield* nothing(store, `${queue}/b`)
      assert.strictEqual(text((yield* claim(store, `${queue}/a`)).payload), "a")
    }))

  law("a claimed job is nobody else's", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["a"])
      yield* claim(store, queue)
      yield* nothing(store, queue)
    }))

  law("a claim takes as many as there are, up to as many as it asks for", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["1", "2", "3", "4", "5"])
      const first = yield* store.claim(queue, { max: 3 })
      const second = yield* store.claim(queue, { max: 3 })
      assert.deepStrictEqual(first.map(({ payload }) => text(payload)), ["1", "2", "3"])
      assert.deepStrictEqual(second.map(({ payload }) => text(payload)), ["4", "5"])
    }))

  law("a thousand jobs that are enqueued at once are each claimed once", ({ queue, store }) =>
    Effect.gen(function*() {
      const all = Array.from({ length: 1000 }, (_, at) => String(at))
      yield* enqueue(store, queue, all)
      const worker = Effect.gen(function*() {
        const mine: Array<string> = []
        for (;;) {
          const jobs = yield* store.claim(queue, { max: 50, waitFor: 0 })
          if (jobs.length === 0) return mine
          for (const job of jobs) mine.push(text(job.payload) ?? "")
          yield* Effect.forEach(jobs, (job) => store.settle(job, { _tag: "Completed" }), { concurrency: "unbounded" })
        }
      })
      const done = yield* inTime("all are done", Effect.all([worker, worker, worker], { concurrency: "unbounded" }))
      assert.deepStrictEqual(done.flat().toSorted((one, other) => Number(one) - Number(other)), all)
    }))

  law("a claim that waits is woken by the job that comes", ({ queue, store }) =>
    Effect.gen(function*() {
      const waiting = yield* Effect.forkScoped(claim(store, queue))
      yield* Effect.sleep(50)
      yield* enqueue(store, queue, ["late"])
      assert.strictEqual(text((yield* Fiber.join(waiting)).payload), "late")
    }))

  law(
    "a claim that waits hears of each job that comes, and need not look for it",
    ({ listening, queue }) =>
      Effect.gen(function*() {
        const store = yield* listening
        for (const payload of ["1", "2", "3"]) {
          const waiting = yield* Effect.forkScoped(claim(store, queue))
          yield* Effect.sleep(50)
          yield* enqueue(store, queue, [payload], payload === "3" && priority === true ? { priority: 1 } : {})
          const job = yield* Fiber.join(waiting)
          assert.strictEqual(text(job.payload), payload)
          yield* store.settle(job, { _tag: "Completed" })
        }
      })
  )

  law("many claims that wait get a job each", ({ queue, store }) =>
    Effect.gen(function*() {
      const waiting = yield* Effect.forEach(["1", "2", "3"], () => Effect.forkScoped(claim(store, queue)))
      yield* Effect.sleep(20)
      yield* enqueue(store, queue, ["1", "2", "3"])
      const jobs = yield* Fiber.joinAll(waiting)
      assert.sameMembers(jobs.map(({ payload }) => text(payload)), ["1", "2", "3"])
    }))

  law(
    "a claim that gets nothing in time comes back empty, and what comes later goes to another",
    ({ queue, store }) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* store.claim(queue, { waitFor: 20 }), [])
        yield* enqueue(store, queue, ["later"])
        assert.strictEqual((yield* claim(store, queue)).attempt, 1)
      })
  )

  law("an interrupted claim loses no job and counts no attempt", ({ queue, store }) =>
    Effect.gen(function*() {
      for (const pause of [0, 1, 2, 5, 10]) {
        const waiting = yield* Effect.forkChild(Effect.scoped(store.claim(queue, { waitFor: "20 seconds" })))
        yield* Effect.sleep(pause)
        yield* Effect.all([enqueue(store, queue, ["kept"]), Effect.delay(Fiber.interrupt(waiting), pause % 3)], {
          concurrency: "unbounded"
        })
        const job = yield* claim(store, queue)
        assert.deepStrictEqual([text(job.payload), job.attempt], ["kept", 1])
        yield* store.settle(job, { _tag: "Completed" })
      }
      yield* nothing(store, queue)
    }))

  law(
    "what is still claimed when the scope closes is handed back, in its old place",
    ({ queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["1", "2", "3"])
        const done = yield* Effect.scoped(Effect.gen(function*() {
          const [first] = yield* store.claim(queue, { max: 2 })
          return first === undefined ? "none" : yield* store.settle(first, { _tag: "Completed" })
        }))
        const next = yield* claim(store, queue)
        assert.deepStrictEqual([done, text(next.payload), next.attempt], ["Completed", "2", 1])
      })
  )

  law("a job that has ended is nobody's", ({ queue, store }) =>
    Effect.gen(function*() {
      yield* enqueue(store, queue, ["a"])
      const job = yield* claim(store, queue)
      assert.strictEqual(yield* store.settle(job, { _tag: "Completed" }), "Completed")
      assert.strictEqual(yield* refused(store.settle(job, { _tag: "Completed" })), "LeaseLost")
      yield* nothing(store, queue)
    }))

  if (unique !== true) return

  law(
    "a job is added once for each id, also while it is worked on and after it is done",
    ({ queue, store }) =>
      Effect.gen(function*() {
        const job = { payload: bytes("order"), id: "order-7" }
        const twice = yield* store.enqueue(queue, [job, job])
        assert.deepStrictEqual(twice, [{ id: "order-7", added: true }, { id: "order-7", added: false }])
        const claimed = yield* claim(store, queue)
        assert.deepStrictEqual(yield* store.enqueue(queue, [job]), [{ id: "order-7", added: false }])
        yield* store.settle(claimed, { _tag: "Completed" })
        assert.deepStrictEqual(yield* store.enqueue(queue, [job]), [{ id: "order-7", added: false }])
        yield* nothing(store, queue)
      })
  )

  law(
    "an id that is not kept can be used again, and the claim before says nothing of the new job",
    ({ queue, store }) =>
      Effect.gen(function*() {
        const job = { payload: bytes("again"), id: "again", keep: 0 }
        yield* store.enqueue(queue, [job])
        const before = yield* claim(store, queue)
        yield* store.settle(before, { _tag: "Completed" })
        assert.deepStrictEqual(yield* store.enqueue(queue, [job]), [{ id: "again", added: true }])
        const after = yield* claim(store, queue)
        assert.isTrue(after.token > before.token)
        assert.strictEqual(yield* refused(store.settle(before, { _tag: "Completed" })), "LeaseLost")
        assert.strictEqual(yield* store.settle(after, { _tag: "Completed" }), "Completed")
      })
  )
}
