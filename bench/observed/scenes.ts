/** One operation of each pattern that has metrics of a name, or tells `Contention` of waits. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { DistributedLock, type LeaseStore } from "heddle/coordination"
import { Batcher, FanOut, KeyedMutex, Partitioner, WorkerPool } from "heddle/flow"
import { AdaptiveLimiter, Bulkhead } from "heddle/resilience"

type Call = Effect.Effect<unknown, unknown, LeaseStore.LeaseStore>

/** Where the pattern cannot be without a name, it has one. */
export interface Scene {
  readonly title: string
  readonly named: boolean
  readonly waits: boolean
  readonly make: (name: string | undefined) => Effect.Effect<Call, unknown, Scope.Scope>
}

const hundred = Array.from({ length: 100 }, (_, index) => index)
const made = (scene: Pick<Scene, "title" | "make">): Scene => ({ ...scene, named: true, waits: true })

export const scenes: ReadonlyArray<Scene> = [
  {
    ...made({
      title: "a call in a bulkhead",
      make: () => Effect.map(Bulkhead.make({ name: "bench", running: 9 }), ({ run }) => run(Effect.void))
    }),
    named: false
  },
  {
    ...made({
      title: "a call in an adaptive limiter",
      make: () => Effect.map(AdaptiveLimiter.make({ name: "bench" }), ({ run }) => run(Effect.void))
    }),
    named: false
  },
  made({
    title: "a section under a keyed mutex",
    make: (name) => Effect.map(KeyedMutex.make<string>({ name }), ({ withLock }) => withLock("a")(Effect.void))
  }),
  made({
    title: "a task in a worker pool",
    make: (name) => Effect.map(WorkerPool.make({ size: 9, name }), ({ submit }) => submit(Effect.void))
  }),
  made({
    title: "an item through a partitioner",
    make: (name) =>
      Effect.map(
        Partitioner.make({ key: (item: string) => item, handle: () => Effect.void, concurrency: 9, name }),
        ({ submit }) => submit("a")
      )
  }),
  made({
    title: "an item in a batch of one",
    make: (name) =>
      Effect.map(
        Batcher.make({
          run: (items: ReadonlyArray<number>) => Effect.succeed(items.map(Exit.succeed)),
          maxSize: 1,
          name
        }),
        ({ submit }) => submit(1)
      )
  }),
  {
    ...made({
      title: "a hundred items of a fan-out",
      make: (name) => Effect.succeed(FanOut.forEach(hundred, () => Effect.void, { workers: 9, name }))
    }),
    waits: false
  },
  {
    ...made({
      title: "a section under a lock, in memory",
      make: (name) => Effect.succeed(DistributedLock.withLock("a", { name })(Effect.void))
    })
  }
]
