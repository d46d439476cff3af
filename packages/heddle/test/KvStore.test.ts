import { assert, describe, it } from "@effect/vitest"
import { kvStoreLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { KvStore } from "heddle/coordination"
import { memorySteps } from "../src/coordination/internal/kvMemory.ts"

kvStoreLaws("memory", KvStore.layerMemory)

const steps = await Effect.runPromise(Scope.provide(memorySteps(), Scope.makeUnsafe()))
kvStoreLaws(
  "memory that several stores share",
  KvStore.layerOf({ backend: "memory", steps: () => Effect.succeed(steps) }),
  {
    shared: true
  }
)

const value = new Uint8Array()

describe("the memory layer of KvStore", () => {
  it.effect("refuses to watch from before the last 10,000 revisions", () =>
    Effect.gen(function*() {
      const store = yield* KvStore.KvStore
      for (let n = 0; n < 20_001; n++) yield* store.put("key", value)
      const error = yield* Effect.flip(Stream.runHead(store.watch("key", { from: 1n })))
      assert.deepInclude(error, { _tag: "Compacted", requested: 1n, oldest: 10_002n })
      assert.isDefined(yield* Stream.runHead(store.watch("key", { from: 10_002n })))
    }).pipe(Effect.provide(KvStore.layerMemory)))

  it.effect("deletes a key at the end of its ttl on the clock it was given", () =>
    Effect.gen(function*() {
      const store = yield* KvStore.KvStore
      const from = yield* store.put("key", value, { ttl: "1 hour" })
      const watching = yield* Effect.forkScoped(
        Stream.runHead(store.watch("key", { from: from + 1n })),
        { startImmediately: true }
      )
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual((yield* store.get("key"))._tag, "Some")
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* store.get("key"))._tag, "None")
      assert.deepInclude(yield* Effect.flatMap(Fiber.join(watching), Effect.fromOption), {
        changes: [{ _tag: "Delete", key: "key" }]
      })
    }).pipe(Effect.provide(KvStore.layerMemory)))
})
