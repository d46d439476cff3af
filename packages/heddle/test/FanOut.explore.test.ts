import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { FanOut } from "heddle/flow"

const int = (min: number, max: number) => Random.nextIntBetween(min, max + 1)

/** How a task ends, by the number that is its item. */
const endings = ["succeeds", "succeeds late", "fails", "fails late", "dies", "throws", "interrupts its fiber"] as const
type Ending = typeof endings[number]

/** Tasks that count themselves, and die where more run than may. */
class World {
  running = 0
  readonly begun: Array<number> = []
  readonly cleaned: Array<number> = []
  private readonly most: number
  constructor(most: number) {
    this.most = most
  }

  readonly task = (ending: Ending, index: number): Effect.Effect<Ending, Ending> => {
    if (ending === "throws") {
      this.begun.push(index)
      this.cleaned.push(index)
      throw new Error(ending)
    }
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        this.begun.push(index)
        assert.isAtMost(++this.running, this.most)
      }),
      () => this.end(ending),
      () =>
        Effect.sync(() => {
          this.running--
          this.cleaned.push(index)
        })
    )
  }

  private end(ending: Ending): Effect.Effect<Ending, Ending> {
    switch (ending) {
      case "succeeds":
        return Effect.succeed(ending)
      case "succeeds late":
        return Effect.delay(Effect.succeed(ending), 2)
      case "fails":
        return Effect.fail(ending)
      case "fails late":
        return Effect.delay(Effect.fail(ending), 1)
      case "interrupts its fiber":
        return Effect.withFiber((fiber) => Effect.andThen(Effect.sync(() => fiber.interruptUnsafe()), Effect.never))
      default:
        return Effect.die(ending)
    }
  }

  /** Nothing runs, and all that was begun was cleaned up once. */
  assertQuiet(): void {
    assert.strictEqual(this.running, 0)
    assert.deepEqual([...this.cleaned].sort((a, b) => a - b), [...this.begun].sort((a, b) => a - b))
    assert.strictEqual(new Set(this.begun).size, this.begun.length)
  }
}

const anyProgram = Effect.gen(function*() {
  const count = yield* int(0, 8)
  const items = yield* Effect.forEach(
    Array.from({ length: count }),
    () => Effect.map(int(0, endings.length - 1), (at) => endings[at] ?? "succeeds")
  )
  const workers = yield* int(1, 4)
  const chunk = yield* int(1, 3)
  const slow = yield* int(0, 1)
  const stream = Stream.fromIterable(items).pipe(Stream.rechunk(chunk), Stream.tap(() => Effect.sleep(slow)))
  const source: FanOut.Source<Ending> = (yield* int(0, 1)) === 0 ? items : stream
  return { items, source, world: new World(workers), workers }
})

const fits = (ending: Ending, exit: Exit.Exit<Ending, Ending>): boolean => {
  if (Exit.isSuccess(exit)) return ending.startsWith("succeeds") && exit.value === ending
  if (ending.startsWith("fails")) return Cause.hasFails(exit.cause)
  return ending === "interrupts its fiber" ? Cause.hasInterrupts(exit.cause) : Cause.hasDies(exit.cause)
}

const explore = <A, E>(program: Effect.Effect<A, E>) =>
  Effect.andThen(
    Explore.run(program, { runs: 1500, leaks: true }),
    Explore.run(program, { runs: 1500, leaks: true, strategy: Explore.pct() })
  )

const gauges = Effect.map(
  Metric.snapshot,
  (all) =>
    all.flatMap(({ id, state }) =>
      id === "heddle_fan_out_active" || id === "heddle_fan_out_depth" ? ["value" in state ? state.value : NaN] : []
    )
)
const metered = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

describe("FanOut under every kind of interleaving", () => {
  it.live("gather: every item is begun once and has its own outcome", () =>
    explore(Effect.gen(function*() {
      const { items, source, workers, world } = yield* anyProgram
      const exits = yield* FanOut.gather(source, world.task, { workers })
      assert.isTrue(
        exits.length === items.length && items.every((item, at) => {
          const exit = exits[at]
          return exit !== undefined && fits(item, exit)
        })
      )
      assert.strictEqual(world.begun.length, items.length)
      world.assertQuiet()
    })), 120_000)

  it.live("forEach: all results, or the first failure and nothing left running", () =>
    explore(Effect.gen(function*() {
      const { items, source, workers, world } = yield* anyProgram
      const exit = yield* Effect.exit(FanOut.forEach(source, world.task, { workers }))
      if (Exit.isSuccess(exit)) assert.deepEqual(exit.value, items)
      else assert.isTrue(items.some((item) => !item.startsWith("succeeds")))
      if (items.every((item) => item.startsWith("succeeds"))) assert.isTrue(Exit.isSuccess(exit))
      world.assertQuiet()
    })), 120_000)

  it.live(
    "stream: every outcome once, in order where asked for, never too far ahead of its consumer",
    () =>
      explore(Effect.gen(function*() {
        const { items, source, workers, world } = yield* anyProgram
        const buffer = yield* int(0, 2)
        const order = (yield* int(0, 1)) === 0 ? "input" : "completed"
        const pace = yield* int(0, 1)
        const seen: Array<FanOut.Outcome<Ending, Ending, Ending>> = []
        yield* FanOut.stream(source, world.task, { workers, buffer, order }).pipe(
          Stream.runForEach((outcome) => {
            seen.push(outcome)
            assert.isAtMost(world.begun.length, seen.length + workers + buffer)
            return pace === 0 ? Effect.void : Effect.sleep(pace)
          })
        )
        const places = seen.map(({ index }) => index)
        assert.deepEqual(order === "input" ? places : [...places].sort((a, b) => a - b), items.map((_, at) => at))
        assert.isTrue(seen.every(({ exit, index, item }) => items[index] === item && fits(item, exit)))
        world.assertQuiet()
      })),
    120_000
  )

  it.live(
    "start: an interruption loses no outcome of what had finished, and evens the metrics",
    () =>
      explore(
        Effect.gen(function*() {
          const { items, source, workers, world } = yield* anyProgram
          const scope = yield* Scope.make()
          const run = yield* Scope.provide(FanOut.start(source, world.task, { workers }), scope)
          const waiter = yield* Effect.forkChild(run.await)
          yield* Effect.sleep(yield* int(0, 3))
          const before = yield* run.soFar
          yield* Scope.close(scope, Exit.void)
          const after = yield* run.soFar
          assert.isAtLeast(after.outcomes.length, before.outcomes.length)
          assert.strictEqual(new Set(after.outcomes.map(({ index }) => index)).size, after.outcomes.length)
          if (after.complete) assert.strictEqual(after.outcomes.length, items.length)
          assert.strictEqual(Exit.isSuccess(yield* Fiber.await(waiter)), after.complete)
          assert.isTrue((yield* gauges).every((value) => value === 0))
          world.assertQuiet()
        }).pipe(metered)
      ),
    120_000
  )
})

describe("FanOut interrupted at every step", () => {
  const items: ReadonlyArray<Ending> = ["succeeds late", "fails", "succeeds", "throws", "fails late", "succeeds late"]
  const setup = Effect.sync(() => new World(2))
  const sources: ReadonlyArray<readonly [string, FanOut.Source<Ending>]> = [
    ["an array", items],
    ["a stream", Stream.rechunk(Stream.fromIterable(items), 1)]
  ]

  for (const [title, source] of sources) {
    it.live(
      `gather of ${title}, any of its fibers: nothing runs on, and each item has an outcome`,
      () =>
        InterruptSweep.run({
          setup,
          program: (world) => FanOut.gather(source, world.task, { workers: 2 }),
          invariant: (world, exit) =>
            Effect.sync(() => {
              world.assertQuiet()
              if (Exit.isSuccess(exit)) assert.strictEqual(exit.value.filter(() => true).length, items.length)
            }),
          target: "all"
        }),
      120_000
    )

    it.live(`stream of ${title}: its consumer is never left waiting`, () =>
      InterruptSweep.run({
        setup,
        program: (world) => Stream.runDrain(FanOut.stream(source, world.task, { workers: 2, buffer: 1 })),
        invariant: (world) => Effect.sync(() => world.assertQuiet()),
        target: "all"
      }), 120_000)

    it.live(`forEach of ${title}: nothing runs on`, () =>
      InterruptSweep.run({
        setup,
        program: (world) => Effect.exit(FanOut.forEach(source, world.task, { workers: 2 })),
        invariant: (world) => Effect.sync(() => world.assertQuiet()),
        target: "all"
      }), 120_000)
  }
})
