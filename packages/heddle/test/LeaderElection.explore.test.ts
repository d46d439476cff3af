import { describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
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
    }))

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
      })
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
    120_000
  )

  const campaigner = Effect.gen(function*() {
    const context = yield* Layer.build(memory)
    const scope = yield* Effect.scope
    const world = { ...makeWorld(), context, scope, dirty: 0, mine: Array<LeaderElection.Leadership>() }
    return world
  })
  type Campaigner = Effect.Success<typeof campaigner>

  /** Campaigns in a scope, and does two works under the term in fibers that outlive that scope. */
  const working = (world: Campaigner, scope: Scope.Scope) =>
    Effect.gen(function*() {
      const mine = yield* Scope.provide(LeaderElection.campaign("e"), scope)
      world.mine.push(mine)
      const clean = Effect.gen(function*() {
        const late = yield* Effect.flip(mine.run(Effect.void))
        if (late._tag !== "LeaseLost") return yield* Effect.die("it worked on while it resigned")
        if (Option.isNone(yield* Effect.orDie(LeaderElection.leader("e")))) {
          return yield* Effect.die("the term was given up before its work had ended")
        }
        world.dirty--
      })
      const work = (yields: number) =>
        mine.run(Effect.acquireUseRelease(
          Effect.sync(() => world.dirty++),
          () => Effect.never,
          () => Effect.andThen(Effect.repeat(Effect.yieldNow, { times: yields }), clean)
        ))
      const fibers = yield* Effect.forEach([1, 4], (yields) =>
        Effect.forkDetach(work(yields), { startImmediately: true }))
      return { mine, ended: Effect.forEach(fibers, Fiber.await) }
    })

  /** The store and the one who leads tell the same. */
  const agreed = (world: Campaigner) =>
    Effect.gen(function*() {
      const leads = Option.isSome(yield* LeaderElection.leader("e"))
      const mine = world.mine.at(-1)
      if (mine !== undefined && mine.isLeader() !== leads) return yield* Effect.die(`leads: ${leads}`)
    }).pipe(Effect.provide(world.context))

  it.live("resigns in full, interrupted at any step, also where its scope stays open", () =>
    InterruptSweep.run({
      setup: campaigner,
      program: (world) =>
        Effect.gen(function*() {
          const { ended, mine } = yield* working(world, world.scope)
          yield* mine.resign
          const exits = yield* ended
          if (exits.some(Exit.hasDies)) return yield* Effect.die(exits)
        }).pipe(Effect.provide(world.context)),
      invariant: agreed,
      leaks: false
    }), 120_000)

  it.live("resigns once, whoever resigns with it, from inside or from outside", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const mine = yield* LeaderElection.campaign("e")
        const ended = yield* Effect.forkChild(
          Effect.exit(mine.run(Effect.ensuring(mine.resign, Effect.ignore(mine.resign))))
        )
        const resigners = [mine.resign, Effect.uninterruptible(mine.resign), mine.resign]
        const [, , hurried] = yield* Effect.forEach(resigners, (one) => Effect.forkChild(one))
        if (hurried !== undefined) yield* Fiber.interrupt(hurried)
        const exit = yield* Fiber.join(ended)
        yield* mine.resign
        if (Exit.isSuccess(exit)) return yield* Effect.die("the work went on")
        if (mine.isLeader() || Option.isSome(yield* LeaderElection.leader("e"))) return yield* Effect.die("it leads")
      }).pipe(Effect.scoped, Effect.provide(memory))
      yield* Explore.run(program, { runs: 400 })
      yield* Explore.run(program, { runs: 400, strategy: Explore.pct() })
    }), 120_000)

  it.live(
    "gives a term up only when its work has ended, also where its scope closes first",
    () =>
      Effect.gen(function*() {
        const program = Effect.scoped(Effect.gen(function*() {
          const world = yield* campaigner
          yield* Effect.gen(function*() {
            const scope = yield* Scope.make()
            const { ended, mine } = yield* working(world, scope)
            yield* Scope.close(scope, Exit.void)
            if (mine.isLeader() || world.dirty !== 0) return yield* Effect.die(world)
            const exits = yield* ended
            if (exits.some(Exit.hasDies)) return yield* Effect.die(exits)
            yield* agreed(world)
          }).pipe(Effect.provide(world.context))
        }))
        yield* Explore.run(program, { runs: 200 })
      }),
    120_000
  )

  it.live("lets work close its own scope", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const scope = yield* Scope.make()
        const mine = yield* Scope.provide(LeaderElection.campaign("e"), scope)
        yield* Effect.exit(mine.run(Effect.andThen(Scope.close(scope, Exit.void), Effect.never)))
        if (Option.isSome(yield* LeaderElection.leader("e"))) return yield* Effect.die("it leads")
      }).pipe(Effect.provide(memory))
      yield* Explore.run(program, { runs: 100 })
    }), 120_000)
})
