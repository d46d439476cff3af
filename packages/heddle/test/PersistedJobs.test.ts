import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { PersistedQueue } from "effect/persistence"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { JobStore, PersistedJobs } from "heddle/messaging"

const layer = PersistedQueue.layer.pipe(
  Layer.provideMerge(PersistedJobs.layerStore({ ttl: "1 second" })),
  Layer.provideMerge(Layer.fresh(JobStore.layerMemory))
)

const test = <A, E>(
  title: string,
  body: Effect.Effect<A, E, PersistedQueue.PersistedQueueFactory | PersistedQueue.PersistedQueueStore | JobStore.All>
) => it.effect(title, () => Effect.provide(body, layer))

const numbers = PersistedQueue.make({
  name: "numbers",
  schema: Schema.Int,
  maxAttempts: 3,
  retrySchedule: Schedule.spaced("1 minute")
})
const stats = Effect.flatMap(JobStore.JobControl, (control) => control.stats("numbers"))
const seen = (value: number, { attempts }: { readonly attempts: number }) => Effect.succeed([value, attempts])

describe("Effect's PersistedQueue on a JobStore", () => {
  test(
    "elements come in order, and one for an id, also after it was done",
    Effect.gen(function*() {
      const queue = yield* numbers
      yield* queue.offer(1, { id: "a" })
      yield* queue.offer(2)
      yield* queue.offer(3, { id: "a" })
      assert.deepStrictEqual([yield* queue.take(seen), yield* queue.take(seen)], [[1, 1], [2, 1]])
      yield* queue.offer(4, { id: "a" })
      assert.deepStrictEqual(yield* stats, { waiting: 0, delayed: 0, claimed: 0, dead: 0, paused: false })
    })
  )

  test(
    "an element is nobody's before its delay is over, and wakes who waits then",
    Effect.gen(function*() {
      const queue = yield* numbers
      const taking = yield* Effect.forkChild(queue.take(seen))
      yield* queue.offer(1, { delay: "1 minute" })
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(taking.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(taking), [1, 1])
    })
  )

  test(
    "an element that fails comes again when the schedule says, and is a dead letter after its last attempt",
    Effect.gen(function*() {
      const queue = yield* numbers
      yield* queue.offer(1)
      for (const attempt of [1, 2, 3]) {
        const taking = yield* Effect.forkChild(Effect.flip(queue.take((_, { attempts }) => Effect.fail(attempts))))
        yield* TestClock.adjust(attempt === 1 ? 0 : "1 minute")
        assert.strictEqual(yield* Fiber.join(taking), attempt)
      }
      assert.strictEqual((yield* stats).dead, 1)
    })
  )

  test(
    "who is interrupted gives the element back uncounted; a long one is renewed; one whose worker dies is counted",
    Effect.gen(function*() {
      const queue = yield* numbers
      yield* queue.offer(1)
      const begun = yield* Deferred.make<void>()
      const taking = yield* Effect.forkChild(
        queue.take(() => Effect.andThen(Deferred.succeed(begun, undefined), Effect.never))
      )
      yield* Deferred.await(begun)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* stats).claimed, 1)
      yield* Fiber.interrupt(taking)
      const store = yield* JobStore.JobStore
      // Claimed in a scope that does not close: a worker that died.
      yield* Effect.scoped(Effect.gen(function*() {
        assert.strictEqual((yield* store.claim("numbers", { ttl: 500 }))[0]?.attempt, 1)
        yield* TestClock.adjust(500)
        assert.deepStrictEqual(yield* queue.take(seen), [1, 2])
      }))
    })
  )

  test(
    "what does not decode is a dead letter at once, and the next is taken",
    Effect.gen(function*() {
      const queue = yield* numbers
      const older = yield* PersistedQueue.make({ name: "numbers", schema: Schema.String })
      const store = yield* JobStore.JobStore
      yield* older.offer("old")
      yield* store.enqueue("numbers", [{ payload: Uint8Array.of(255) }])
      yield* queue.offer(7)
      assert.deepStrictEqual(yield* queue.take(seen), [7, 1])
      assert.strictEqual((yield* stats).dead, 2)
    })
  )

  test(
    "dead letters stay, and who asks for something else is told",
    Effect.gen(function*() {
      const { cleanup } = yield* PersistedQueue.PersistedQueueStore

      yield* cleanup({ timeToLive: Duration.seconds(1), failedTimeToLive: undefined })
      const error = yield* Effect.flip(
        cleanup({ timeToLive: Duration.seconds(1), failedTimeToLive: Duration.seconds(1) })
      )
      assert.strictEqual(error._tag, "PersistedQueueError")
      const queue = yield* PersistedQueue.make({ name: "no name", schema: Schema.Int })
      assert.include((yield* Effect.flip(queue.offer(1)))._tag, "PersistedQueueError")
    })
  )
})
