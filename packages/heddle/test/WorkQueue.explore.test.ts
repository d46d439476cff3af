import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { JobStore, WorkQueue } from "heddle/messaging"

const memory = Layer.fresh(JobStore.layerMemory)
const queue = WorkQueue.make({ name: "jobs", payload: Schema.Number, error: Schema.String })
const int = (min: number, max: number) => Random.nextIntBetween(min, max + 1)

const explore = <A, E>(program: Effect.Effect<A, E, JobStore.All>) => {
  const alone = program.pipe(Effect.provide(memory), Effect.provideService(Metric.MetricRegistry, new Map()))
  return Effect.andThen(
    Explore.run(alone, { runs: 300 }),
    Explore.run(alone, { runs: 300, strategy: Explore.pct() })
  )
}

describe("WorkQueue, under every kind of interleaving", () => {
  it.live(
    "each job is done, dead or still there, whatever fails, is stopped, or is interrupted, and none is done by two at a time",
    () =>
      explore(Effect.gen(function*() {
        const count = yield* int(1, 6)
        const done: Array<number> = []
        const active = new Set<number>()
        let places = 0
        const fates = yield* Effect.forEach(Array.from({ length: count }), () => int(0, 5))
        const handler = (n: number, { attempt }: { readonly attempt: number }) =>
          Effect.acquireUseRelease(
            Effect.sync(() => {
              assert.isFalse(active.has(n), `two work on ${n}`)
              assert.isBelow(active.size, places, "no more than there are places")
              active.add(n)
            }),
            () =>
              Effect.gen(function*() {
                const fate = fates[n] ?? 0
                yield* Effect.sleep(fate)
                if (fate === 1 && attempt === 1) return yield* Effect.fail("again")
                if (fate === 2) return yield* Effect.die("never")
                done.push(n)
              }),
            () => Effect.sync(() => active.delete(n))
          )
        const worker = (life: number) =>
          Effect.scoped(Effect.gen(function*() {
            const concurrency = yield* int(1, 3)
            const prefetch = yield* int(0, 3)
            places += concurrency
            yield* queue.process(handler, { concurrency, prefetch, grace: 1, ttl: 1000, retry: Schedule.recurs(1) })
            yield* Effect.sleep(life)
          }))
        const first = yield* Effect.forkChild(worker(yield* int(0, 4)))
        const second = yield* Effect.forkChild(worker(yield* int(0, 8)))
        yield* queue.enqueueAll(Array.from({ length: count }, (_, n) => n))
        if ((yield* int(0, 1)) === 1) yield* Fiber.interrupt(second)
        yield* Fiber.await(first)
        yield* Fiber.await(second)
        const { claimed, dead, delayed, waiting } = yield* queue.stats
        assert.strictEqual(claimed, 0, "what was stopped handed back")
        // A job that was done, and whose worker was stopped before the store had heard of it, is still there.
        assert.isAtLeast(new Set(done).size + dead + delayed + waiting, count)
        yield* Effect.scoped(Effect.gen(function*() {
          places = 2
          yield* queue.process(handler, { concurrency: 2, retry: Schedule.recurs(1) })
          yield* Effect.sleep(10_000)
        }))
        const rest = yield* queue.stats
        assert.deepStrictEqual([rest.waiting, rest.delayed, rest.claimed], [0, 0, 0])
        assert.strictEqual(new Set(done).size + rest.dead, count, "all are accounted for")
        for (const { attempts } of yield* queue.deadLetters()) assert.strictEqual(attempts, 2)
      })),
    120_000
  )

  it.live(
    "jobs of a key are done in order and one at a time by any number of workers",
    () =>
      explore(Effect.gen(function*() {
        const done = new Map<string, Array<number>>([["a", []], ["b", []]])
        const active = new Set<string>()
        const handler = (n: number, task: WorkQueue.Task<never>) =>
          Effect.gen(function*() {
            const { attempt, key = "" } = task
            assert.isFalse(active.has(key), "one of a key at a time")
            active.add(key)
            yield* Effect.ensuring(Effect.sleep(yield* int(0, 2)), Effect.sync(() => active.delete(key)))
            if (attempt === 1 && n % 3 === 0) return yield* Effect.fail("again")
            done.get(key)?.push(n)
          })
        yield* Effect.scoped(Effect.gen(function*() {
          yield* queue.process(handler, { concurrency: 2, retry: Schedule.spaced(2) })
          yield* queue.process(handler, { concurrency: 2, prefetch: 2, retry: Schedule.spaced(2) })
          yield* queue.enqueueAll([0, 1, 2, 3, 4, 5], (n) => ({ key: n % 2 === 0 ? "a" : "b" }))
          yield* Effect.sleep(1000)
        }))
        assert.deepStrictEqual([...done], [["a", [0, 2, 4]], ["b", [1, 3, 5]]])
      })),
    120_000
  )

  it.live(
    "a job whose claim expires while it is worked on is not completed by who lost it",
    () =>
      explore(Effect.gen(function*() {
        const store = yield* JobStore.JobStore
        yield* queue.enqueue(1)
        const late = Effect.scoped(Effect.gen(function*() {
          const [job] = yield* store.claim("jobs", { ttl: 10 })
          yield* Effect.sleep(yield* int(8, 12))
          return job === undefined ? "none" : (yield* Effect.result(store.settle(job, { _tag: "Completed" })))._tag
        }))
        const results = yield* Effect.all([late, late], { concurrency: "unbounded" })
        assert.isAtMost(results.filter((result) => result === "Success").length, 1)
        const { claimed, waiting } = yield* (yield* JobStore.JobControl).stats("jobs")
        assert.strictEqual(claimed + waiting, results.includes("Success") ? 0 : 1)
      })),
    120_000
  )
})

describe("WorkQueue, interrupted at every step", () => {
  const sweep = (program: Effect.Effect<unknown, unknown, JobStore.All>) =>
    InterruptSweep.run({
      setup: Layer.build(memory),
      program: (world) => Effect.provide(program, world),
      invariant: (world) =>
        Effect.gen(function*() {
          const { claimed, dead, delayed } = yield* queue.stats
          assert.deepStrictEqual([claimed, dead, delayed], [0, 0, 0], "nothing is left claimed, and nothing counted")
          const store = yield* JobStore.JobStore
          const left = yield* Effect.scoped(store.claim("jobs", { max: 10, waitFor: 0 }))
          assert.isTrue(left.every(({ attempt }) => attempt === 1))
        }).pipe(Effect.provide(world)),
      leaks: false
    })

  it.live("a claim that is interrupted leaves its jobs to others, uncounted", () =>
    sweep(Effect.gen(function*() {
      const store = yield* JobStore.JobStore
      const claim = Effect.scoped(store.claim("jobs", { max: 2, waitFor: 100 }))
      yield* Effect.all([claim, queue.enqueueAll([1, 2, 3]), claim], { concurrency: "unbounded" })
    })))

  it.live("a worker that is interrupted hands back what it works on", () =>
    sweep(Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Effect.gen(function*() {
        yield* queue.process(() => Effect.sleep(10), { concurrency: 2, grace: 0 })
        yield* queue.enqueueAll([1, 2, 3])
        yield* Effect.sleep(15)
      }).pipe(Scope.provide(scope), Effect.onExit((exit) => Scope.close(scope, exit)))
    })))

  it.live("a worker that is interrupted hands back what it has claimed ahead", () =>
    sweep(Effect.gen(function*() {
      const scope = yield* Scope.make()
      yield* Effect.gen(function*() {
        yield* queue.process(() => Effect.sleep(10), { prefetch: 2, grace: 0 })
        yield* queue.enqueueAll([1, 2, 3])
        yield* Effect.sleep(15)
      }).pipe(Scope.provide(scope), Effect.onExit((exit) => Scope.close(scope, exit)))
    })))

  it.live("a scope that closes while jobs run ends with nothing running", () =>
    Effect.gen(function*() {
      let running = 0
      const scope = yield* Scope.make()
      const handler = () =>
        Effect.acquireUseRelease(Effect.sync(() => running++), () => Effect.never, () => Effect.sync(() => running--))
      yield* Scope.provide(queue.process(handler, { concurrency: 3, grace: 0 }), scope)
      yield* queue.enqueueAll([1, 2, 3])
      yield* Effect.sleep(1)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(running, 0)
    }).pipe(Effect.provide(memory)))
})
