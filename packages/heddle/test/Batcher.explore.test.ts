import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import type * as Array from "effect/Array"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Batcher, type InvalidOption } from "heddle/flow"
import { holds, same } from "./holds.ts"

const all = { concurrency: "unbounded" } as const
const nothing = { waiting: 0, queued: 0, batches: 0 }

interface Item {
  readonly who: number
  readonly at: number
}

interface Limits {
  readonly maxSize: number
  readonly concurrency: number
  readonly interval: number
}

/** What has become of each item, as `run` saw it. It dies where a limit is broken, an item runs twice or out of order. */
class Ledger {
  readonly fates = new Map<Item, "runs" | "done" | "failed" | "interrupted">()
  private readonly limits: Limits
  private readonly last = new Map<number, number>()
  private flying = 0
  private started = -Infinity
  constructor(limits: Limits) {
    this.limits = limits
  }
  readonly run = (items: Array.NonEmptyReadonlyArray<Item>) =>
    Effect.gen({ self: this }, function*() {
      const now = yield* Clock.currentTimeMillis
      holds(items.length <= this.limits.maxSize, "a batch is too large")
      holds(++this.flying <= this.limits.concurrency, "too many batches run")
      holds(now - this.started >= this.limits.interval, "a batch starts too soon")
      this.started = now
      for (const item of items) {
        holds(!this.fates.has(item), "an item runs twice")
        if (this.limits.concurrency === 1) holds((this.last.get(item.who) ?? -1) < item.at, "out of order")
        this.last.set(item.who, item.at)
        this.fates.set(item, "runs")
      }
      if (yield* Random.nextBoolean) yield* Effect.yieldNow
      if (yield* Random.nextBoolean) yield* Effect.sleep(1)
      if ((yield* Random.nextIntBetween(0, 4)) === 0) return yield* Effect.fail("batch" as const)
      return yield* Effect.forEach(items, (item): Effect.Effect<Exit.Exit<Item, "item">> =>
        Effect.map(Random.nextBoolean, (fine) =>
          fine ? Exit.succeed(item) : Exit.fail("item" as const)))
    }).pipe(Effect.onExit((exit) =>
      Effect.sync(() => {
        this.flying--
        items.forEach((item, at) => {
          const failed = Exit.hasInterrupts(exit) ? "interrupted" : "failed"
          const own = Exit.isSuccess(exit) ? exit.value[at] : undefined
          this.fates.set(item, own !== undefined && Exit.isSuccess(own) ? "done" : failed)
        })
      })
    ))

  /** What a caller was told is what has happened; of an interruption, only who was interrupted. */
  check(item: Item, exit: Exit.Exit<Item, "batch" | "item" | Batcher.BatcherClosed>, interrupted = false): void {
    const fate = this.fates.get(item)
    if (Exit.isSuccess(exit)) {
      same(exit.value, item, "another's outcome")
      return same(fate, "done", "it did not run to its end")
    }
    const [reason] = exit.cause.reasons
    if (reason?._tag === "Interrupt") return holds(interrupted, "another's interruption")
    same(reason?._tag, "Fail", "how it ended")
    if (reason?._tag !== "Fail") return
    if (typeof reason.error === "string") return same(fate, "failed", "it did not fail")
    if (reason.error.started) holds(fate !== "runs", "it runs on")
    else same(fate, undefined, "it had started")
  }
}

const make = Effect.gen(function*() {
  const to = (most: number) => Random.nextIntBetween(0, most + 1)
  const limits = { maxSize: 1 + (yield* to(2)), concurrency: 1 + (yield* to(1)), interval: yield* to(1) }
  const ledger = new Ledger(limits)
  const batcher = yield* Batcher.make({
    ...limits,
    run: ledger.run,
    maxWait: yield* to(2),
    capacity: 1 + (yield* to(3))
  })
  return { ledger, batcher }
})

/** Brings some items, in one of five ways each, and checks what it is told. */
const submitter = ({ batcher, ledger }: Effect.Success<typeof make>, who: number) =>
  Effect.gen(function*() {
    const handles: globalThis.Array<Effect.Effect<void>> = []
    for (let at = 0; at < 3; at++) {
      const way = yield* Random.nextIntBetween(0, 5)
      // A fiber of its own is a submitter of its own.
      const item = { who: way === 1 || way === 2 ? who + 10 * (at + 1) : who, at }
      const submitted = batcher.submit(item)
      const checked = (effect: typeof submitted) => Effect.map(Effect.exit(effect), (exit) => ledger.check(item, exit))
      if (way === 0) yield* checked(submitted)
      else if (way === 1) {
        const fiber = yield* Effect.forkChild(submitted)
        yield* Effect.yieldNow
        yield* Fiber.interrupt(fiber)
        ledger.check(item, yield* Fiber.await(fiber), true)
      } else if (way === 2) handles.push(Fiber.join(yield* Effect.forkChild(checked(submitted))))
      else if (way === 3) yield* checked(Stream.runCollect(batcher.through(Stream.make(item))).pipe(Effect.as(item)))
      else {
        const handle = yield* Effect.exit(batcher.enqueue(item))
        handles.push(checked(Effect.flatten(handle)))
      }
    }
    yield* Effect.all(handles, { discard: true })
  })

/** Two submitters, and an end that comes early, late, or with the scope. */
const program = Effect.gen(function*() {
  const stats = yield* Effect.scoped(Effect.gen(function*() {
    const made = yield* make
    const { batcher, ledger } = made
    const end = yield* Random.nextIntBetween(0, 3)
    const shutdown = Effect.gen(function*() {
      yield* Effect.yieldNow
      const left = yield* batcher.shutdown(end === 0 ? 0 : "1 minute")
      for (const item of left.notRun) holds(!ledger.fates.has(item), "it ran")
      if (end === 1) assert.deepStrictEqual(left, { notRun: [], interrupted: [] })
      for (const fate of ledger.fates.values()) holds(fate !== "runs", "it runs on")
    })
    yield* Effect.all([submitter(made, 0), submitter(made, 1), end === 2 ? batcher.flush : shutdown], all)
    return batcher.stats
  }))
  assert.deepStrictEqual(yield* stats, nothing)
})

describe("Batcher under every kind of interleaving", () => {
  it.live("nothing is lost or doubled, no limit is broken, and everybody is told what happened", () =>
    Effect.andThen(
      Explore.run(program, { runs: 3000, leaks: true }),
      Explore.run(program, { runs: 1000, leaks: true, strategy: Explore.pct() })
    ), 120_000)
})

describe("Batcher interrupted at every step", () => {
  interface World {
    readonly ran: globalThis.Array<number>
    readonly batcher: Batcher.Batcher<number, number, never>
  }
  const setup: Effect.Effect<World, InvalidOption, Scope.Scope> = Effect.gen(function*() {
    const ran: globalThis.Array<number> = []
    const batcher = yield* Batcher.make({
      run: (items: Array.NonEmptyReadonlyArray<number>) =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => {
            ran.push(...items)
            return items.map((item) => Exit.succeed(item))
          })
        ),
      maxSize: 2,
      maxWait: 5,
      capacity: 2
    })
    return { ran, batcher }
  })
  const goesOn = ({ batcher, ran }: World) =>
    Effect.gen(function*() {
      yield* Effect.all([batcher.submit(8), batcher.submit(9)], all)
      assert.strictEqual(new Set(ran).size, ran.length)
      assert.deepStrictEqual(yield* batcher.stats, nothing)
    })

  for (const way of ["submit", "enqueue"] as const) {
    it.live(`${way}: no item is doubled, and the batcher goes on`, () =>
      InterruptSweep.run({
        setup,
        program: ({ batcher }) =>
          Effect.all(
            [1, 2, 3, 4, 5].map((item) =>
              way === "submit" ? batcher.submit(item) : Effect.flatten(batcher.enqueue(item))
            ),
            all
          ),
        invariant: goesOn,
        target: "all"
      }), 120_000)
  }

  it.live("through: what was taken from the source has run, whoever is interrupted", () =>
    InterruptSweep.run({
      setup,
      program: ({ batcher }) =>
        Stream.runDrain(
          Stream.fromArray([[1, 2, 3], [4], [5, 6]]).pipe(
            Stream.rechunk(1),
            Stream.flatMap((chunk) => Stream.fromArray(chunk)),
            batcher.through
          )
        ),
      invariant: ({ batcher, ran }) =>
        Effect.gen(function*() {
          yield* batcher.shutdown()
          const order = [...ran].sort((a, b) => a - b)
          assert.deepStrictEqual(ran, order)
          assert.deepStrictEqual(order, order.map((_, at) => at + 1))
          assert.include([0, 3, 4, 6], ran.length)
        })
    }), 120_000)
})
