/**
 * Carries the time that is left for a piece of work down to everything that it calls, also in other processes.
 *
 * A request has 800 ms in all, not 800 ms at each hop. Whoever begins it says `within`; all that runs inside of it ends by then,
 * and a hop that sets a time of its own gets the earlier of the two. What cannot end in time is refused before it begins.
 *
 * **When to use**
 *
 * At the edge of a service, and around each call that has a limit of its own. For a single effect `Effect.timeout` is enough.
 *
 * **Details**
 *
 * A deadline is kept in the fiber's context, so forks and services have it without being told. Between processes it travels as the
 * time that is left, as clocks differ. A hop whose caller's deadline is earlier than its own starts no timer.
 *
 * **Interruption**
 *
 * When its time is over, what runs is interrupted, and `within` fails when it has ended, its finalizers included. That holds for
 * everything in Heddle that waits: a place in line is given up, what was granted at that moment goes back.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { monotonic } from "../internal/monotonic.ts"
import { toMillis } from "./internal/check.ts"
import { readHeaders, toGrpc } from "./internal/deadlineHeaders.ts"
import { withoutStack } from "./internal/refusal.ts"

/**
 * The time was over before the work had ended, or there was less of it than the work needs: give up, and say so to whoever waits.
 * `hops` is where the work was, from the outside in; `budget`, in milliseconds, is what the outermost of the deadlines that
 * ended it had given.
 *
 * @category errors
 * @since 0.1.0
 */
export class DeadlineExceeded extends Schema.TaggedError<DeadlineExceeded>()("DeadlineExceeded", {
  hops: Schema.Array(Schema.String),
  budget: Schema.Number
}) {
  override get message(): string {
    const where = this.hops.length === 0 ? "" : ` at ${this.hops.join(" > ")}`
    return `the deadline of ${this.budget} ms was over${where}: give up`
  }
}

/**
 * A header holds no time: answer that the request is malformed.
 *
 * @category errors
 * @since 0.1.0
 */
export class MalformedDeadline extends Schema.TaggedError<MalformedDeadline>()("MalformedDeadline", {
  header: Schema.String,
  value: Schema.String
}) {
  override get message(): string {
    return `the header ${this.header} holds no time: ${JSON.stringify(this.value)}`
  }
}

/**
 * Gives an effect so much time, or what is left of the caller's, whichever ends first.
 *
 * **Details**
 *
 * `hop` names the place in the error. No time at all (0, less, NaN) refuses the effect before it begins; `Infinity` only names the
 * hop.
 *
 * **Example** (A part may not take longer than the whole)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Deadline } from "heddle/resilience"
 *
 * const query = Deadline.within("5 seconds", "database")(Effect.never)
 * const request = Deadline.within("10 millis", "gateway")(query).pipe(
 *   Effect.catchTag("DeadlineExceeded", ({ hops }) => Effect.succeed(hops))
 * )
 *
 * await Effect.runPromise(request) // => ["gateway", "database"]
 * ```
 *
 * @category deadlines
 * @since 0.1.0
 */
export const within = (time: Duration.Input, hop?: string) => {
  const budget = toMillis(time)
  return <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
    Effect.withFiber((fiber): Effect.Effect<A, E | DeadlineExceeded, R> => {
      const outer = fiber.getRef(Current)
      const now = clockOf(fiber)()
      const hops = hop === undefined ? outer.hops : [...outer.hops, hop]
      if (!(Math.min(budget, outer.at - now) > 0)) return exceeded(hops, Math.min(budget, outer.budget))
      if (outer.at <= now + budget) {
        return at(self, { ...outer, hops })
      }
      const inside = outer.at === Infinity ? [] : outer.inside
      const below = (path: ReadonlyArray<string>) => hops.every((hop, index) => path[index] === hop)
      // Where the work is is noted before it is interrupted, as it leaves then.
      const over = () => exceeded(inside.findLast(below) ?? hops, budget)
      return bounded(self, { at: now + budget, budget, hops, inside }, over)
    })
}

/**
 * Leaves so much of the time for the way back: the effect gets what is left less this. Without a deadline it does nothing.
 *
 * @category deadlines
 * @since 0.1.0
 */
export const reserve =
  (time: Duration.Input) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
    Effect.flatMap(remaining, (left) => left === Infinity ? self : within(left - toMillis(time))(self))

/**
 * Refuses an effect at once if less time is left than it needs, as its caller knows.
 *
 * @category deadlines
 * @since 0.1.0
 */
export const needs =
  (time: Duration.Input) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | DeadlineExceeded, R> =>
    Effect.withFiber((fiber): Effect.Effect<A, E | DeadlineExceeded, R> => {
      const { at, budget, hops } = fiber.getRef(Current)
      return at - clockOf(fiber)() >= toMillis(time) ? self : exceeded(hops, budget)
    })

/**
 * How many milliseconds are left; `Infinity` without a deadline, never less than 0.
 *
 * @category deadlines
 * @since 0.1.0
 */
export const remaining: Effect.Effect<number> = Effect.withFiber((fiber) =>
  Effect.succeed(Math.max(0, fiber.getRef(Current).at - clockOf(fiber)()))
)

/**
 * The headers that carry the deadline to another process, in HTTP requests and in messages: `heddle-timeout`, in whole
 * milliseconds that are left. None without a deadline.
 *
 * @category hops
 * @since 0.1.0
 */
export const headers: Effect.Effect<Readonly<Record<string, string>>> = Effect.withFiber((fiber) =>
  fiber.getRef(Current).at === Infinity
    ? noHeaders
    : Effect.map(remaining, (left) => ({ "heddle-timeout": String(Math.floor(left)) }))
)

/**
 * The same for gRPC, whose own header is `grpc-timeout`.
 *
 * @category hops
 * @since 0.1.0
 */
export const grpcHeaders: Effect.Effect<Readonly<Record<string, string>>> = Effect.map(
  remaining,
  (left): Record<string, string> => left === Infinity ? {} : { "grpc-timeout": toGrpc(left) }
)

/**
 * Serves a request within the time that its headers give, either `heddle-timeout` or `grpc-timeout`, by lower-case names; of both,
 * the earlier. Without them it does nothing but name the hop.
 *
 * **Details**
 *
 * Fails with `MalformedDeadline` before the effect begins if a header holds no time.
 *
 * **Example** (The time that is left goes with the request)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Deadline } from "heddle/resilience"
 *
 * const server = (headers: Deadline.Headers) =>
 *   Deadline.serve(headers, "server")(Deadline.remaining)
 *
 * const client = Effect.flatMap(Deadline.headers, server)
 * const left = await Effect.runPromise(Deadline.within("1 second")(client))
 * left > 900 && left <= 1000 // => true
 * ```
 *
 * @category hops
 * @since 0.1.0
 */
export const serve = (headers: Headers, hop?: string) =>
<A, E, R>(
  self: Effect.Effect<A, E, R>
): Effect.Effect<A, E | DeadlineExceeded | MalformedDeadline, R> => {
  const read = readHeaders(headers)
  return typeof read === "number" ? within(read, hop)(self) : Effect.fail(new MalformedDeadline(read))
}

/**
 * Headers of a request, by lower-case names.
 *
 * @category models
 * @since 0.1.0
 */
export type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/** The deadline that holds for a fiber. */
interface Span {
  /** By the monotonic clock. */
  readonly at: number
  readonly budget: number
  readonly hops: ReadonlyArray<string>
  /** Where the work is at this moment, all of it below the outermost deadline; the last one was entered last. */
  readonly inside: Array<ReadonlyArray<string>>
}

const Current = Context.Reference<Span>("heddle/Deadline", {
  defaultValue: () => ({ at: Infinity, budget: Infinity, hops: [], inside: [] })
})

const noHeaders = Effect.succeed<Readonly<Record<string, string>>>(Object.freeze({}))

/** Runs an effect where its caller's deadline is the earlier one. */
const at = <A, E, R>(self: Effect.Effect<A, E, R>, span: Span): Effect.Effect<A, E, R> => {
  const inner = Effect.provideService(self, Current, span)
  if (span.at === Infinity) return inner
  return Effect.suspend(() => {
    span.inside.push(span.hops)
    return Effect.onExitPrimitive(inner, () => leave(span))
  })
}

/**
 * Runs an effect in a fiber of its own until its time is over. It is `Effect.raceFirst` against a sleep, without one for what
 * ends at once, and at half the cost.
 */
const bounded = <A, E, R>(
  self: Effect.Effect<A, E, R>,
  span: Span,
  over: () => Effect.Effect<never, DeadlineExceeded>
): Effect.Effect<A, E | DeadlineExceeded, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    let work: Fiber.Fiber<A, E> | undefined
    let timer: Fiber.Fiber<void> | undefined
    return Effect.onExitPrimitive(
      Effect.callback<A, E | DeadlineExceeded>((resume) => {
        span.inside.push(span.hops)
        work = Effect.runForkWith(Context.add(context, Current, span))(self)
        const exit = work.pollUnsafe()
        if (exit !== undefined) return resume(exit)
        work.addObserver(resume)
        timer = Effect.runForkWith(context)(Effect.sleep(span.budget))
        timer.addObserver((exit) => {
          if (Exit.isSuccess(exit)) resume(over())
        })
      }),
      () => {
        leave(span)
        timer?.interruptUnsafe()
        return work === undefined || work.pollUnsafe() !== undefined ? undefined : Fiber.interrupt(work)
      }
    )
  })

const leave = ({ hops, inside }: Span): undefined => {
  const index = inside.lastIndexOf(hops)
  if (index >= 0) inside.splice(index, 1)
}

const exceeded = (hops: ReadonlyArray<string>, budget: number): Effect.Effect<never, DeadlineExceeded> =>
  Effect.fail(withoutStack(() => new DeadlineExceeded({ hops, budget })))

const clockOf = (fiber: Fiber.Fiber<unknown, unknown>): () => number => monotonic(fiber.getRef(Clock.Clock))
