import { assert, describe, it } from "@effect/vitest"
import { readWriteLockLaws } from "@heddle/testkit/laws"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Tracer from "effect/Tracer"
import { DistributedLock, DistributedSemaphore, LeaseAbility, LeaseStore, ReadWriteLock } from "heddle/coordination"
import { attempts } from "./attempts.ts"
import * as SharedMemory from "./SharedMemory.ts"

const { layer } = await Effect.runPromise(Scope.provide(SharedMemory.make, Scope.makeUnsafe()))

readWriteLockLaws("memory", Layer.merge(layer, LeaseAbility.layerAll), { resizable: true })

const { tryRead, tryWrite, withRead, withWrite } = ReadWriteLock
const memory = Layer.fresh(LeaseStore.layerMemory)
const scene = <A, E>(title: string, program: () => Effect.Effect<A, E, LeaseStore.LeaseStore | LeaseAbility.All>) =>
  it.effect(title, () => Effect.provide(program(), memory))

const isFree = Effect.map(tryWrite("k")(Effect.void), Option.isSome)

describe("a writer that became a reader", () => {
  scene("stays one when it asks again", () =>
    withWrite("k")(({ downgrade }) =>
      Effect.gen(function*() {
        yield* downgrade
        yield* downgrade
        const { readers, writer } = yield* ReadWriteLock.inspect("k")
        assert.deepStrictEqual([writer, readers.length], [undefined, 1])
      })
    ))

  scene(
    "still holds the key: it cannot take it once more",
    () =>
      withWrite("k")(({ downgrade }) =>
        Effect.gen(function*() {
          yield* downgrade
          assert.deepInclude(yield* Effect.flip(withWrite("k")(Effect.void)), { _tag: "WouldDeadlock", key: "k" })
          assert.deepInclude(yield* Effect.flip(withRead("k")(Effect.void)), { _tag: "WouldDeadlock", key: "k" })
        })
      )
  )

  scene("gives the key back at its end", () =>
    Effect.gen(function*() {
      yield* withWrite("k")(({ downgrade }) => downgrade)
      assert.isTrue(yield* isFree)
    }))

  scene("is told when it had lost the key before", () =>
    Effect.gen(function*() {
      const late = yield* withWrite("k")((lease) => Effect.succeed(lease.downgrade))
      assert.deepInclude(yield* Effect.flip(late), { _tag: "LeaseLost" })
    }))
})

describe("who holds a key", () => {
  scene("is also a fiber that the section forked, until the section is over", () =>
    Effect.gen(function*() {
      const over = yield* Deferred.make<void>()
      const late = yield* withRead("k")(Effect.gen(function*() {
        const child = yield* Effect.forkChild(Effect.flip(withRead("k")(Effect.void)))
        assert.deepInclude(yield* Fiber.join(child), { _tag: "WouldDeadlock", key: "k" })
        return yield* Effect.forkDetach(
          Effect.andThen(Deferred.await(over), withWrite("k", { waitFor: 0 })(Effect.succeed("wrote")))
        )
      }))
      yield* Deferred.succeed(over, undefined)
      assert.strictEqual(yield* Fiber.join(late), "wrote")
    }))

  scene("holds no key of another pattern, whatever its name", () =>
    Effect.gen(function*() {
      const semaphore = DistributedSemaphore.make({ key: "k", permits: 1 })
      const named = (key: string) =>
        DistributedLock.withLock(key, { reentrant: true })((lease) => Effect.succeed(lease.resource))
      assert.strictEqual(yield* withRead("k")(named("rwlock/k")), "lock/rwlock/k")
      assert.strictEqual(yield* semaphore.withPermit(named("semaphore/k")), "lock/semaphore/k")
      assert.strictEqual(yield* named("k").pipe(withWrite("k"), semaphore.withPermit), "lock/k")
    }))

  scene("is not warned of an order that only the keys of locks have", () =>
    Effect.gen(function*() {
      const lines = Array<string>()
      const logger = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      const semaphore = DistributedSemaphore.make({ key: "z", permits: 1 })
      const lock = DistributedLock.withLock("a")(Effect.void)
      yield* Effect.all([withRead("z")(lock), semaphore.withPermit(lock)]).pipe(Effect.provide(logger))
      assert.deepStrictEqual(lines, [])
    }))
})

scene("a wait ends when its bound is reached and not before", () =>
  Effect.gen(function*() {
    const inside = yield* Deferred.make<void>()
    const reader = yield* Effect.forkChild(
      withRead("k")(Effect.andThen(Deferred.succeed(inside, undefined), Effect.never))
    )
    yield* Deferred.await(inside)
    const waiter = yield* Effect.forkChild(Effect.flip(withWrite("k", { waitFor: "5 seconds" })(Effect.void)))
    yield* TestClock.adjust("4999 millis")
    assert.isUndefined(waiter.pollUnsafe())
    yield* TestClock.adjust("1 millis")
    assert.include((yield* Fiber.join(waiter)).message, "5000 ms")
    assert.strictEqual((yield* ReadWriteLock.inspect("k")).waiters.length, 0)
    yield* Fiber.interrupt(reader)
  }))

scene(
  "each attempt is counted once, by its mode and how it ended; waits always, holds once a hold",
  () =>
    Effect.gen(function*() {
      const inside = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const section = Effect.andThen(Deferred.succeed(inside, undefined), Deferred.await(go))
      const reader = yield* Effect.forkChild(withRead("k")(section))
      yield* Deferred.await(inside)
      yield* tryRead("k")(Effect.void)
      yield* tryWrite("k")(Effect.void)
      yield* Effect.exit(withWrite("k", { waitFor: 0 })(Effect.void))
      yield* Effect.exit(withWrite("k", { ttl: NaN })(Effect.void))
      yield* Deferred.succeed(go, undefined)
      yield* Fiber.join(reader)
      yield* Effect.exit(withWrite("k")(Effect.fail("by itself")))
      const read = yield* attempts("rwlock", { backend: "memory", mode: "read" })
      assert.deepStrictEqual(read, { outcomes: { success: 2 }, waits: 2, holds: 2 })
      const write = yield* attempts("rwlock", { backend: "memory", mode: "write" })
      assert.deepStrictEqual(write, {
        outcomes: { contended: 1, error: 1, success: 1, timeout: 1 },
        waits: 4,
        holds: 1
      })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
)

scene("one span a section when somebody traces, with backend, key and token", () =>
  Effect.gen(function*() {
    const spans = Array<Tracer.Span>()
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    const token = yield* withWrite("k")((lease) => Effect.succeed(lease.token)).pipe(Effect.withTracer(tracer))
    assert.deepStrictEqual(spans.map(({ attributes, name }) => [name, Object.fromEntries(attributes)]), [
      ["ReadWriteLock.withWrite", {
        "heddle.backend": "memory",
        "heddle.rwlock.key": "k",
        "heddle.rwlock.token": String(token)
      }]
    ])
  }))
