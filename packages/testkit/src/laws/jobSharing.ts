import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { JobAbilities } from "../JobStoreLaws.ts"
import {
  bytes,
  claim,
  complete,
  enqueue,
  eventually,
  having,
  inTime,
  type JobLaw,
  nothing,
  refused,
  text
} from "./jobStage.ts"

export const jobSharingLaws = (law: JobLaw, { cut, leastTtl = 200, restart, shared, unique }: JobAbilities): void => {
  having(law, shared)(
    "what one store enqueues wakes a claim that waits in another",
    ({ another, queue, store }) =>
      Effect.gen(function*() {
        const other = yield* another
        const waiting = yield* Effect.forkScoped(claim(other, queue))
        yield* Effect.sleep(50)
        yield* enqueue(store, queue, ["a"])
        const job = yield* Fiber.join(waiting)
        yield* nothing(store, queue)
        assert.strictEqual(yield* other.settle(job, { _tag: "Completed" }), "Completed")
      })
  )

  having(law, shared)("a job is claimed by one of many stores", ({ another, queue, store }) =>
    Effect.gen(function*() {
      const all = Array.from({ length: 300 }, (_, at) => String(at))
      yield* enqueue(store, queue, all)
      const stores = [store, yield* another, yield* another]
      const claimed: Array<string> = []
      // What one has fetched and does not claim comes back to the others: nobody leaves before all is claimed.
      yield* inTime(
        "all are claimed",
        Effect.forEach(stores, (store) =>
          Effect.gen(function*() {
            while (claimed.length < all.length) {
              for (const job of yield* store.claim(queue, { max: 7, waitFor: 20 })) {
                claimed.push(text(job.payload) ?? "")
                yield* store.settle(job, { _tag: "Completed" })
              }
            }
          }), { concurrency: "unbounded", discard: true })
      )
      assert.deepStrictEqual(claimed.toSorted((one, other) => Number(one) - Number(other)), all)
      yield* nothing(store, queue)
    }))

  having(law, shared)(
    "a store that closes hands back what it had claimed",
    ({ another, queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["a"])
        yield* Effect.scoped(Effect.flatMap(another, (other) => claim(other, queue)))
        assert.strictEqual((yield* claim(store, queue)).attempt, 1)
      })
  )

  having(law, shared)(
    "a job that is on its way when its store closes is enqueued, and who enqueues it is told so",
    ({ another, queue, store }) =>
      Effect.gen(function*() {
        const enqueueing = yield* Effect.scoped(Effect.gen(function*() {
          const other = yield* another
          yield* enqueue(other, queue, ["a"])
          return yield* Effect.forkDetach(enqueue(other, queue, ["b"]), { startImmediately: true })
        }))
        const [id] = yield* inTime("the enqueue is answered", Fiber.join(enqueueing))
        yield* claim(store, queue)
        assert.strictEqual((yield* claim(store, queue)).id, id)
      })
  )

  having(law, shared)(
    "a job that is being completed when its store closes is completed, and who completes it is told so",
    ({ another, queue, store }) =>
      Effect.gen(function*() {
        const scope = yield* Scope.make()
        const other = yield* Scope.provide(another, scope)
        yield* enqueue(other, queue, ["a", "b"])
        yield* complete(other, queue, 1)
        const job = yield* claim(other, queue)
        const settled = other.settle(job, { _tag: "Completed" })
        const completing = yield* Effect.forkScoped(settled, { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* inTime("the end is answered", Fiber.join(completing)), "Completed")
        yield* nothing(store, queue)
      })
  )

  having(law, shared)(
    "a store that closes with a claim on its way keeps no job",
    ({ another, queue, store }) =>
      Effect.gen(function*() {
        yield* enqueue(store, queue, ["a"])
        for (let steps = 0; steps < 8; steps++) {
          yield* Effect.scoped(Effect.gen(function*() {
            const claiming = yield* Effect.forkChild(Effect.scoped(claim(yield* another, queue, 600_000)))
            for (let step = 0; step < steps; step++) yield* Effect.yieldNow
            yield* Fiber.interrupt(claiming)
          }))
          yield* Effect.scoped(claim(store, queue))
        }
      })
  )

  if (restart !== undefined) {
    law(
      "AC-36.4: what was acknowledged is still there after the server was killed",
      ({ queue, store }) =>
        Effect.gen(function*() {
          yield* enqueue(store, queue, ["1", "2", "3"])
          const first = yield* claim(store, queue)
          yield* restart
          yield* eventually(
            "the claim is still known, or over",
            Effect.match(store.settle(first, { _tag: "Completed" }), {
              onFailure: ({ _tag }) => _tag === "LeaseLost",
              onSuccess: () => true
            })
          )
          const rest = new Set<string | undefined>()
          while (!(rest.has("2") && rest.has("3"))) {
            const done = yield* Effect.result(complete(store, queue, 1))
            if (done._tag === "Success") rest.add(done.success[0])
          }
          rest.delete("1")
          assert.strictEqual(rest.size, 2)
        })
    )
  }

  if (cut !== undefined) {
    law("AC-36.1: an enqueue that the store does not confirm fails", ({ queue, store }) =>
      Effect.gen(function*() {
        const enqueued = store.enqueue(queue, [{ payload: bytes("a") }])
        assert.strictEqual(
          yield* Effect.scoped(Effect.andThen(cut, refused(inTime("it fails", enqueued)))),
          "StoreUnavailable"
        )
      }))
    having(law, unique)(
      "AC-35, AC-36.1: an enqueue that the store does not confirm fails, and is there once when it is asked for again",
      ({ queue, store }) =>
        Effect.gen(function*() {
          const enqueued = store.enqueue(queue, [{ payload: bytes("a"), id: "a" }])
          assert.strictEqual(
            yield* Effect.scoped(Effect.andThen(cut, refused(inTime("it fails", enqueued)))),
            "StoreUnavailable"
          )
          yield* eventually(
            "it is confirmed",
            Effect.match(enqueued, { onFailure: () => false, onSuccess: () => true })
          )
          assert.deepStrictEqual(yield* complete(store, queue, 1), ["a"])
          yield* nothing(store, queue)
        })
    )
    law(
      "what runs for a job is interrupted before another can have it, when its store is cut off",
      ({ queue, store }) =>
        Effect.gen(function*() {
          yield* enqueue(store, queue, ["a"])
          const job = yield* claim(store, queue, leastTtl)
          const lost = yield* Effect.scoped(Effect.gen(function*() {
            const running = yield* Effect.forkChild(store.keep(job, Effect.never))
            yield* cut
            return yield* refused(inTime("it is interrupted", Fiber.join(running)))
          }))
          assert.strictEqual(lost, "LeaseLost")
        })
    )
  }
}
