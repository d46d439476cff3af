import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type KvEntry, KvStore } from "heddle/coordination"

const memory = Layer.fresh(KvStore.layerMemory)
const value = Uint8Array.of(1)

const explore = <A, E>(program: Effect.Effect<A, E, KvStore.KvStore>) =>
  Effect.andThen(
    Explore.run(Effect.provide(program, memory), { runs: 400 }),
    Explore.run(Effect.provide(program, memory), { runs: 400, strategy: Explore.pct() })
  )

/** Applies what a watch tells to what is known, and sees that no revision is left out, doubled or out of order. */
const follow = (known: Map<string, bigint>, last: { revision: bigint }, { changes, revision }: KvEntry.Changed) => {
  assert.strictEqual(revision, last.revision + 1n)
  last.revision = revision
  for (const change of changes) {
    if (change._tag === "Put") {
      assert.strictEqual(change.entry.revision, revision)
      known.set(change.entry.key, revision)
    } else {
      assert.isTrue(known.delete(change.key), `${change.key} was not there`)
    }
  }
}

describe("KvStore in memory, under every kind of interleaving", () => {
  it.live(
    "who watches is told every commit, and every end of a lease, once and in order",
    () =>
      explore(Effect.gen(function*() {
        const store = yield* KvStore.KvStore
        yield* store.put("k/kept", value)
        const bound = Effect.scoped(Effect.gen(function*() {
          const lease = yield* store.lease({ ttl: 50 })
          yield* store.put("k/a", value, { lease })
          yield* store.put("k/b", value, { lease })
          yield* Effect.yieldNow
        }))
        const writers = yield* Effect.forkChild(Effect.all([
          bound,
          store.put("k/ttl", value, { ttl: 20 }),
          Effect.andThen(store.put("k/c", value), store.delete("k/c")),
          Effect.andThen(store.put("k/ttl2", value, { ttl: 20 }), store.put("k/ttl2", value))
        ], { concurrency: "unbounded" }))
        const known = new Map<string, bigint>()
        const { entries, revision } = yield* store.range("k/")
        for (const { key, revision } of entries) known.set(key, revision)
        const last = { revision }
        yield* Fiber.join(writers)
        const end = yield* Effect.forkChild(Effect.andThen(Effect.sleep(100), store.put("k/end", value)))
        yield* store.watchPrefix("k/", { from: revision + 1n }).pipe(
          Stream.runForEachWhile((changed) =>
            Effect.sync(() => {
              follow(known, last, changed)
              return !known.has("k/end")
            })
          )
        )
        yield* Fiber.join(end)
        const now = yield* store.range("")
        assert.deepStrictEqual(
          now.entries.map(({ key, revision }) => [key, revision]),
          [...known].toSorted(([one], [other]) => one < other ? -1 : 1)
        )
        assert.deepStrictEqual(now.entries.map(({ key }) => key), ["k/end", "k/kept", "k/ttl2"])
      })),
    120_000
  )

  it.live(
    "of conditional writes on one revision one is made, also while the key comes to its end",
    () =>
      explore(Effect.gen(function*() {
        const store = yield* KvStore.KvStore
        const start = yield* store.put("key", value, { ttl: 10 })
        const write = Effect.result(store.compareAndSet("key", start, value))
        const results = yield* Effect.all([write, Effect.delay(write, 10), write, Effect.delay(write, 9)], {
          concurrency: "unbounded"
        })
        const made = results.flatMap((result) => result._tag === "Success" ? [result.success] : [])
        assert.strictEqual(made.length, 1)
        const entry = Option.getOrThrow(yield* store.get("key"))
        assert.deepStrictEqual([entry.revision, entry.created], [made[0], start])
      })),
    120_000
  )
})

describe("KvStore in memory, interrupted at every step", () => {
  it.live("a lease takes its keys with it, however it ends", () =>
    InterruptSweep.run({
      setup: Layer.build(memory),
      program: (world) =>
        Effect.scoped(Effect.gen(function*() {
          const store = yield* KvStore.KvStore
          const lease = yield* store.lease({ ttl: 50 })
          yield* store.put("a", value, { lease })
          yield* lease.run(Effect.sleep(20))
          yield* store.put("b", value, { lease })
        })).pipe(Effect.provide(world)),
      invariant: (world) =>
        Effect.gen(function*() {
          const store = yield* KvStore.KvStore
          // A lease that was interrupted on its way to its owner ends with its ttl.
          yield* Effect.sleep(60)
          assert.deepStrictEqual((yield* store.range("")).entries, [])
        }).pipe(Effect.provide(world)),
      target: "all",
      leaks: false
    }))
})
