/**
 * Sends items through stages, each with its own concurrency, order, room and answer to failure.
 *
 * A stage is a function from an item to an effect. Its workers take items from the buffer before it and put what they have done into
 * the buffer of the next; who finds no room waits, so that a slow stage slows the source, and nothing piles up. Each item is
 * accounted for, whatever happens: in = out + failed + dropped.
 *
 * **When to use**
 *
 * For work in several steps of different cost, where steps are to overlap and failures of single items are part of the day. For one
 * step Effect's `Stream.mapEffect` is enough: it overlaps items, not steps, and loses the results in flight with the first failure.
 *
 * **Gotchas**
 *
 * Results leave one by one. `order: "none"` lets them overtake each other; the default keeps the order of the input.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Option from "effect/Option"
import * as Pipeable from "effect/Pipeable"
import type * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { InvalidOption } from "../internal/InvalidOption.ts"
import { checkCount, checkMillis } from "./internal/options.ts"
import { flowchart } from "./internal/pipelineDiagram.ts"
import { type Inlet, Outlet } from "./internal/pipelineOutlet.ts"
import { PipelineRun, type Wiring } from "./internal/pipelineRun.ts"
import type { Spec } from "./internal/pipelineStage.ts"

/**
 * An item that failed in a stage, as it came in there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Failed<A, E> {
  readonly item: A
  readonly stage: string
  readonly cause: Cause.Cause<E>
}

/**
 * How a stage works.
 *
 * @category models
 * @since 0.1.0
 */
export interface StageOptions<A, E, T extends Duration.Input | undefined = Duration.Input | undefined> {
  /** How many items it works on at a time, 1 or more. Default 1. */
  readonly concurrency?: number | undefined
  /**
   * In which order results leave: that of the input, none, or, with the items of one key one after another, that of each key.
   * Default `"input"`.
   */
  readonly order?: "input" | "none" | { readonly key: (item: A) => unknown } | undefined
  /**
   * For how many items there is room before it, 1 or more, or `Infinity`. What waits for the consumer after the last stage counts
   * there. Default 16.
   */
  readonly buffer?: number | undefined
  /** How an item that failed is tried again; its order and its key wait for it. Default: it is not. */
  readonly retry?: Schedule.Schedule<unknown, E | StageTimeout> | undefined
  /** How long one attempt at an item may take. Default: as long as it takes. */
  readonly timeout?: T
}

/**
 * What the failure of an item does, defects included.
 *
 * **Details**
 *
 * `"stop"` ends the pipeline: what the stage and those before it hold is dropped, what is past it goes on, then the output fails with the
 * item's own error; `stageOf` tells the stage from its cause.
 * In the order of input those before the failed item are done first. `"skip"` counts it and goes on. `{ route }` gives item, stage
 * and cause to an effect, and its worker goes on when that has ended: a dead letter sink with room holds back nobody.
 *
 * @category models
 * @since 0.1.0
 */
export type OnError<A, E, R> = "stop" | "skip" | Route<A, E, R>

/**
 * Where the items that fail go.
 *
 * @category models
 * @since 0.1.0
 */
export interface Route<A, E, R> {
  readonly route: (failed: Failed<A, E | StageTimeout>) => Effect.Effect<unknown, never, R>
}

/**
 * A stage as `describe` draws it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Description {
  readonly name: string
  readonly concurrency: number
  readonly order: "input" | "none" | "key"
  readonly buffer: number
  readonly retries: boolean
  /** Milliseconds of one attempt. */
  readonly timeout: number | undefined
  readonly onError: "stop" | "skip" | "route"
}

/**
 * Stages from left to right: `In` goes in, `Out` comes out. A value: nothing runs before `start` or `stream`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pipeline<in In, out Out, out E, out R> extends Pipeable.Pipeable {
  readonly name: string | undefined
  readonly stages: ReadonlyArray<Description>
  /** What `start` refuses it for. */
  readonly wrong: InvalidOption | undefined
  /** How `start` puts it together, the last stage first. `E2` is what its source fails with. */
  readonly build: <E2>(wiring: Wiring<R>, next: Inlet<Out, E | E2>) => Inlet<In, E2>
}

/**
 * What came of the items of one stage: `in` = `out` + `failed` + `dropped` + `waiting` + `running`, at any time.
 *
 * @category models
 * @since 0.1.0
 */
export interface StageStats {
  readonly name: string
  readonly in: number
  readonly out: number
  /** Their attempts are used up: they stopped the pipeline, were skipped, or routed. */
  readonly failed: number
  /** They were inside when the pipeline was stopped. */
  readonly dropped: number
  readonly waiting: number
  /** Worked on, or done and waiting for those before them. */
  readonly running: number
  /** How long it worked on an item with all its attempts, in milliseconds; 0 where it worked on none. */
  readonly meanMillis: number
  readonly maxMillis: number
}

/**
 * What came of the items of a run: `in` = `out` + `failed` + `dropped` + `inside`, at any time. `inside` is 0 when it is over.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Taken from the source. */
  readonly in: number
  /** Given to the consumer. */
  readonly out: number
  readonly failed: number
  readonly dropped: number
  readonly inside: number
  readonly stages: ReadonlyArray<StageStats>
}

/**
 * A pipeline at work.
 *
 * @category models
 * @since 0.1.0
 */
export interface Running<Out, E> {
  /**
   * The results, for one consumer.
   *
   * **Interruption**
   *
   * A consumer that is interrupted, fails, or has enough stops all stages and the source, waits for their finalizers, and what was
   * inside is counted as dropped. An item that was handed over is `out`.
   */
  readonly stream: Stream.Stream<Out, E>
  /** What came of the items so far; also when it is over. */
  readonly stats: Effect.Effect<Stats>
}

/**
 * A pipeline without stages, for items of type `In`. Give it stages with `stage`.
 *
 * **Details**
 *
 * The name is a label of its metrics, so there should be few; how long stages take is measured into them only with a name.
 *
 * **Example** (Two stages)
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Pipeline } from "heddle/flow"
 *
 * const parse = (text: string) => Effect.try({ try: () => BigInt(text), catch: () => `not a number: ${text}` })
 * const letters: Array<string> = []
 *
 * const pipeline = Pipeline.make<string>("numbers").pipe(
 *   Pipeline.stage("parse", parse, {
 *     onError: { route: ({ item }) => Effect.sync(() => letters.push(item)) }
 *   }),
 *   Pipeline.stage("double", (n) => Effect.succeed(n * 2n), { concurrency: 4 })
 * )
 *
 * const results = Stream.runCollect(Pipeline.stream(pipeline, Stream.make("1", "two", "3")))
 * await Effect.runPromise(results) // => [2n, 6n]
 * letters // => ["two"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <In>(name?: string): Pipeline<In, In, never, never> =>
  new Made<In, In, never, never>(name, [], undefined, (_wiring, next) => next)

/**
 * Adds a stage to the right.
 *
 * **Details**
 *
 * A defect of a stage is a failure of its item like any other. Where it stops the pipeline, the output fails with `StageDied`, which
 * names the stage.
 *
 * **Interruption**
 *
 * When the pipeline is stopped, what a stage is at is interrupted, and the pipeline is over when its finalizers have run.
 *
 * @category combinators
 * @since 0.1.0
 */
export const stage: {
  <A, B, E, R, T extends Duration.Input | undefined = undefined>(
    name: string,
    run: (item: A) => Effect.Effect<B, E, R>,
    options?: StageOptions<A, E, T> & { readonly onError?: "stop" | undefined }
  ): <In, E0, R0>(
    self: Pipeline<In, A, E0, R0>
  ) => Pipeline<In, B, E0 | E | StageDied | (T extends undefined ? never : StageTimeout), R0 | R>
  <A, B, E, R>(
    name: string,
    run: (item: A) => Effect.Effect<B, E, R>,
    options: StageOptions<A, E> & { readonly onError: "skip" }
  ): <In, E0, R0>(self: Pipeline<In, A, E0, R0>) => Pipeline<In, B, E0, R0 | R>
  <A, B, E, R, R2>(
    name: string,
    run: (item: A) => Effect.Effect<B, E, R>,
    options: StageOptions<A, E> & { readonly onError: Route<A, E, R2> }
  ): <In, E0, R0>(self: Pipeline<In, A, E0, R0>) => Pipeline<In, B, E0 | StageDied, R0 | R | R2>
} = <A, B, E, R, R2>(
  name: string,
  run: (item: A) => Effect.Effect<B, E, R>,
  options: StageOptions<A, E> & { readonly onError?: OnError<A, E, R2> | undefined } = {}
) =>
// Of the errors that a stage can have, the overloads keep those that its options leave.
<In, E0>(self: Pipeline<In, A, E0, R | R2>): Pipeline<In, B, never, R | R2> =>
  added(name, run, options, self) as Pipeline<In, B, never, R | R2>

/**
 * Starts a pipeline on a source, for as long as the scope is open. Items are taken as there is room for them.
 *
 * **Details**
 *
 * When the source ends, what was taken is worked through, then the output ends. When it fails, the same, then the output fails.
 * At most so many items are inside as the buffers and the workers of all stages hold together, and what is left of a chunk that the
 * source gave at once.
 *
 * **Interruption**
 *
 * Closing the scope stops all stages and the source. Who still consumes the output is interrupted: it is not told that all is done.
 *
 * @category running
 * @since 0.1.0
 */
export const start = Effect.fnUntraced(function*<In, Out, E, R, E2, R2>(
  pipeline: Pipeline<In, Out, E, R>,
  source: Stream.Stream<In, E2, R2>
): Effect.fn.Return<Running<Out, E | E2>, InvalidOption, R | R2 | Scope.Scope> {
  if (pipeline.wrong !== undefined) return yield* pipeline.wrong
  if (pipeline.stages.length === 0) {
    return yield* new InvalidOption({
      option: "stages",
      message: "stages must be at least one: add it with Pipeline.stage"
    })
  }
  const run = new PipelineRun<R>(yield* Effect.context<never>(), yield* Clock.Clock, pipeline.name)
  const outlet = new Outlet<Out, E | E2>(() => run.stages.at(-1)?.eased())
  const first = pipeline.build<E2>(run, outlet)
  const close = Effect.sync(() => {
    run.close()
    outlet.close()
  })
  yield* run.start(source, first, yield* Effect.scope)
  yield* Effect.addFinalizer(() => close)
  return {
    stream: Stream.ensuring(Stream.fromPull(Effect.succeed(outlet.pull)), Effect.andThen(close, run.stop)),
    stats: Effect.sync(() => statsOf(run, outlet))
  }
})

/**
 * The results alone, for whom nothing of `stats` is of interest. The pipeline runs while they are consumed.
 *
 * @category running
 * @since 0.1.0
 */
export const stream = <In, Out, E, R, E2, R2>(
  pipeline: Pipeline<In, Out, E, R>,
  source: Stream.Stream<In, E2, R2>
): Stream.Stream<Out, E | E2 | InvalidOption, R | R2> =>
  Stream.unwrap(Effect.map(start(pipeline, source), (running) => running.stream))

/**
 * Draws a pipeline as a flowchart, as text for [Mermaid](https://mermaid.js.org).
 *
 * @category describing
 * @since 0.1.0
 */
export const describe = (pipeline: Pipeline<never, unknown, unknown, unknown>): string => flowchart(pipeline.stages)

/**
 * In which stage the item failed that stopped a pipeline, by the cause that its output ended with. None where the source failed or
 * somebody interrupted it.
 *
 * **Example** (Which of two stages it was)
 *
 * ```ts
 * import { Effect, Option, Stream } from "effect"
 * import { Pipeline } from "heddle/flow"
 *
 * const odd = (n: number) => n % 2 === 0 ? Effect.fail("even" as const) : Effect.succeed(n)
 * const pipeline = Pipeline.make<number>().pipe(Pipeline.stage("check", odd), Pipeline.stage("check again", odd))
 *
 * const results = Stream.runCollect(Pipeline.stream(pipeline, Stream.make(1, 2)))
 * const stage = Effect.map(Effect.flip(Effect.sandbox(results)), Pipeline.stageOf)
 * await Effect.runPromise(stage) // => Option.some("check")
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export const stageOf = (cause: Cause.Cause<unknown>): Option.Option<string> =>
  Context.getOption(Cause.annotations(cause), FailedStage)

/**
 * One attempt at an item took longer than its stage's `timeout`. Try it again later, or give it longer.
 *
 * @category errors
 * @since 0.1.0
 */
export class StageTimeout extends Schema.TaggedError<StageTimeout>()("StageTimeout", {
  stage: Schema.String,
  message: Schema.String
}) {}

/**
 * A stage, or the sink that it routes its failures to, has a bug: it died. Mend it.
 *
 * @category errors
 * @since 0.1.0
 */
export class StageDied extends Schema.TaggedError<StageDied>()("StageDied", {
  stage: Schema.String,
  message: Schema.String,
  cause: Schema.Defect()
}) {}

class Made<in In, out Out, out E, out R> extends Pipeable.Class implements Pipeline<In, Out, E, R> {
  readonly name: string | undefined
  readonly stages: ReadonlyArray<Description>
  readonly wrong: InvalidOption | undefined
  readonly build: Pipeline<In, Out, E, R>["build"]
  constructor(
    name: string | undefined,
    stages: ReadonlyArray<Description>,
    wrong: InvalidOption | undefined,
    build: Pipeline<In, Out, E, R>["build"]
  ) {
    super()
    this.name = name
    this.stages = stages
    this.wrong = wrong
    this.build = build
  }
}

const added = <In, A, B, E, R, R2, E0, R0>(
  name: string,
  run: (item: A) => Effect.Effect<B, E, R>,
  options: StageOptions<A, E> & { readonly onError?: OnError<A, E, R2> | undefined },
  self: Pipeline<In, A, E0, R0>
): Pipeline<In, B, E0 | E | StageDied | StageTimeout, R0 | R | R2> => {
  const { buffer = 16, concurrency = 1, onError = "stop", order = "input", retry, timeout } = options
  const millis = checkMillis(`${name}.timeout`, timeout ?? Infinity)
  const spec: Spec<A, B, E | StageTimeout, E | StageDied | StageTimeout, R | R2> = {
    name,
    concurrency,
    capacity: buffer,
    order: typeof order === "string" ? order : order.key,
    run: attempts(name, run, typeof millis === "number" ? millis : Infinity, retry),
    failed: (item, cause) => {
      if (onError === "skip") return { _tag: "gone", tell: undefined }
      if (onError === "stop") return { _tag: "stop", cause: named(name, cause) }
      const told = Effect.exit(Effect.suspend(() => onError.route({ item, stage: name, cause })))
      return {
        _tag: "gone",
        tell: Effect.map(told, (exit) => Exit.isFailure(exit) ? named(name, exit.cause) : undefined)
      }
    }
  }
  const description = {
    name,
    concurrency,
    order: typeof order === "string" ? order : "key" as const,
    buffer,
    retries: retry !== undefined,
    timeout: typeof millis === "number" && millis < Infinity ? millis : undefined,
    onError: typeof onError === "string" ? onError : "route" as const
  }
  const wrong = self.wrong ?? checkName(name, self.stages) ?? checkWorkers(`${name}.concurrency`, concurrency) ??
    checkCount(`${name}.buffer`, buffer) ?? (typeof millis === "number" ? undefined : millis)
  type Errors = E0 | E | StageDied | StageTimeout
  return new Made<In, B, Errors, R0 | R | R2>(
    self.name,
    [...self.stages, description],
    wrong,
    <E2>(wiring: Wiring<R0 | R | R2>, next: Inlet<B, Errors | E2>) =>
      self.build<E2>(wiring, wiring.add<A, B, E | StageTimeout, Errors | E2>(spec, next))
  )
}

/** An attempt after another, each within its time. */
const attempts = <A, B, E, R>(
  stage: string,
  run: (item: A) => Effect.Effect<B, E, R>,
  millis: number,
  retry: Schedule.Schedule<unknown, E | StageTimeout> | undefined
): (item: A) => Effect.Effect<B, E | StageTimeout, R> => {
  const late = Effect.suspend(() =>
    Effect.fail(new StageTimeout({ stage, message: `"${stage}" took longer than ${millis} ms for an item` }))
  )
  const once = (item: A): Effect.Effect<B, E | StageTimeout, R> =>
    millis === Infinity ? run(item) : Effect.timeoutOrElse(run(item), { duration: millis, orElse: () => late })
  return retry === undefined ? once : (item) => Effect.retry(Effect.suspend(() => once(item)), retry)
}

/** A failure as it is, with the name of its stage beside it; a defect by that name. */
const named = <E>(stage: string, cause: Cause.Cause<E>): Cause.Cause<E | StageDied> => {
  const message = `"${stage}" died of an item`
  const told: Cause.Cause<E | StageDied> = Cause.hasDies(cause)
    ? Cause.fail(new StageDied({ stage, message, cause: Cause.squash(cause) }))
    : cause
  return Cause.annotate(told, Context.make(FailedStage, stage))
}

/** Stands beside the reasons of a cause. */
class FailedStage extends Context.Service<FailedStage, string>()("heddle/Pipeline/FailedStage") {}

const checkName = (name: string, others: ReadonlyArray<Description>): InvalidOption | undefined =>
  name === "" || others.some((other) => other.name === name)
    ? new InvalidOption({ option: "name", message: `name must be one that no other stage has, not "${name}"` })
    : undefined

const checkWorkers = (option: string, count: number): InvalidOption | undefined =>
  Number.isInteger(count) && count >= 1
    ? undefined
    : new InvalidOption({ option, message: `${option} must be a whole number of 1 or more` })

const statsOf = ({ stages }: Pick<PipelineRun<unknown>, "stages">, outlet: Outlet<unknown, unknown>): Stats => {
  const each = stages.map(({ counted, spec, waiting }): StageStats => {
    const { millis, slowest, ...counts } = counted
    const done = counted.measured
    return { name: spec.name, ...counts, waiting, meanMillis: done === 0 ? 0 : millis / done, maxMillis: slowest }
  })
  const sum = (of: (stage: StageStats) => number) => each.reduce((total, stage) => total + of(stage), 0)
  return {
    in: each[0]?.in ?? 0,
    out: outlet.delivered,
    failed: sum((stage) => stage.failed),
    dropped: sum((stage) => stage.dropped) + outlet.dropped,
    inside: sum((stage) => stage.waiting + stage.running) + outlet.lent,
    stages: each
  }
}
