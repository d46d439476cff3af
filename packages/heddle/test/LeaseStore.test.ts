import { assert, it } from "@effect/vitest"
import { allAbilities, leaseStoreLaws } from "@heddle/testkit/laws"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { LeaseStore } from "heddle/coordination"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as SharedMemory from "./SharedMemory.ts"

leaseStoreLaws("memory", LeaseStore.layerMemory, allAbilities)

const shared = await Effect.runPromise(Scope.provide(SharedMemory.make, Scope.makeUnsafe()))
leaseStoreLaws("memory that several stores share", shared.layer, {
  shared: true,
  ...allAbilities,
  forget: shared.forget,
  cut: shared.cut,
  remnants: shared.remnants
})

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")
const heapUsed = Effect.sync(() => {
  collect()
  return process.memoryUsage().heapUsed
})

it.live("100,000 keys that were locked and released leave no memory behind", () =>
  Effect.gen(function*() {
    const lock = (key: string) => LeaseStore.withLease({ resource: key }, () => Effect.void)
    const lockMany = (from: number) =>
      Effect.forEach(Array.from({ length: 100 }), (_, key) => lock(`key-${from}-${key}`), {
        concurrency: "unbounded",
        discard: true
      })
    yield* lockMany(-1)
    const before = yield* heapUsed
    for (let batch = 0; batch < 1000; batch++) yield* lockMany(batch)
    const after = yield* heapUsed
    assert.isBelow((after - before) / 100_000, 20, "bytes a key")
  }).pipe(Effect.provide(LeaseStore.layerMemory)))
