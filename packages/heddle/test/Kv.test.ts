import { assert, describe, it } from "@effect/vitest"
import { kvLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Kv, KvStore } from "heddle/coordination"
import * as SharedKvMemory from "./SharedKvMemory.ts"

kvLaws("memory", SharedKvMemory.layer)

const numbers = Kv.make({ namespace: "numbers", schema: Schema.Int })

const counts = (id: string) =>
  Effect.map(Metric.snapshot, (all) =>
    all.flatMap((one) =>
      one.id === id && one.type === "Counter"
        ? [[one.attributes?.["outcome"], Number(one.state.count)] as const]
        : []
    ))

describe("Kv in memory", () => {
  it.effect("says where changes are gone, tells again what is there, and counts it", () =>
    Effect.gen(function*() {
      yield* numbers.put("a", 0)
      const pull = yield* Stream.toPull(numbers.changes)
      assert.deepInclude((yield* pull)[0], { _tag: "Snapshot", missed: false })
      for (let n = 1; n <= 20_001; n++) yield* numbers.put("a", n)
      const [again] = yield* pull
      if (again._tag !== "Snapshot") return assert.fail(`no snapshot but ${again._tag}`)
      assert.deepStrictEqual([again.missed, again.entries.map(({ value }) => value)], [true, [20_001]])
      yield* numbers.delete("a")
      assert.deepStrictEqual((yield* pull).map(({ _tag }) => _tag), ["Delete"])
      assert.deepStrictEqual(yield* counts("heddle_kv_missed_total"), [[undefined, 1]])
    }).pipe(Effect.provide(KvStore.layerMemory), Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("counts what became of writes, and values that could not be decoded", () =>
    Effect.gen(function*() {
      const store = yield* KvStore.KvStore
      yield* numbers.put("a", 0)
      yield* Effect.flip(numbers.compareAndSet("a", 0n, 1))
      yield* Effect.flip(numbers.put("a", 0, { ttl: 0 }))
      yield* store.put("numbers/b", new Uint8Array())
      yield* numbers.entries()
      assert.sameDeepMembers(yield* counts("heddle_kv_writes_total"), [["made", 1], ["conflict", 1], ["error", 1]])
      assert.deepStrictEqual(yield* counts("heddle_kv_undecodable_total"), [[undefined, 1]])
    }).pipe(Effect.provide(KvStore.layerMemory), Effect.provideService(Metric.MetricRegistry, new Map())))

  it.live("gives up after as many retries as it is allowed", () =>
    Effect.gen(function*() {
      let tries = 0
      const contested = numbers.modify("a", () =>
        Effect.gen(function*() {
          tries++
          yield* numbers.put("a", tries)
          return [undefined, Option.some(-1)] as const
        }), { retries: 2 })
      assert.strictEqual((yield* Effect.flip(contested))._tag, "Conflict")
      assert.strictEqual(tries, 3)
    }).pipe(Effect.provide(KvStore.layerMemory)))
})
