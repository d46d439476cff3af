import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { RateLimiter, RateLimiterStore } from "heddle/resilience"

const store = Effect.map(
  Effect.scoped(Layer.build(RateLimiterStore.layerMemory)),
  Context.get(RateLimiterStore.RateLimiterStore)
)
const make = Effect.gen(function*() {
  const limiter = yield* Effect.provideService(
    RateLimiter.make({ name: "api", limit: 2, per: 100 }),
    RateLimiterStore.RateLimiterStore,
    yield* store
  )
  return { limiter, went: Array<number>() }
})
type World = Effect.Success<typeof make>

const call = ({ limiter, went }: World) =>
  limiter.run({ waitFor: 10_000 })(
    Effect.clockWith((clock) => Effect.sync(() => went.push(clock.currentTimeMillisUnsafe())))
  )

/** No span of 100 ms has more than two, and of those who did not go no turn is missing: the next two need not wait. */
const sound = ({ limiter, went }: World) =>
  Effect.gen(function*() {
    for (const at of went) {
      if (went.filter((other) => other > at - 100 && other <= at).length > 2) return yield* Effect.die("three went")
    }
    const { wait } = yield* Effect.orDie(limiter.reserve({ cost: 2, waitFor: 10_000 }))
    if (wait > 100) return yield* Effect.die(`a turn is missing: ${wait}`)
  })

describe("a rate limiter, under every kind of interleaving", () => {
  it.live("never lets too many go, and loses no turn of who leaves", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const world = yield* make
        const callers = yield* Effect.forEach([1, 2, 3, 4, 5], () => Effect.forkChild(Effect.exit(call(world))))
        const leaver = yield* Effect.forkChild(call(world))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(leaver)
        yield* Fiber.joinAll(callers)
        yield* sound(world)
      })
      yield* Explore.run(program, { runs: 1000 })
      yield* Explore.run(program, { runs: 500, strategy: Explore.pct() })
    }), 120_000)

  it.live(
    "turns that are fetched many at a time are neither lost nor doubled, whoever fetches",
    () =>
      Effect.gen(function*() {
        const program = Effect.scoped(Effect.gen(function*() {
          const limiter = yield* Effect.provideService(
            RateLimiter.leased({ name: "api", limit: 6, per: 100, batch: 3 }),
            RateLimiterStore.RateLimiterStore,
            yield* store
          )
          let went = 0
          const take = Effect.match(limiter.take(), { onFailure: () => {}, onSuccess: () => void went++ })
          const leaver = yield* Effect.forkChild(limiter.take())
          yield* Effect.all(Array.from({ length: 8 }, () => take), { concurrency: "unbounded" })
          yield* Fiber.interrupt(leaver)
          if (went > 6 || went < 5) return yield* Effect.die(`${went} went`)
        }))
        yield* Explore.run(program, { runs: 1000 })
      }),
    120_000
  )

  it.live("gives back the turn wherever a caller is interrupted", () =>
    Effect.gen(function*() {
      const report = yield* InterruptSweep.run({
        setup: make,
        program: (world) =>
          Effect.all([call(world), call(world), call(world)], { concurrency: "unbounded", mode: "result" }),
        invariant: sound,
        target: "all"
      })
      assert.isAbove(report.points, 15)
    }), 120_000)
})
