import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Log, LogStore } from "heddle/messaging"

const all = { concurrency: "unbounded" } as const
const log = Log.make({ name: "l", payload: Schema.Struct({ by: Schema.Int, n: Schema.Int }) })
const each = 4
const count = 3 * each

const appender = (by: number) =>
  Effect.gen(function*() {
    yield* log.append({ by, n: 0 })
    yield* Effect.yieldNow
    yield* log.appendAll([1, 2].map((n) => ({ by, n })))
    yield* Effect.yieldNow
    yield* log.append({ by, n: 3 })
  })

/** What was finished by any handler; a commit past something else fails the run. */
const watched = (finished: Set<bigint>) =>
  Layer.provide(
    Layer.effect(
      LogStore.LogStore,
      Effect.map(LogStore.LogStore, (store) => ({
        ...store,
        attach: (name: string, consumer: string) =>
          Effect.map(store.attach(name, consumer), (attached) => ({
            ...attached,
            commit: (offset: bigint) =>
              Effect.suspend(() => {
                for (let one = 1n; one <= offset; one++) {
                  assert.isTrue(finished.has(one), `${offset} was committed before ${one} was finished`)
                }
                return attached.commit(offset)
              })
          }))
      }))
    ),
    Layer.fresh(LogStore.layerMemory)
  )

const consume = (finished: Set<bigint>, concurrency: number, pause: Effect.Effect<unknown>) =>
  log.consume("c", ({ offset }) =>
    Effect.gen(function*() {
      yield* pause
      if (offset % 3n !== 0n) yield* Effect.yieldNow
      finished.add(offset)
    }), { concurrency })

const perhaps = Effect.flatMap(Random.nextBoolean, (yes) => yes ? Effect.yieldNow : Effect.void)

const read = Effect.flatMap(log.read(), (entries) => Stream.runCollect(Stream.take(entries, count)))

const program = Effect.suspend(() => {
  const finished = new Set<bigint>()
  return Effect.gen(function*() {
    const positions: Array<bigint> = []
    const look = Effect.map(log.position("c"), (position) => {
      positions.push(Option.getOrElse(position, () => 0n))
    })
    /** One consumer after another, each killed somewhere, two of them at once. */
    const consumers = Effect.gen(function*() {
      const first = yield* Effect.forkChild(Effect.ignore(consume(finished, 3, perhaps)))
      yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.yieldNow)
      yield* look
      const second = yield* Effect.forkChild(Effect.ignore(consume(finished, 2, perhaps)))
      yield* Effect.forEach(Array.from({ length: 5 }), () => Effect.yieldNow)
      yield* Fiber.interrupt(second)
      yield* look
      const third = yield* Effect.forkChild(Effect.exit(consume(finished, 3, perhaps)))
      while (Option.getOrUndefined(yield* log.position("c")) !== BigInt(count)) {
        yield* look
        yield* Effect.yieldNow
      }
      yield* Fiber.interruptAll([first, third])
    })
    const [, , , , early, late] = yield* Effect.all([
      appender(0),
      appender(1),
      appender(2),
      consumers,
      read,
      Effect.andThen(Effect.yieldNow, read)
    ], all)
    for (const entries of [early, late]) {
      const found = Array.from(entries)
      assert.deepStrictEqual(
        found.map(({ offset }) => offset),
        Array.from({ length: count }, (_, at) => BigInt(at + 1))
      )
      for (const by of [0, 1, 2]) {
        assert.deepStrictEqual(found.filter(({ value }) => value.by === by).map(({ value }) => value.n), [0, 1, 2, 3])
      }
    }
    assert.deepStrictEqual(positions, positions.toSorted((a, b) => Number(a - b)), "a position went back")
    assert.strictEqual(finished.size, count)
  }).pipe(Effect.provide(watched(finished)))
})

describe("Log under every kind of interleaving", () => {
  it.live(
    "each reader sees each entry once and in order, and no position passes an unfinished entry or goes back",
    () =>
      Effect.andThen(
        Explore.run(program, { runs: 200, leaks: true }),
        Explore.run(program, { runs: 60, leaks: true, strategy: Explore.pct() })
      ),
    120_000
  )
})

describe("Log interrupted at every step", () => {
  const setup = Effect.suspend(() => {
    const finished = new Set<bigint>()
    return Layer.build(watched(finished)).pipe(
      Effect.map((services) => ({ services: Context.pick(LogStore.LogStore)(services), finished })),
      Scope.provide(Scope.makeUnsafe())
    )
  })
  it.live("whoever is interrupted, the next consumer does what is left, and all is read", () =>
    InterruptSweep.run({
      setup,
      program: ({ finished, services }) =>
        Effect.gen(function*() {
          const consuming = yield* Effect.forkChild(consume(finished, 2, Effect.void))
          yield* appender(0)
          const isDone = Effect.map(log.position("c"), (position) => Option.getOrUndefined(position) === BigInt(each))
          while (consuming.pollUnsafe() === undefined && !(yield* isDone)) yield* Effect.yieldNow
          yield* Fiber.interrupt(consuming)
        }).pipe(Effect.provideContext(services)),
      invariant: ({ finished, services }) =>
        Effect.gen(function*() {
          yield* log.append({ by: 1, n: 9 })
          const entries = Array.from(
            yield* Stream.runCollect(
              Stream.takeUntil(yield* log.read(), ({ value }) => value.n === 9)
            )
          )
          const position = Effect.map(log.position("c"), Option.getOrUndefined)
          const consuming = yield* Effect.forkChild(consume(finished, 2, Effect.void))
          while ((yield* position) !== entries.at(-1)?.offset) {
            assert.isUndefined(consuming.pollUnsafe(), "the next consumer has stopped")
            yield* Effect.yieldNow
          }
          assert.strictEqual(finished.size, entries.length)
          yield* Fiber.interrupt(consuming)
        }).pipe(Effect.provideContext(services)),
      target: "all"
    }), 120_000)
})
