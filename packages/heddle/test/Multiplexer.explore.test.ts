import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Multiplexer } from "heddle/flow"

const int = (min: number, max: number) => Random.nextIntBetween(min, max + 1)
const pick = <const A>(...all: readonly [A, ...ReadonlyArray<A>]) =>
  Effect.map(int(0, all.length - 1), (at) => all[at] ?? all[0])

/** What one source gives, told by who gave it, and how it behaves: all of it by chance. */
const anySource = (name: string) =>
  Effect.gen(function*() {
    const count = yield* int(0, 6)
    const chunk = yield* int(1, 4)
    const slow = yield* int(0, 2)
    const fails = (yield* int(0, 3)) === 0
    const given: Array<string> = []
    const items = Array.from({ length: count }, (_, at) => `${name}${at}`)
    const source = {
      stream: Stream.concat(
        Stream.fromIterable(items).pipe(
          Stream.rechunk(chunk),
          Stream.mapArrayEffect((some) => {
            const give = Effect.sync(() => {
              given.push(...some)
              return some
            })
            return slow === 0 ? give : Effect.andThen(Effect.sleep(slow), give)
          })
        ),
        fails ? Stream.fail(name) : Stream.empty
      ),
      priority: yield* int(0, 2),
      weight: yield* int(1, 3),
      buffer: yield* int(1, 3),
      whenFull: yield* pick<Multiplexer.WhenFull>("wait", "dropOldest", "dropNewest", { waitAtMost: 2 }),
      onEnd: yield* pick("continue", "continue", "stop"),
      onError: yield* pick("continue", "stop", "leaveOut")
    } as const
    return { name, given, fails, source }
  })

const anyProgram = Effect.gen(function*() {
  const names = ["a", "b", "c"].slice(0, yield* int(1, 3))
  const parts = yield* Effect.forEach(names, anySource)
  const order = yield* pick<Multiplexer.Order>("strict", "weighted", { aging: 2 })
  const sources = Object.fromEntries(parts.map(({ name, source }) => [name, source]))
  return { parts, options: { sources, order }, pace: yield* int(0, 3), consumers: yield* int(1, 2) }
})

type Stats = Readonly<Record<string, Multiplexer.SourceStats>>

/** What holds at any time, of all that was consumed so far. `lost` may have been handed to a consumer that was interrupted. */
const assertSound = (
  stats: Stats,
  given: Readonly<Record<string, ReadonlyArray<string>>>,
  seen: ReadonlyArray<string>,
  lost = 0
) => {
  assert.strictEqual(new Set(seen).size, seen.length, "nothing twice")
  let missing = 0
  for (const [name, one] of Object.entries(stats)) {
    const mine = seen.filter((item) => item.startsWith(name))
    assert.strictEqual(one.offered, one.delivered + one.dropped + one.waiting, `${name}: all are accounted for`)
    assert.isAtMost(one.offered, given[name]?.length ?? 0)
    missing += one.delivered - mine.length
    assert.isAtLeast(one.delivered, mine.length)
  }
  assert.isAtMost(missing, lost)
}

const inOrder = (name: string, seen: ReadonlyArray<string>) => {
  const mine = seen.filter((item) => item.startsWith(name)).map((item) => Number(item.slice(1)))
  assert.deepStrictEqual(mine, mine.toSorted((a, b) => a - b))
}

const explore = <A, E>(program: Effect.Effect<A, E>, runs = 2000) =>
  Effect.suspend(() => {
    const quiet = Effect.provideService(program, References.MinimumLogLevel, "None")
    return Effect.andThen(Explore.run(quiet, { runs }), Explore.run(quiet, { runs, strategy: Explore.pct() }))
  })

describe("Multiplexer under every kind of interleaving", () => {
  it.live(
    "conserves every element of programs made by chance, in the order of its source",
    () =>
      explore(Effect.scoped(Effect.gen(function*() {
        const { consumers, options, pace, parts } = yield* anyProgram
        const { stats, stream } = yield* Multiplexer.make(options)
        const seen: Array<string> = []
        const consume = Stream.runForEach(stream, ({ value }) =>
          Effect.andThen(
            Effect.sync(() => seen.push(value)),
            pace === 0 ? Effect.void : Effect.sleep(pace)
          ))
        const exits = yield* Effect.forEach(Array.from({ length: consumers }), () => Effect.exit(consume), {
          concurrency: "unbounded"
        })
        const end = yield* stats
        assertSound(end, Object.fromEntries(parts.map(({ given, name }) => [name, given])), seen)
        if (consumers === 1) {
          for (const { name } of parts) inOrder(name, seen)
        }
        const shown = parts.filter(({ fails, name, source }) =>
          fails && source.onError !== "leaveOut" && end[name]?.state === "failed"
        )
        for (const exit of exits) assert.strictEqual(Exit.isFailure(exit), shown.length > 0)
        for (const { given, name, source } of parts) {
          const one = end[name]
          assert.strictEqual(one?.waiting, 0)
          if (source.whenFull === "wait") assert.strictEqual(one?.dropped, 0)
          if (one?.state === "ended" || one?.state === "failed") assert.strictEqual(one.offered, given.length)
        }
      }))),
    120_000
  )

  it.live(
    "a consumer that is interrupted leaves what waits to the next",
    () =>
      explore(Effect.scoped(Effect.gen(function*() {
        const given = { a: ["a0", "a1", "a2", "a3"], b: ["b0", "b1", "b2"] }
        const { stats, stream } = yield* Multiplexer.make({
          sources: {
            a: { stream: Stream.fromIterable(given.a), buffer: 1 },
            b: { stream: Stream.fromIterable(given.b).pipe(Stream.rechunk(1)), priority: 1, buffer: 2 }
          }
        })
        const seen: Array<string> = []
        const consume = Stream.runForEach(stream, ({ value }) => Effect.sync(() => seen.push(value)))
        const first = yield* Effect.forkChild(consume)
        yield* Effect.yieldNow
        yield* Effect.yieldNow
        yield* Fiber.interrupt(first)
        yield* consume
        assertSound(yield* stats, given, seen, 1)
        assert.isAtLeast(seen.length, 6)
        inOrder("a", seen)
        inOrder("b", seen)
      }))),
    120_000
  )

  it.live("leaves no fiber behind", () => {
    const sources = { a: { stream: Stream.forever(Stream.make(1)) }, b: { stream: Stream.never } }
    const program = Stream.runDrain(Stream.take(Multiplexer.stream({ sources }), 3))
    return Explore.run(program, { runs: 1000, leaks: true })
  }, 120_000)
})

describe("Multiplexer interrupted at every step", () => {
  const setup = Effect.gen(function*() {
    const scope = yield* Scope.make()
    const given: Record<"a" | "b", Array<string>> = { a: [], b: [] }
    const source = (name: "a" | "b") =>
      Stream.range(0, 4).pipe(
        Stream.rechunk(2),
        Stream.map((at) => `${name}${at}`),
        Stream.mapArray((some) => {
          given[name].push(...some)
          return some
        })
      )
    return { scope, given, source, seen: Array<string>(), stats: Effect.succeed<Stats>({}) }
  })
  type World = Effect.Success<typeof setup>
  const program = (world: World) =>
    Effect.gen(function*() {
      const { stats, stream } = yield* Multiplexer.make({
        sources: {
          a: { stream: world.source("a"), buffer: 1, whenFull: { waitAtMost: 3 } },
          b: { stream: world.source("b"), buffer: 2, priority: 1 }
        }
      })
      world.stats = stats
      yield* Stream.runForEach(stream, ({ value }) =>
        Effect.andThen(Effect.sync(() => world.seen.push(value)), Effect.sleep(1)))
    }).pipe(Scope.provide(world.scope))

  it.live("keeps its accounts, and delivers the rest to the next", () =>
    InterruptSweep.run({
      setup,
      program,
      invariant: (world, exit) =>
        Effect.gen(function*() {
          const before = yield* world.stats
          assertSound(before, world.given, world.seen, 1)
          yield* Scope.close(world.scope, Exit.void)
          const after = yield* world.stats
          assertSound(after, world.given, world.seen, 1)
          if (Exit.isSuccess(exit)) {
            assert.deepStrictEqual(Object.values(after).map(({ state }) => state), ["ended", "ended"])
          }
        }),
      target: "all"
    }), 120_000)
})
