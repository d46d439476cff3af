import { describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { LeaderElection, LeaseStore } from "heddle/coordination"

const memory = Layer.fresh(LeaseStore.layerMemory)

/** Who works as leader at this moment, and the terms there were. */
const makeWorld = () => ({ leading: 0, most: 0, terms: Array<bigint>() })
type World = ReturnType<typeof makeWorld>

const work = (world: World) => (leadership: LeaderElection.Leadership) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      world.leading++
      world.most = Math.max(world.most, world.leading)
      world.terms.push(leadership.term)
    }),
    () => Effect.yieldNow,
    () => Effect.sync(() => world.leading--)
  )

const sound = (world: World) =>
  Effect.gen(function*() {
    if (world.most > 1 || world.leading !== 0) return yield* Effect.die(world)
    if (world.terms.some((term, at) => term <= (world.terms[at - 1] ?? 0n))) return yield* Effect.die(world)
    if (Option.isSome(yield* LeaderElection.leader("e"))) return yield* Effect.die("somebody leads")
  })

const lead = (world: World) => LeaderElection.runAsLeader("e")(work(world))

describe("an election, under every kind of interleaving", () => {
  it.live("has one leader at a time, each with a higher term, and none afterwards", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const world = makeWorld()
        const once = { resigned: false }
        const unsure = LeaderElection.runAsLeader("e")((mine) =>
          Effect.andThen(
            work(world)(mine),
            Effect.suspend(() => {
              if (once.resigned) return Effect.void
              once.resigned = true
              return Effect.andThen(mine.resign, Effect.never)
            })
          )
        )
        const leaver = yield* Effect.forkChild(lead(world))
        const fibers = yield* Effect.forEach([lead(world), unsure, lead(world)], (one) => Effect.forkChild(one))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(leaver)
        yield* Fiber.joinAll(fibers)
        yield* sound(world)
      }).pipe(Effect.provide(memory))
      yield* Explore.run(program, { runs: 400 })
      yield* Explore.run(program, { runs: 400, strategy: Explore.pct() })
    }), 30_000)

  it.live(
    "tells who observes every leader that it still finds, none older after a newer",
    () =>
      Effect.gen(function*() {
        const program = Effect.gen(function*() {
          const world = makeWorld()
          const terms: Array<bigint> = []
          const observer = yield* Effect.forkChild(
            Stream.runForEach(LeaderElection.observe("e"), (now) =>
              Effect.sync(() => {
                if (Option.isSome(now)) terms.push(now.value.term)
              }))
          )
          yield* Effect.all([lead(world), lead(world)], { concurrency: 2 })
          yield* Fiber.interrupt(observer)
          if (terms.some((term, at) => term < (terms[at - 1] ?? 0n))) return yield* Effect.die(terms)
          yield* sound(world)
        }).pipe(Effect.provide(memory))
        yield* Explore.run(program, { runs: 300 })
      }),
    30_000
  )

  const setup = Effect.gen(function*() {
    const context = yield* Layer.build(memory)
    return { ...makeWorld(), context }
  })
  const invariant = (world: Effect.Success<typeof setup>) => sound(world).pipe(Effect.provide(world.context))

  it.live(
    "gives the term up, interrupted at any step: alone, in line, and while it resigns",
    () =>
      Effect.gen(function*() {
        const resign = Effect.suspend(() => {
          let resigned = false
          return LeaderElection.runAsLeader("e")((mine) => {
            if (resigned) return Effect.void
            resigned = true
            return Effect.andThen(mine.resign, Effect.never)
          })
        })
        const programs = [
          (world: World) => lead(world),
          (world: World) => Effect.all([lead(world), lead(world), lead(world)], { concurrency: 3 }),
          () => resign,
          () => Effect.scoped(Effect.andThen(LeaderElection.campaign("e"), Effect.yieldNow))
        ]
        for (const program of programs) {
          yield* InterruptSweep.run({
            setup,
            program: (world) => Effect.provide(program(world), world.context),
            invariant,
            leaks: false,
            target: "all"
          })
        }
      }),
    60_000
  )
})
