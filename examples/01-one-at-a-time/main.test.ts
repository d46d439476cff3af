import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { DistributedLock, type Lease } from "heddle/coordination"
import { join } from "node:path"
import type { Backend } from "./backend.ts"
import * as Etcd from "./etcd.ts"
import { fibers } from "./fibers.ts"
import * as IndexFile from "./indexFile.ts"
import type { Job } from "./job.ts"
import * as Memory from "./memory.ts"
import { processes } from "./processes.ts"
import type { Progress } from "./progress.ts"
import * as Redis from "./redis.ts"
import { isExact, tallyTogether } from "./together.ts"
import { lockOf } from "./worker.ts"

const silent: Progress = { merged: () => Effect.void, say: () => Effect.void }

const makeIndex = Effect.gen(function*() {
  const files = yield* FileSystem.FileSystem
  return join(yield* files.makeTempDirectoryScoped(), "index.json")
})

/** Notes what is said. */
const listener = () => {
  const said: Array<string> = []
  return { said, progress: { ...silent, say: (line: string) => Effect.sync(() => void said.push(line)) } }
}

/** The lock is free and nobody waits for it. */
const assertFree = (index: string) =>
  Effect.map(DistributedLock.inspect(lockOf(index)), ({ holder, waiters }) => {
    assert.deepStrictEqual({ holder, waiters }, { holder: Option.none(), waiters: [] })
  })

describe("memory", () => {
  it.live("the index equals a sequential tally", () =>
    Effect.gen(function*() {
      const report = yield* tallyTogether(fibers, { index: yield* makeIndex, workers: 4, progress: silent })
      assert.isAbove(report.files.length, 300)
      assert.isAbove(report.names.get("Effect") ?? 0, 1000)
      assert.isTrue(yield* isExact(report))
      report.names.set("Effect", 1)
      assert.isFalse(yield* isExact(report))
    }).pipe(Effect.provide([Memory.layer(), NodeServices.layer])))

  it.live("a fiber that is interrupted while it holds the lock gives it back at once", () =>
    Effect.gen(function*() {
      const { said, progress } = listener()
      const options = { index: yield* makeIndex, workers: 4, kill: "before the write" as const, progress }
      assert.isTrue(yield* isExact(yield* tallyTogether(fibers, options)))
      assert.match(said.join("\n"), /worker 4 gave the lock back after .* went on/)
    }).pipe(Effect.provide([Memory.layer(), NodeServices.layer])))

  it.live("the index refuses an older token, and a chunk that is in it already", () =>
    Effect.gen(function*() {
      const index = yield* makeIndex
      yield* IndexFile.create(index)
      const lock = DistributedLock.withLock(lockOf(index))
      const older = yield* lock((lease: Lease.Lease) => Effect.succeed(lease))
      yield* lock((lease) =>
        Effect.gen(function*() {
          yield* IndexFile.merge(index, 0, new Map([["name", 1]]), lease)
          yield* IndexFile.merge(index, 0, new Map([["name", 1]]), lease)
        })
      )
      const error = yield* Effect.flip(IndexFile.merge(index, 1, new Map([["name", 1]]), older))
      assert.strictEqual(error._tag, "StaleToken")
      const { merged, names } = yield* IndexFile.read(index)
      assert.deepStrictEqual({ merged, names }, { merged: [0], names: { name: 1 } })
    }).pipe(Effect.provide([Memory.layer(), NodeServices.layer])))
})

const remote: ReadonlyArray<Backend & { readonly backend: string; readonly server: typeof Servers.redis }> = [
  { backend: "redis", server: Servers.redis, layer: Redis.layer },
  { backend: "etcd", server: Servers.etcd, layer: Etcd.layer }
]

for (const { backend, server, layer } of remote) {
  describe(backend, () => {
    for (const kill of ["before the write", "after the write"] as const) {
      it.live(`a worker killed ${kill} neither loses its chunk nor doubles it`, () =>
        Effect.gen(function*() {
          const { url } = yield* server
          const { said, progress } = listener()
          const options = { index: yield* makeIndex, workers: 3, kill, progress }
          assert.isTrue(yield* isExact(yield* tallyTogether(processes(backend, url), options)))
          assert.match(said.join("\n"), /worker 3 was killed .*\n.*\n.*lease of worker 3 ran out after .* went on/)
        }).pipe(Effect.provide(NodeServices.layer)))
    }

    it.live("an interrupted run leaves no lock held", () =>
      Effect.gen(function*() {
        const { url } = yield* server
        const index = yield* makeIndex
        const holds = yield* Deferred.make<void>()
        // The last worker holds the lock and stands still for as long as this does not return.
        const progress = { ...silent, say: () => Effect.andThen(Deferred.succeed(holds, undefined), Effect.never) }
        const run = yield* Effect.forkChild(
          tallyTogether(processes(backend, url), { index, workers: 3, kill: "before the write", progress })
        )
        yield* Deferred.await(holds)
        yield* Fiber.interrupt(run)
        yield* Effect.provide(assertFree(index), layer(url))
      }).pipe(Effect.provide(NodeServices.layer)))

    it.live("a worker whose parent is gone gives the lock back and ends", () =>
      Effect.gen(function*() {
        const { url } = yield* server
        const index = yield* makeIndex
        yield* IndexFile.create(index)
        const jobs = yield* Queue.unbounded<Job, Cause.Done>()
        yield* Queue.offer(jobs, { worker: 1, index, chunk: 0, files: ["Option.ts"], freeze: "before the write" })
        const { events } = yield* processes(backend, url).start(Stream.fromQueue(jobs))
        const told: Array<string> = []
        yield* Stream.runForEach(events, ({ _tag }) => {
          told.push(_tag)
          return _tag === "Frozen" ? Queue.end(jobs) : Effect.void
        })
        assert.deepStrictEqual(told, ["Holding", "Frozen"])
        yield* Effect.provide(assertFree(index), layer(url))
      }).pipe(Effect.provide(NodeServices.layer)))
  })
}
