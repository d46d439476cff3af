import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Kv, KvStore } from "heddle/coordination"

const memory = Layer.fresh(KvStore.layerMemory)
const numbers = Kv.make({ namespace: "numbers", schema: Schema.Int })
const valueOf = (key: string) => Effect.map(numbers.get(key), Option.map(({ value }) => value))

const increment = numbers.modify("n", (n) => {
  const next = Option.getOrElse(n, () => 0) + 1
  return Effect.as(Effect.yieldNow, [next, Option.some(next)] as const)
})

const explore = <A, E>(program: Effect.Effect<A, E, KvStore.KvStore>) =>
  Effect.andThen(
    Explore.run(Effect.provide(program, memory), { runs: 400 }),
    Explore.run(Effect.provide(program, memory), { runs: 400, strategy: Explore.pct() })
  )

describe("Kv under every kind of interleaving", () => {
  it.live("loses and doubles no modification", () =>
    explore(Effect.gen(function*() {
      const seen = yield* Effect.all([increment, increment, increment, increment], { concurrency: "unbounded" })
      assert.sameMembers(seen, [1, 2, 3, 4])
      assert.deepStrictEqual(yield* valueOf("n"), Option.some(4))
    })))

  it.live("AC-40.2 decides on one proposal", () =>
    explore(Effect.gen(function*() {
      const told = yield* Effect.all([1, 2, 3, 4].map((n) => numbers.propose("n", n)), { concurrency: "unbounded" })
      const decided = Option.getOrThrow(yield* numbers.get("n"))
      assert.deepStrictEqual(told, told.map(() => decided))
    })))

  it.live(
    "tells each change once and in order, also those made while it reads in parts",
    () =>
      explore(
        Effect.gen(function*() {
          const keys = ["a", "b", "c", "d", "e"]
          for (const key of keys) yield* numbers.put(key, 0)
          const write = (key: string, from: number) => Effect.forEach([1, 2], (n) => numbers.put(key, from + n))
          const writers = yield* Effect.forkChild(Effect.all([
            Effect.andThen(numbers.delete("e"), write("e", 0)),
            write("a", 0),
            write("d", 0)
          ], { concurrency: "unbounded" }))
          const known = new Map<string, number>()
          const seen = new Map<string, Array<number>>(keys.map((key) => [key, []]))
          const note = (key: string, value: number) => {
            known.set(key, value)
            seen.get(key)?.push(value)
          }
          const done = () => known.size === 5 && ["a", "d", "e"].every((key) => known.get(key) === 2)
          yield* numbers.changes.pipe(
            Stream.runForEachWhile((change) =>
              Effect.sync(() => {
                if (change._tag === "Snapshot") { for (const { key, value } of change.entries) note(key, value) }
                else if (change._tag === "Put") note(change.entry.key, change.entry.value)
                else if (change._tag === "Delete") known.delete(change.key)
                return !done()
              })
            )
          )
          yield* Fiber.join(writers)
          for (const values of seen.values()) {
            assert.deepStrictEqual(values, values.map((_, at) => (values[0] ?? 0) + at), "a change was doubled or lost")
          }
        }).pipe(Effect.provide(inPartsOf(2)))
      ),
    120_000
  )
})

/** The store below, which reads so many entries at once. */
const inPartsOf = (limit: number) =>
  Layer.effect(
    KvStore.KvStore,
    Effect.map(KvStore.KvStore, (store) =>
      KvStore.KvStore.of({
        ...store,
        range: (prefix, options) => Effect.tap(store.range(prefix, { ...options, limit }), Effect.yieldNow)
      }))
  )

describe("Kv interrupted at every step", () => {
  const setup = Layer.build(memory)
  type World = Effect.Success<typeof setup>

  it.live("a modification is made once or not at all, and the next one goes on from there", () =>
    InterruptSweep.run({
      setup,
      program: (world: World) =>
        Effect.provide(Effect.all([increment, increment], { concurrency: "unbounded" }), world),
      invariant: (world) =>
        Effect.gen(function*() {
          const before = Option.getOrElse(yield* valueOf("n"), () => 0)
          assert.isAtMost(before, 2)
          assert.strictEqual(yield* increment, before + 1)
        }).pipe(Effect.provide(world)),
      target: "all"
    }))

  it.live("who watches leaves nothing behind", () =>
    InterruptSweep.run({
      setup,
      program: (world: World) =>
        Effect.all([Stream.runDrain(Stream.take(numbers.changes, 3)), increment, increment], {
          concurrency: "unbounded"
        }).pipe(Effect.timeoutOption(1000), Effect.provide(world)),
      invariant: (world) => Effect.provide(increment, world)
    }))
})
