import { describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { LeaseStore, Membership } from "heddle/coordination"

const memory = Layer.fresh(LeaseStore.layerMemory)
const group = Membership.make({ group: "g", value: Schema.Int })

/** Joins, looks, changes its value, and leaves. */
const visit = (value: number) =>
  Effect.scoped(Effect.gen(function*() {
    const mine = yield* group.join(value)
    const { members } = yield* group.members
    if (!members.some(({ id }) => id === mine.id)) return yield* Effect.die("a member does not see itself")
    yield* mine.update(-value)
    yield* Effect.yieldNow
    if (value % 2 === 0) yield* mine.leave
  }))

const empty = Effect.flatMap(
  group.members,
  ({ members }) => members.length === 0 ? Effect.void : Effect.die("somebody is in the group")
)

describe("a group, under every kind of interleaving", () => {
  it.live("has in it who joined and did not leave, and nobody afterwards", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const fibers = yield* Effect.forEach([1, 2, 3, 4, 5], (value) => Effect.forkChild(visit(value)))
        yield* Effect.yieldNow
        for (const leaver of fibers.slice(0, 2)) yield* Fiber.interrupt(leaver)
        yield* Fiber.joinAll(fibers.slice(2))
        yield* empty
      }).pipe(Effect.provide(memory))
      yield* Explore.run(program, { runs: 300 })
      yield* Explore.run(program, { runs: 300, strategy: Explore.pct() })
    }))

  it.live(
    "gives all who see one revision one owner of a key, and ends with what is true",
    () =>
      Effect.gen(function*() {
        const program = Effect.gen(function*() {
          const owners = new Map<string, string | undefined>()
          const watch = Stream.runForEach(group.changes, (view) => {
            const owner = Option.getOrUndefined(Membership.owner(view, "key"))?.id
            const known = owners.get(view.revision)
            if (known !== undefined && known !== owner) return Effect.die("two owners in one revision")
            owners.set(view.revision, owner)
            return Effect.void
          })
          const last = Stream.runHead(Stream.filter(group.changes, ({ members }) => members.length === 0))
          const observers = yield* Effect.forEach([watch, watch], (one) => Effect.forkChild(one))
          yield* Effect.all([visit(1), visit(2), visit(3)], { concurrency: 3 })
          yield* last
          for (const observer of observers) yield* Fiber.interrupt(observer)
        }).pipe(Effect.provide(memory))
        yield* Explore.run(program, { runs: 300 })
      })
  )

  const setup = Effect.map(Layer.build(memory), (context) => ({ context, dirty: 0 }))

  it.live("is left in full, interrupted at any step, and only when the work has ended", () =>
    InterruptSweep.run({
      setup,
      program: (world: Effect.Success<typeof setup>) =>
        Effect.scoped(Effect.gen(function*() {
          const mine = yield* group.join(7)
          const clean = Effect.gen(function*() {
            const { members } = yield* Effect.orDie(group.members)
            if (members.length === 1) world.dirty--
          })
          const work = Effect.acquireUseRelease(Effect.sync(() => world.dirty++), () => Effect.never, () => clean)
          yield* Effect.forkChild(mine.run(work), { startImmediately: true })
          yield* mine.leave
        })).pipe(Effect.provide(world.context)),
      invariant: (world) =>
        Effect.andThen(empty, world.dirty === 0 ? Effect.void : Effect.die("it had left before its work ended")).pipe(
          Effect.provide(world.context)
        ),
      leaks: false,
      target: "all"
    }))
})
