import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { type InvalidOption, Partitioner } from "heddle/flow"

const all = { concurrency: "unbounded" } as const

interface Item {
  readonly key: number
  readonly who: number
  readonly at: number
}

/** What has become of each item, as the handler saw it. It dies where a key meets itself or a submitter's order is broken. */
class Ledger {
  readonly fates = new Map<Item, "runs" | "done" | "failed" | "interrupted">()
  private readonly inside = new Set<number>()
  private readonly last = new Map<string, number>()
  readonly handle = (item: Item) =>
    Effect.gen({ self: this }, function*() {
      const { at, key, who } = item
      assert.isFalse(this.inside.has(key), "two items of a key at once")
      assert.isFalse(this.fates.has(item), "an item runs twice")
      assert.isTrue((this.last.get(`${key} ${who}`) ?? -1) < at, "out of order")
      this.inside.add(key)
      this.last.set(`${key} ${who}`, at)
      this.fates.set(item, "runs")
      if (yield* Random.nextBoolean) yield* Effect.yieldNow
      if (yield* Random.nextBoolean) yield* Effect.sleep(1)
      if ((yield* Random.nextIntBetween(0, 4)) === 0) return yield* Effect.fail("no" as const)
      return item
    }).pipe(Effect.onExit((exit) =>
      Effect.sync(() => {
        this.inside.delete(item.key)
        const failed = Exit.hasInterrupts(exit) ? "interrupted" : "failed"
        this.fates.set(item, Exit.isSuccess(exit) ? "done" : failed)
      })
    ))

  /** What a caller was told is what has happened. */
  check(item: Item, exit: Exit.Exit<Item, "no" | Partitioner.PartitionerClosed>): void {
    const fate = this.fates.get(item)
    if (Exit.isSuccess(exit)) {
      assert.strictEqual(exit.value, item)
      return assert.strictEqual(fate, "done")
    }
    const [reason] = exit.cause.reasons
    if (reason?._tag === "Interrupt") return assert.notStrictEqual(fate, "runs")
    assert.strictEqual(reason?._tag, "Fail")
    if (reason?._tag !== "Fail") return
    if (reason.error === "no") return assert.strictEqual(fate, "failed")
    if (reason.error.started) assert.notStrictEqual(fate, "runs")
    else assert.isUndefined(fate)
  }
}

const make = (ledger: Ledger) =>
  Effect.gen(function*() {
    const to = (most: number) => Random.nextIntBetween(1, most + 1)
    return yield* Partitioner.make({
      key: ({ key }: Item) => key,
      handle: ledger.handle,
      concurrency: yield* to(3),
      perKey: yield* to(3),
      capacity: yield* to(4)
    })
  })

/** Brings some items, in one of four ways each, and checks what it is told. */
const submitter = (partitioner: Effect.Success<ReturnType<typeof make>>, ledger: Ledger, who: number) =>
  Effect.gen(function*() {
    const handles: Array<Effect.Effect<void>> = []
    for (let at = 0; at < 3; at++) {
      const way = yield* Random.nextIntBetween(0, 4)
      // A fiber of its own is a submitter of its own.
      const forks = way === 1 || way === 2
      const item = { key: yield* Random.nextIntBetween(0, 2), who: forks ? who + 10 * (at + 1) : who, at }
      const checked = (effect: typeof submitted) => Effect.map(Effect.exit(effect), (exit) => ledger.check(item, exit))
      const submitted = partitioner.submit(item)
      if (way === 0) yield* checked(submitted)
      else if (way === 1) {
        const fiber = yield* Effect.forkChild(partitioner.submit(item))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        ledger.check(item, yield* Fiber.await(fiber))
      } else if (way === 2) handles.push(Fiber.join(yield* Effect.forkChild(checked(submitted))))
      else {
        const handle = yield* Effect.exit(partitioner.enqueue(item))
        handles.push(checked(Effect.flatten(handle)))
      }
    }
    yield* Effect.all(handles, { discard: true })
  })

/** Three submitters, and an end that comes early, late, or with the scope. */
const program = Effect.gen(function*() {
  const ledger = new Ledger()
  const stats = yield* Effect.scoped(Effect.gen(function*() {
    const partitioner = yield* make(ledger)
    const submitters = [0, 1, 2].map((who) => submitter(partitioner, ledger, who))
    const end = yield* Random.nextIntBetween(0, 3)
    const shutdown = Effect.gen(function*() {
      yield* Effect.yieldNow
      const left = yield* partitioner.shutdown(end === 0 ? 0 : "1 minute")
      for (const item of left.notRun) assert.isFalse(ledger.fates.has(item))
      if (end === 1) assert.deepStrictEqual(left, { notRun: [], interrupted: [] })
      for (const fate of ledger.fates.values()) assert.notStrictEqual(fate, "runs")
    })
    yield* Effect.all([...submitters, end === 2 ? Effect.void : shutdown], all)
    return partitioner.stats
  }))
  assert.deepStrictEqual(yield* stats, { keys: 0, waiting: 0, queued: 0, active: 0 })
})

describe("Partitioner under every kind of interleaving", () => {
  it.live("nothing is lost or doubled, keys never meet, and everybody is told what happened", () =>
    Effect.andThen(
      Explore.run(program, { runs: 3000, leaks: true }),
      Explore.run(program, { runs: 1000, leaks: true, strategy: Explore.pct() })
    ), 120_000)

  it.live("two of a key and one of another, in every order", () =>
    Explore.run(
      Effect.scoped(Effect.gen(function*() {
        const ran: Array<number> = []
        const partitioner = yield* Partitioner.make({
          key: (at: number) => at % 2,
          handle: (at) => Effect.sync(() => ran.push(at)),
          concurrency: 1,
          capacity: 1
        })
        yield* Effect.all([partitioner.submit(1), partitioner.submit(2), partitioner.submit(3)], all)
        assert.deepStrictEqual(new Set(ran), new Set([1, 2, 3]))
        assert.strictEqual(ran.length, 3)
      })),
      { strategy: Explore.exhaustive({ preemptions: 2 }), runs: 5000 }
    ), 120_000)
})

describe("Partitioner interrupted at every step", () => {
  interface World {
    readonly ran: Array<string>
    readonly partitioner: Partitioner.Partitioner<string, void, never>
  }
  const setup: Effect.Effect<World, InvalidOption, Scope.Scope> = Effect.gen(function*() {
    const ran: Array<string> = []
    const partitioner = yield* Partitioner.make({
      key: (name: string) => name.slice(0, 1),
      handle: (name) => Effect.andThen(Effect.yieldNow, Effect.sync(() => void ran.push(name))),
      concurrency: 1,
      perKey: 2,
      capacity: 2
    })
    return { ran, partitioner }
  })

  for (const way of ["submit", "enqueue"] as const) {
    it.live(`${way}: no item is doubled, and the partitioner goes on`, () =>
      InterruptSweep.run({
        setup,
        program: ({ partitioner }) =>
          Effect.all(
            ["a1", "b1", "a2", "b2"].map((name) =>
              way === "submit" ? partitioner.submit(name) : Effect.flatten(partitioner.enqueue(name))
            ),
            all
          ),
        invariant: ({ partitioner, ran }) =>
          Effect.gen(function*() {
            yield* Effect.all([partitioner.submit("a3"), partitioner.submit("b3")], all)
            assert.strictEqual(new Set(ran).size, ran.length)
            assert.deepStrictEqual(
              ran.filter((name) => name.startsWith("a")),
              ran.filter((name) => name.startsWith("a")).sort()
            )
            assert.deepStrictEqual(yield* partitioner.stats, { keys: 0, waiting: 0, queued: 0, active: 0 })
          }),
        target: "all"
      }), 120_000)
  }

  const filled = Effect.tap(setup, ({ partitioner }) => Effect.forEach(["a1", "b1"], partitioner.enqueue))

  it.live("a shutdown that is interrupted stays a shutdown, and what was taken has run", () =>
    InterruptSweep.run({
      setup: filled,
      program: ({ partitioner }) => partitioner.shutdown(),
      invariant: ({ partitioner, ran }) =>
        Effect.gen(function*() {
          const left = yield* partitioner.shutdown()
          assert.deepStrictEqual([...ran, ...left.interrupted].sort(), ["a1", "b1"])
          assert.strictEqual((yield* Effect.flip(partitioner.submit("c"))).started, false)
        })
    }), 120_000)
})
