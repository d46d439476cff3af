import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { DistributedLock, DistributedSemaphore, LeaseStore, ReadWriteLock } from "heddle/coordination"
import { Batcher, KeyedMutex, Partitioner, ThreadPool, WorkerPool } from "heddle/flow"
import { Contention, FiberLeaks } from "heddle/observability"
import { AdaptiveLimiter, Bulkhead } from "heddle/resilience"
import { ContentionRecorder } from "../../src/observability/internal/ContentionRecorder.ts"
import { LogHistogram } from "../../src/observability/internal/LogHistogram.ts"
import { fakeThreads } from "../FakeThread.ts"

/** Runs an effect on the test clock to its end. */
const played = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const running = yield* Effect.forkChild(effect)
    while (running.pollUnsafe() === undefined) {
      if ((yield* Clock.currentTimeMillis) > 600_000) return yield* Effect.die("it hangs")
      yield* TestClock.adjust(5)
    }
    return yield* Fiber.join(running)
  })

const second = Effect.sleep("1 second")
const nap = ThreadPool.task({ payload: Schema.Int })
type Store = Layer.Success<typeof LeaseStore.layerMemory>
type Use = Effect.Effect<Effect.Effect<unknown, unknown, Store>, unknown, Scope.Scope>

/** For each kind a name, and what holds it for a second. */
const uses: ReadonlyArray<readonly [kind: string, name: string, use: Use]> = [
  ["lock", "invoice", Effect.succeed(DistributedLock.withLock("invoice/1", { name: "invoice" })(second))],
  ["lock", "a key", Effect.succeed(DistributedLock.withLock("a key", { order: "cohort" })(second))],
  ["rwlock", "routes write", Effect.succeed(ReadWriteLock.withWrite("routes")(second))],
  ["semaphore", "db", Effect.succeed(DistributedSemaphore.make({ key: "db", permits: 1 }).withPermit(second))],
  ["keyed mutex", "files", Effect.map(KeyedMutex.make<string>({ name: "files" }), (all) => all.withLock("a")(second))],
  [
    "bulkhead",
    "db",
    Effect.map(Bulkhead.make({ name: "db", running: 1, waiting: 9 }), (bulkhead) => bulkhead.run(second))
  ],
  ["worker pool", "mail", Effect.map(WorkerPool.make({ size: 1, name: "mail" }), (pool) => pool.submit(second))],
  [
    "partitioner",
    "orders",
    Effect.map(
      Partitioner.make({ key: (item: string) => item, handle: () => second, concurrency: 9, name: "orders" }),
      (orders) => orders.submit("a")
    )
  ],
  [
    "batcher",
    "rows",
    Effect.map(
      Batcher.make({
        run: (rows: ReadonlyArray<number>) => Effect.as(second, rows.map(Exit.succeed)),
        maxSize: 1,
        name: "rows"
      }),
      (batcher) => batcher.submit(1)
    )
  ]
]

describe("wait and hold", () => {
  it.effect("AC-12.1: are known for every kind, by name and by the function that waits", () =>
    Effect.gen(function*() {
      for (const [kind, name, use] of uses) {
        const work = Effect.gen(function*() {
          const one = yield* use
          const all = yield* Effect.forkChild(Effect.all([one, one, one], { concurrency: "unbounded" }))
          yield* Effect.sleep(500)
          const { resources: [now] } = yield* Contention.report
          yield* Fiber.join(all)
          return [now, (yield* Contention.report).resources] as const
        }).pipe(Effect.scoped, Effect.withSpan("checkout"), Effect.provide([Contention.layer, LeaseStore.layerMemory]))
        const [now, resources] = yield* played(work)
        const [row] = resources
        assert.strictEqual(resources.length, 1, kind)
        assert.deepInclude(now, { kind, name, waiting: 2, holding: 1 }, kind)
        assert.deepInclude(row, { kind, name, site: "checkout", gaveUp: 0, waiting: 0, holding: 0 })
        assert.include(row?.place, "Contention.test.ts")
        assert.deepEqual([row?.wait.count, row?.hold.count], [3, 3], kind)
        assert.approximately(row?.hold.total ?? 0, 3000, 50, kind)
        for (const hold of [row?.hold.p50, row?.hold.p99]) assert.approximately(hold ?? 0, 1000, 20, kind)
        // To within a fifth.
        assert.isTrue((row?.wait.p50 ?? 0) >= 990 && (row?.wait.p50 ?? 0) <= 1200, kind)
        assert.approximately(row?.wait.p99 ?? 0, 2000, 50, kind)
        assert.approximately(row?.wait.total ?? 0, 3000, 50, kind)
        assert.approximately(row?.wait.max ?? 0, 2000, 50, kind)
      }
    }))

  it.effect("AC-47.1: a wait is told for every outcome, a hold once a hold, under a name and not a key", () =>
    Effect.gen(function*() {
      const work = Effect.gen(function*() {
        const lock = (n: number) => DistributedLock.withLock(`order/${n}`, { name: "order", waitFor: 100 })
        for (let n = 0; n < 1000; n++) yield* lock(n)(Effect.void)
        yield* Effect.exit(lock(0)(Effect.fail("the section fails")))
        const holder = yield* Effect.forkChild(lock(1)(second), { startImmediately: true })
        yield* Effect.sleep(1)
        yield* Effect.exit(lock(1)(Effect.void))
        yield* DistributedLock.tryLock("order/1", { name: "order" })(Effect.void)
        const waiter = yield* Effect.forkChild(lock(1)(Effect.void), { startImmediately: true })
        yield* Effect.sleep(1)
        yield* Fiber.interrupt(waiter)
        yield* Fiber.interrupt(holder)
      })
      const [, { resources }] = yield* played(Contention.measure(Effect.provide(work, LeaseStore.layerMemory)))
      assert.strictEqual(resources.length, 1)
      const [row] = resources
      assert.deepEqual([row?.name, row?.wait.count, row?.hold.count, row?.gaveUp], ["order", 1005, 1002, 3])
    }))

  it.effect("AC-12.2: many readers get five times as far with a read-write lock, and writers are not starved", () =>
    Effect.gen(function*() {
      const run = (read: Effect.Effect<unknown, unknown, Store>, write: typeof read) => {
        const reader = Effect.forever(read)
        const writer = Effect.forever(Effect.andThen(Effect.sleep(200), write))
        const all = [...Array.from({ length: 50 }, () => reader), ...Array.from({ length: 5 }, () => writer)]
        return Effect.timeoutOption(Effect.all(all, { concurrency: "unbounded" }), "2 seconds").pipe(
          Effect.provide(LeaseStore.layerMemory),
          Contention.measure,
          Effect.map(([, { resources }]) => resources),
          played
        )
      }
      const access = Effect.sleep(20)
      const mutex = yield* run(DistributedLock.withLock("map")(access), DistributedLock.withLock("map")(access))
      const rw = yield* run(ReadWriteLock.withRead("map")(access), ReadWriteLock.withWrite("map")(access))
      const accesses = (rows: typeof mutex) => rows.reduce((sum, { hold }) => sum + hold.count, 0)
      assert.isAtLeast(accesses(rw), 5 * accesses(mutex))
      const writes = rw.find(({ name }) => name === "map write")
      assert.isAtLeast(writes?.hold.count ?? 0, 5 * 5)
      assert.isBelow(writes?.wait.max ?? Infinity, 300)
    }))

  it.effect("are known of a thread pool, whose holds begin when a task is sent to its thread", () =>
    Effect.gen(function*() {
      const work = Effect.gen(function*() {
        const pool = yield* ThreadPool.make({ nap }, { size: 1, name: "sums" })
        const one = pool.submit("nap", 1)
        yield* Effect.all(Array.from({ length: 6 }, () => one), { concurrency: "unbounded" })
      }).pipe(Effect.scoped, Effect.provide(fakeThreads(() => ThreadPool.serve({ nap }, { nap: () => second }))))
      const [, { resources: [row] }] = yield* played(Contention.measure(work))
      assert.deepInclude(row, { kind: "thread pool", name: "sums", gaveUp: 0, holding: 0, waiting: 0 })
      assert.deepEqual([row?.wait.count, row?.hold.count], [6, 6])
      assert.isAtLeast(row?.hold.total ?? 0, 6000)
      assert.isAtLeast(row?.wait.max ?? 0, 2000)
    }))

  it.effect("are known of an adaptive limiter, where nobody waits: it lets in or refuses", () =>
    Effect.gen(function*() {
      const work = Effect.gen(function*() {
        const limiter = yield* AdaptiveLimiter.make({ name: "search", start: 1 })
        yield* Effect.all([limiter.run(second), limiter.run(second)], { concurrency: "unbounded", mode: "result" })
      })
      const [, { resources: [row] }] = yield* played(Contention.measure(work))
      assert.deepInclude(row, { kind: "adaptive limiter", name: "search", gaveUp: 1, holding: 0, waiting: 0 })
      assert.deepEqual([row?.hold.count, row?.wait.max], [1, 0])
      assert.approximately(row?.hold.max ?? 0, 1000, 20)
    }))

  it.effect("AC-12.3: a run is told alone, and is over when it ends", () =>
    Effect.gen(function*() {
      const one = DistributedLock.withLock("one")(Effect.void)
      const other = DistributedLock.withLock("other")(Effect.void)
      const program = Effect.gen(function*() {
        yield* one
        const [, first] = yield* FiberLeaks.check(Contention.measure(one))
        const [, next] = yield* Contention.measure(Effect.andThen(other, other))
        yield* one
        return [first, next].map(({ resources }) => resources.map(({ hold, name }) => [name, hold.count]))
      })
      const told = yield* played(Effect.provide(program, LeaseStore.layerMemory))
      assert.deepEqual(told, [[["one", 1]], [["other", 2]]])
    }))

  it("keeps quantiles to within a fifth", () => {
    const histogram = new LogHistogram()
    assert.deepEqual(histogram.times, { count: 0, total: 0, p50: 0, p99: 0, max: 0 })
    for (let n = 1; n <= 1000; n++) histogram.add(n)
    const { count, max, p50, p99, total } = histogram.times
    assert.deepEqual([count, total, max], [1000, 500_500, 1000])
    assert.isTrue(p50 >= 500 && p50 <= 600, String(p50))
    assert.isTrue(p99 >= 990 && p99 <= 1000, String(p99))
    histogram.add(-1)
    histogram.add(1e12)
    assert.strictEqual(histogram.times.max, 1e12)
  })
})

describe("who waits behind whom", () => {
  const circle = Effect.gen(function*() {
    const [a, b] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
    const take = (mine: Deferred.Deferred<void>, theirs: Deferred.Deferred<void>, first: string, next: string) =>
      DistributedLock.withLock(first)(Effect.gen(function*() {
        yield* Deferred.succeed(mine, undefined)
        yield* Deferred.await(theirs)
        yield* DistributedLock.withLock(next)(Effect.void)
      }))
    yield* Effect.forkScoped(Effect.withSpan(Effect.exit(take(a, b, "users", "orders")), "sign-up"))
    yield* Effect.forkScoped(Effect.withSpan(Effect.exit(take(b, a, "orders", "users")), "checkout"))
    yield* Effect.sleep(10)
    return yield* Contention.report
  }).pipe(Effect.scoped, Effect.provide([Contention.layer, LeaseStore.layerMemory]))

  it.effect("is told, and a circle by its names", () =>
    Effect.gen(function*() {
      const report = yield* played(circle)
      const { cycles, waits } = report
      const bare = (text: string) => text.replaceAll(/#\d+/g, "")
      assert.deepEqual(waits.map(({ has, heldBy, wants, who }) => [bare(who), wants, has, heldBy.map(bare)]), [
        ["checkout", "lock users", ["lock orders"], ["sign-up"]],
        ["sign-up", "lock orders", ["lock users"], ["checkout"]]
      ])
      assert.deepEqual(cycles.map((cycle) => cycle.map(bare).toSorted()), [[
        "checkout has lock orders and waits for lock users",
        "sign-up has lock users and waits for lock orders"
      ]])
      const text = Contention.table(report)
      assert.match(text, /A CIRCLE: .*sign-up#\d+ has lock users and waits for lock orders/)
      assert.match(text, /checkout#\d+ waits for lock users since \d/)
      const chart = Contention.mermaid(report)
      assert.match(chart, /^flowchart LR\n/)
      assert.match(chart, /"waits .* ms"/)
      assert.match(chart, /-- "held by" -->/)
    }))

  it.effect("has no circle where there is none, and says who is before one in the line", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const pool = yield* WorkerPool.make({ size: 1, name: "mail" })
        const submit = (name: string) => Effect.forkScoped(Effect.withSpan(pool.submit(Effect.never), name))
        for (const name of ["a", "b", "c"]) yield* submit(name)
        yield* Effect.sleep(1000)
        return yield* Contention.report
      }).pipe(Effect.scoped, Effect.provide(Contention.layer))
      const { cycles, waits } = yield* played(program)
      const bare = (text = "") => text.replace(/#\d+/, "")
      assert.deepEqual(cycles, [])
      assert.deepEqual(waits.map(({ behind, heldBy, who }) => [bare(who), heldBy.map(bare), bare(behind)]), [
        ["b", ["a"], ""],
        ["c", ["a"], "b"]
      ])
      assert.isTrue(waits.every(({ waited }) => waited >= 1000))
    }))

  it.effect("finds one who would fit in and waits behind another, for whom nobody makes room", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const db = DistributedSemaphore.make({ key: "db", permits: 2 })
        const lock = DistributedLock.withLock("map")
        const wait = Effect.sleep(20)
        const first = db.withPermits(1)(Effect.andThen(wait, lock(Effect.void)))
        const last = lock(Effect.andThen(wait, db.withPermits(1)(Effect.void)))
        yield* Effect.forkScoped(Effect.withSpan(first, "first"))
        yield* Effect.forkScoped(Effect.withSpan(last, "last"))
        yield* Effect.sleep(10)
        yield* Effect.forkScoped(Effect.withSpan(db.withPermits(2)(Effect.void), "all"))
        yield* Effect.sleep(100)
        return yield* Contention.report
      }).pipe(Effect.scoped, Effect.provide([Contention.layer, LeaseStore.layerMemory]))
      const { cycles } = yield* played(program)
      assert.deepEqual(cycles.map((cycle) => cycle.map((one) => one.replace(/#\d+/, "")).toSorted()), [[
        "first has semaphore db and waits for lock map",
        "last has lock map and waits for semaphore db"
      ]])
    }))

  it.effect("finds a task that waits for its own pool", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const pool = yield* WorkerPool.make({ size: 1, name: "mail" })
        yield* Effect.forkScoped(Effect.withSpan(pool.submit(pool.submit(Effect.void)), "outer"))
        yield* Effect.sleep(1)
        return yield* Contention.report
      }).pipe(Effect.scoped, Effect.provide(Contention.layer))
      const { cycles } = yield* played(program)
      assert.strictEqual(cycles.length, 1)
      assert.match(cycles[0]?.[0] ?? "", /^outer#\d+ has worker pool mail and waits for worker pool mail$/)
    }))

  it.effect("finds an item that waits for its own key", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const orders: Partitioner.Partitioner<string, void, unknown> = yield* Partitioner.make({
          key: (item: string) => item,
          handle: (item): Effect.Effect<void, unknown> => orders.submit(item),
          concurrency: 2,
          drainFor: 0,
          name: "orders"
        })
        yield* Effect.forkScoped(Effect.withSpan(Effect.exit(orders.submit("7")), "outer"))
        yield* Effect.sleep(20)
        return yield* Contention.report
      }).pipe(Effect.scoped, Effect.provide(Contention.layer))
      const { cycles } = yield* played(program)
      assert.strictEqual(cycles.length, 1)
      assert.match(cycles[0]?.[0] ?? "", /^outer#\d+ has partitioner orders 7 and waits for partitioner orders 7$/)
    }))

  it.effect("stands in the dump of fibers too", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const db = yield* Bulkhead.make({ name: "db", running: 1, waiting: 1 })
        yield* Effect.forkScoped(db.run(Effect.never))
        yield* Effect.forkScoped(Effect.withSpan(db.run(Effect.never), "late"))
        yield* Effect.sleep(10)
        return yield* FiberLeaks.dump
      }).pipe(Effect.scoped, Effect.provide([Contention.layer, FiberLeaks.layer()]))
      assert.match(yield* played(program), /late#\d+ .*waits for bulkhead db/)
    }))
})

describe("what is over leaves nothing", () => {
  it.effect("counts what differs in its kind, its name or its site apart, whatever came before", () =>
    Effect.gen(function*() {
      const recorder = new ContentionRecorder(() => 0)
      const wait = (kind: string, name: string, site: string) =>
        Effect.withFiber((fiber) =>
          Effect.sync(() =>
            recorder.wait({ kind, name, title: name, owner: recorder, key: name }, fiber, undefined).left()
          )
        ).pipe(Effect.withSpan(site))
      yield* wait("lock", "a", "here")
      yield* wait("rwlock", "a", "here")
      yield* wait("rwlock", "b", "here")
      yield* wait("rwlock", "b", "there")
      yield* wait("lock", "a", "here")
      assert.deepStrictEqual(
        recorder.series.map(({ kind, name, site, wait }) => [kind, name, site, wait.times.count]),
        [
          ["lock", "a", "here", 2],
          ["rwlock", "a", "here", 1],
          ["rwlock", "b", "here", 1],
          ["rwlock", "b", "there", 1]
        ]
      )
    }))

  it.effect("counts each end once, and a call that comes late does nothing", () =>
    Effect.withFiber((fiber) =>
      Effect.sync(() => {
        let now = 0
        const recorder = new ContentionRecorder(() => now)
        const what = { kind: "lock", name: "a", title: "a", owner: recorder, key: "a" }
        const seen = () => {
          const [{ gaveUp, hold, holding, wait, waiting } = assert.fail()] = recorder.series
          return [wait.times.count, hold.times.count, gaveUp, waiting, holding, recorder.open.size]
        }
        const held = recorder.wait(what, fiber, undefined)
        assert.deepStrictEqual(seen(), [0, 0, 0, 1, 0, 1])
        now = 5
        held.entered()
        held.entered()
        held.gaveUp()
        assert.deepStrictEqual(seen(), [1, 0, 0, 0, 1, 1])
        now = 12
        held.left()
        held.left()
        held.entered()
        assert.deepStrictEqual(seen(), [1, 1, 0, 0, 0, 0])
        const gone = recorder.wait(what, fiber, undefined)
        gone.gaveUp()
        gone.entered()
        gone.left()
        assert.deepStrictEqual(seen(), [2, 1, 1, 0, 0, 0])
        const [{ hold, wait } = assert.fail()] = recorder.series
        assert.deepStrictEqual([wait.times.total, hold.times.total], [5, 7])
      })
    ))

  const use = Effect.gen(function*() {
    const db = yield* Bulkhead.make({ name: "db", running: 1, waiting: 2, waitFor: 10 })
    const pool = yield* WorkerPool.make({ size: 1, name: "mail" })
    const files = yield* KeyedMutex.make<string>()
    const orders = yield* Partitioner.make({ key: (item: string) => item, handle: () => nap, concurrency: 1 })
    const rows = yield* Batcher.make({
      run: (items: ReadonlyArray<number>) => Effect.as(nap, items.map(Exit.succeed)),
      maxSize: 2
    })
    const search = yield* AdaptiveLimiter.make({ name: "search", start: 1 })
    const nap = Effect.sleep(6)
    const lock = DistributedLock.withLock("a", { waitFor: 10 })(nap)
    const locks: ReadonlyArray<Effect.Effect<unknown, unknown, Store>> = [lock, lock, lock]
    const calls: typeof locks = [db.run(nap), db.run(nap), db.run(nap), db.run(nap)]
    const tasks: typeof locks = [pool.submit(nap), pool.submit(nap, { deadline: 3 })]
    const edits: typeof locks = [files.withLock("a")(nap), files.withLock("a")(nap)]
    const items: typeof locks = [orders.submit("a"), orders.submit("a"), rows.submit(1), rows.submit(2), rows.submit(3)]
    const asked: typeof locks = [search.run(nap), search.run(nap)]
    const all = [...locks, ...calls, ...tasks, ...edits, ...items, ...asked]
    return Effect.forEach(all, (one) => Effect.exit(one), { concurrency: "unbounded" })
  })
  const nothing = Effect.gen(function*() {
    const { resources, waits } = yield* Contention.report
    const open = resources.filter(({ holding, waiting }) => holding + waiting > 0)
    const off = resources.filter(({ gaveUp, hold, wait }) => wait.count !== hold.count + gaveUp)
    return open.length + waits.length + off.length === 0 ? undefined : yield* Effect.die({ open, waits, off })
  })

  it.live("in every interleaving, and wherever somebody is interrupted", () =>
    Effect.gen(function*() {
      const program = Effect.scoped(Effect.andThen(Effect.flatten(use), nothing)).pipe(
        Effect.provide([Contention.layer, LeaseStore.layerMemory])
      )
      yield* Explore.run(program, { runs: 200 })
      const report = yield* InterruptSweep.run({
        setup: Effect.gen(function*() {
          const work = yield* use
          return { work, context: yield* Effect.context<Contention.Contention | Store>() }
        }).pipe(Effect.provide([Contention.layer, LeaseStore.layerMemory])),
        program: ({ context, work }) => Effect.provide(work, context),
        invariant: ({ context }) => Effect.provide(nothing, context),
        target: "all"
      })
      assert.isAbove(report.points, 50)
    }), 120_000)
})
