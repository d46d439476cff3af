import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Pipeline } from "heddle/flow"
import { holds, same } from "./holds.ts"

const int = (min: number, max: number) => Random.nextIntBetween(min, max + 1)
const pick = <const A>(...all: readonly [A, ...ReadonlyArray<A>]) =>
  Effect.map(int(0, all.length - 1), (at) => all[at] ?? all[0])

const assertSound = (stats: Pipeline.Stats) => {
  same(stats.in, stats.out + stats.failed + stats.dropped + stats.inside, "all are accounted for")
  for (const one of stats.stages) {
    same(one.in, one.out + one.failed + one.dropped + one.waiting + one.running, one.name)
    holds(!Object.values(one).some((value) => typeof value === "number" && value < 0), `${one.name}: below 0`)
  }
  for (const [at, one] of stats.stages.entries()) {
    const next = stats.stages[at + 1]
    if (next !== undefined) same(one.out, next.in, "what leaves a stage enters the next")
  }
}

/** What a stage does with each item, by chance: how long it takes, and whether it fails, dies or is interrupted. */
interface Behaviour {
  readonly millis: number
  readonly fate: "fine" | "fails" | "dies" | "fails once"
}

const keyOf = (item: number) => item % 3

/** A stage by chance, what it saw and what it gave to its sink. */
const anyStage = (name: string, items: number, gentle: boolean) =>
  Effect.gen(function*() {
    const bad = gentle ? "skip" : yield* pick("stop", "skip", "route")
    const behaviours = yield* Effect.forEach(
      Array.from({ length: items }),
      () =>
        Effect.all({
          millis: int(0, 3),
          fate: pick<Behaviour["fate"]>("fine", "fine", "fine", "fails", "dies", "fails once")
        })
    )
    const concurrency = yield* int(1, 3)
    const order = yield* pick("input", "none", "key")
    const retries = yield* pick(true, false)
    const seen: Array<number> = []
    const routed: Array<number> = []
    const tried = new Set<number>()
    let active = 0
    let most = 0
    const run = (item: number): Effect.Effect<number, string> => {
      const { fate, millis } = behaviours[item] ?? { fate: "fine", millis: 0 }
      return Effect.acquireUseRelease(
        Effect.sync(() => {
          if (!tried.has(item)) seen.push(item)
          most = Math.max(most, ++active)
        }),
        () =>
          Effect.andThen(
            millis === 0 ? Effect.void : Effect.sleep(millis),
            Effect.suspend(() => {
              const again = tried.has(item)
              tried.add(item)
              if (fate === "dies") return Effect.die(name)
              return fate === "fails" || (fate === "fails once" && !again) ? Effect.fail(name) : Effect.succeed(item)
            })
          ),
        () => Effect.sync(() => active--)
      )
    }
    const options = {
      concurrency,
      buffer: yield* int(1, 3),
      order: order === "key" ? { key: keyOf } : order,
      retry: retries ? Schedule.recurs(1) : undefined
    }
    const stage = bad === "skip"
      ? Pipeline.stage(name, run, { ...options, onError: "skip" })
      : bad === "stop"
      ? Pipeline.stage(name, run, options)
      : Pipeline.stage(name, run, {
        ...options,
        onError: {
          route: ({ item }) =>
            Effect.andThen(item % 2 === 0 ? Effect.sleep(1) : Effect.void, Effect.sync(() => routed.push(item)))
        }
      })
    return { name, concurrency, order, bad, seen, routed, stage, active: () => active, most: () => most }
  })

const anyPipeline = (gentle: boolean) =>
  Effect.gen(function*() {
    const items = yield* int(0, 8)
    const chunk = yield* int(1, 4)
    const stages = yield* Effect.forEach(["a", "b", "c"].slice(0, yield* int(1, 3)), (name) =>
      anyStage(name, items, gentle))
    let pipeline: Pipeline.Pipeline<number, number, string | Pipeline.StageDied, never> = Pipeline.make<number>()
      .pipe(Pipeline.stage("first", (item) =>
        Effect.succeed(item)))
    for (const { stage } of stages) pipeline = stage(pipeline)
    const fails = !gentle && (yield* int(0, 3)) === 0
    const source = Stream.concat(
      Stream.fromIterable(Array.from({ length: items }, (_, at) => at)).pipe(Stream.rechunk(chunk)),
      fails ? Stream.fail("source") : Stream.empty
    )
    return { items, stages, pipeline, source, fails, pace: yield* int(0, 2) }
  })
type Any = Effect.Success<ReturnType<typeof anyPipeline>>

/** What holds of any run that is over, however it ended. */
const assertOver = ({ stages }: Any, stats: Pipeline.Stats, seen: ReadonlyArray<number>) => {
  assertSound(stats)
  assert.strictEqual(stats.inside, 0, "nothing is inside")
  assert.strictEqual(new Set(seen).size, seen.length, "nothing twice")
  for (const { active, concurrency, most, name, routed } of stages) {
    assert.strictEqual(active(), 0, `${name}: nothing is running`)
    assert.isAtMost(most(), concurrency, name)
    assert.strictEqual(new Set(routed).size, routed.length)
    assert.isAtMost(routed.length, stats.stages.find((stage) => stage.name === name)?.failed ?? NaN)
  }
  const order = stages.every((stage) => stage.order === "input" || stage.concurrency === 1)
  if (order) assert.deepStrictEqual(seen, seen.toSorted((a, b) => a - b), "in order of input")
  if (stages.every((stage) => stage.order !== "none" || stage.concurrency === 1)) {
    for (const key of [0, 1, 2]) {
      const mine = seen.filter((item) => keyOf(item) === key)
      assert.deepStrictEqual(mine, mine.toSorted((a, b) => a - b), "in order of key")
    }
  }
}

const explore = <A, E>(program: Effect.Effect<A, E>, runs: number) =>
  Effect.andThen(Explore.run(program, { runs }), Explore.run(program, { runs, strategy: Explore.pct() }))

describe("Pipeline under every kind of interleaving", () => {
  it.live(
    "conserves every item of programs made by chance, whatever ends them",
    () =>
      explore(
        Effect.scoped(Effect.gen(function*() {
          const any = yield* anyPipeline(false)
          const { stats, stream } = yield* Pipeline.start(any.pipeline, any.source)
          const seen: Array<number> = []
          const exit = yield* Effect.exit(Stream.runForEach(stream, (item) =>
            Effect.gen(function*() {
              seen.push(item)
              assertSound(yield* stats)
              if (any.pace > 0) yield* Effect.sleep(any.pace)
            })))
          const end = yield* stats
          assertOver(any, end, seen)
          assert.strictEqual(end.out, seen.length)
          const stopped = any.stages.some(({ bad, name }) =>
            bad === "stop" && (end.stages.find((stage) => stage.name === name)?.failed ?? 0) > 0
          )
          assert.strictEqual(Exit.isFailure(exit), stopped || any.fails)
          if (stopped || any.fails) return
          assert.deepStrictEqual([end.in, end.dropped], [any.items, 0])
          for (const { bad, name, routed } of any.stages) {
            const failed = end.stages.find((stage) => stage.name === name)?.failed
            if (bad === "route") assert.strictEqual(routed.length, failed, "the sink is told of all")
          }
        })),
        2000
      ),
    120_000
  )

  it.live("conserves every item when the consumer is interrupted, at any moment", () =>
    explore(
      Effect.gen(function*() {
        const any = yield* anyPipeline(false)
        const seen: Array<number> = []
        const stats = yield* Effect.scoped(Effect.gen(function*() {
          const { stats, stream } = yield* Pipeline.start(any.pipeline, any.source)
          const consumer = yield* Effect.forkChild(
            Stream.runForEach(stream, (item) => Effect.sync(() => seen.push(item)))
          )
          yield* Effect.sleep(yield* int(0, 6))
          yield* Fiber.interrupt(consumer)
          assertSound(yield* stats)
          return stats
        }))
        const end = yield* stats
        assertOver(any, end, seen)
        assert.isAtMost(end.out - seen.length, 1)
      }),
      1000
    ), 120_000)

  it.live("leaves no fiber behind when its consumer has enough", () => {
    const work = (item: number) => Effect.as(Effect.sleep(1), item)
    const pipeline = Pipeline.make<number>().pipe(
      Pipeline.stage("a", work, { concurrency: 2, buffer: 1 }),
      Pipeline.stage("b", work, { concurrency: 2, buffer: 1, order: "none" })
    )
    const program = Stream.runDrain(Stream.take(Pipeline.stream(pipeline, Stream.forever(Stream.make(1))), 3))
    return Explore.run(program, { runs: 1000, leaks: true })
  }, 120_000)
})

describe("Pipeline interrupted at every step", () => {
  const sweep = (seed: string) =>
    InterruptSweep.run({
      setup: Effect.gen(function*() {
        const any = yield* Random.withSeed(anyPipeline(true), seed)
        const scope = yield* Scope.make()
        const running = yield* Scope.provide(Pipeline.start(any.pipeline, any.source), scope)
        return { any, scope, running, seen: Array<number>() }
      }),
      program: ({ running, seen }) => Stream.runForEach(running.stream, (item) => Effect.sync(() => seen.push(item))),
      invariant: ({ any, running, scope, seen }, exit) =>
        Effect.gen(function*() {
          assertSound(yield* running.stats)
          // Who was interrupted before the first step has not begun to consume, so the pipeline runs on until here.
          yield* Scope.close(scope, Exit.void)
          const end = yield* running.stats
          assertOver(any, end, seen)
          assert.isAtMost(end.out - seen.length, 1)
          if (Exit.isSuccess(exit)) assert.deepStrictEqual([end.in, end.dropped], [any.items, 0])
          else assert.isTrue(Cause.hasInterrupts(exit.cause))
        }),
      target: "all"
    })

  it.live(
    "keeps its accounts, and nothing is left running",
    () => Effect.forEach(Array.from({ length: 12 }, (_, seed) => String(seed)), sweep, { discard: true }),
    120_000
  )
})
