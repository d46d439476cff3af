import { assert, describe, it } from "@effect/vitest"
import { distributedSemaphoreLaws } from "@heddle/testkit/laws"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { DistributedSemaphore, LeaseAbility, LeaseStore } from "heddle/coordination"
import { attempts } from "./attempts.ts"
import * as SharedMemory from "./SharedMemory.ts"

const { layer } = await Effect.runPromise(Scope.provide(SharedMemory.make, Scope.makeUnsafe()))

distributedSemaphoreLaws("memory", Layer.merge(layer, LeaseAbility.layerAll), { resizable: true })

const memory = Layer.fresh(LeaseStore.layerMemory)
const scene = <A, E>(title: string, program: () => Effect.Effect<A, E, DistributedSemaphore.Needs>) =>
  it.effect(title, () => Effect.provide(program(), memory))

const { available, inspect, resize, tryWithPermits, withPermit, withPermits } = DistributedSemaphore.make({
  key: "k",
  permits: 3,
  waitFor: "5 seconds",
  name: "database"
})

describe("permits", () => {
  for (const end of ["success", "failure", "defect", "interruption"] as const) {
    scene(`are given back after ${end}`, () =>
      Effect.gen(function*() {
        const section = {
          success: Effect.void,
          failure: Effect.fail("no"),
          defect: Effect.die("no"),
          interruption: Effect.interrupt
        }[end]
        const exit = yield* Effect.exit(withPermits(2)(section))
        assert.strictEqual(Exit.isSuccess(exit), end === "success")
        assert.strictEqual(yield* available, 3)
      }))
  }

  scene("may be taken in a section that holds some, as many as are left", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* withPermits(2)(withPermit(available)), 0)
    }))
})

scene(
  "AC-08.3 a wait ends when its bound is reached and not before, and leaves no place in line",
  () =>
    withPermits(3)(Effect.gen(function*() {
      const waiter = yield* Effect.forkChild(Effect.flip(withPermit(Effect.void)))
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(waiter.pollUnsafe())
      assert.strictEqual((yield* inspect).waiters.length, 1)
      yield* TestClock.adjust("1 millis")
      assert.include((yield* Fiber.join(waiter)).message, "5000 ms")
      assert.strictEqual((yield* inspect).waiters.length, 0)
    }))
)

scene("a size that means nothing is refused by the name that the caller gave it", () =>
  Effect.gen(function*() {
    for (const permits of [0, -1, 1.5, NaN, 2 ** 31]) {
      const wrong = DistributedSemaphore.make({ key: "k", permits })
      for (const call of [wrong.withPermit(Effect.void), wrong.available, wrong.resize(1), resize(permits)]) {
        assert.deepInclude(yield* Effect.flip<unknown, unknown, DistributedSemaphore.Needs>(call), {
          _tag: "InvalidClaim",
          field: "permits"
        })
      }
    }
    assert.strictEqual(yield* available, 3)
  }))

scene("each attempt is counted once, by how it ended; waits always, holds once a hold", () =>
  Effect.gen(function*() {
    const inside = yield* Deferred.make<void>()
    const go = yield* Deferred.make<void>()
    const section = Effect.andThen(Deferred.succeed(inside, undefined), Deferred.await(go))
    const holder = yield* Effect.forkChild(withPermits(2)(section))
    yield* Deferred.await(inside)
    yield* tryWithPermits(1)(Effect.void)
    yield* tryWithPermits(2)(Effect.void)
    yield* Effect.exit(withPermits(4)(Effect.void))
    const leaver = yield* Effect.forkChild(withPermits(3)(Effect.void), { startImmediately: true })
    yield* Fiber.interrupt(leaver)
    yield* Deferred.succeed(go, undefined)
    yield* Fiber.join(holder)
    assert.deepStrictEqual(yield* attempts("semaphore", { backend: "memory", semaphore: "database" }), {
      outcomes: { contended: 1, error: 1, success: 2, timeout: 1 },
      waits: 5,
      holds: 2
    })
  }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
