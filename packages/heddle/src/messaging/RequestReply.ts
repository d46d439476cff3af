/**
 * Asks whoever answers a subject, in any process, and waits for one typed answer.
 *
 * A question goes to one of those who answer. Its deadline and its place in a trace go with it.
 *
 * **When to use**
 *
 * Where an answer is of use now or not at all. What must be done also when nobody is there is a job: `WorkQueue.enqueueAndAwait`.
 *
 * **Gotchas**
 *
 * A question whose answer does not come may have been worked on.
 *
 * **Example** (One process asks, another answers)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Broker, RequestReply } from "heddle/messaging"
 *
 * const sum = RequestReply.make({
 *   name: "sum",
 *   request: Schema.Array(Schema.Number),
 *   reply: Schema.Number
 * })
 *
 * const program = Effect.gen(function*() {
 *   yield* sum.answer((all) => Effect.succeed(all.reduce((a, b) => a + b, 0)))
 *   return yield* sum.ask([4, 6])
 * })
 *
 * await program.pipe(Effect.scoped, Effect.provide(Broker.layerMemory), Effect.runPromise) // => 10
 * ```
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { checkCount } from "../flow/internal/options.ts"
import { InvalidOption } from "../internal/InvalidOption.ts"
import * as Deadline from "../resilience/Deadline.ts"
import type * as Broker from "./Broker.ts"
import type { PublishError, SubscribeError } from "./Message.ts"
import * as Topic from "./Topic.ts"

/**
 * What is asked, and what is answered. Both travel as JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options<A, B, E> {
  /** A subject: tokens of letters, digits and `_ - : /` with `.` between them. */
  readonly name: string
  readonly request: Schema.Codec<A, unknown>
  readonly reply: Schema.Codec<B, unknown>
  /** How an answer can fail. Default: it cannot. */
  readonly error?: Schema.Codec<E, unknown> | undefined
}

/**
 * Nobody answered in time, or whoever did could not: `reason` says which. The question may have been worked on.
 *
 * @category errors
 * @since 0.1.0
 */
export class NoReply extends Schema.TaggedError<NoReply>()("NoReply", {
  name: Schema.String,
  reason: Schema.Literals(["Timeout", "Died"])
}) {
  override get message(): string {
    return this.reason === "Timeout"
      ? `no answer of ${this.name} came in time: see whether anybody answers`
      : `whoever answers ${this.name} died of the question`
  }
}

/**
 * Typed questions and their answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestReply<A, B, E> {
  readonly name: string
  /**
   * Asks, and waits for the answer: at most `timeout`, by default 5 seconds, and no longer than the caller's deadline.
   *
   * **Interruption**
   *
   * Ends the wait. Whoever answers is not told.
   */
  readonly ask: (
    value: A,
    options?: { readonly timeout?: Duration.Input | undefined }
  ) => Effect.Effect<B, E | NoReply | InvalidOption | PublishError | SubscribeError, Broker.Broker>
  /**
   * Answers until the scope closes, `concurrency` questions at a time (default 16). It answers when this returns. Of all processes that
   * answer, one is given each question.
   *
   * **Interruption**
   *
   * Closing the scope interrupts the answers that are on their way; who asked is told nothing.
   */
  readonly answer: <R>(
    handler: (value: A) => Effect.Effect<B, E, R>,
    options?: { readonly concurrency?: number | undefined }
  ) => Effect.Effect<void, InvalidOption | SubscribeError, Broker.Broker | Broker.BrokerGroups | Scope.Scope | R>
}

/**
 * Names what is asked. Nothing is asked of a broker.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, B, E = never>(options: Options<A, B, E>): RequestReply<A, B, E> => {
  const { name } = options
  const questions = Topic.make({ name, payload: options.request })
  const answers = Topic.make({
    name: "_reply",
    payload: Schema.Union([
      Schema.Struct({ _tag: Schema.Literal("Success"), value: options.reply }),
      Schema.Struct({ _tag: Schema.Literal("Failure"), error: options.error ?? nothing<E>() }),
      Schema.Struct({ _tag: Schema.Literal("Died") })
    ])
  })
  // In a fiber of its own: whoever interrupts that one does not stop the others' answers.
  const reply = <R>(at: string, handler: Effect.Effect<B, E, R>) =>
    Effect.flatMap(Effect.flatMap(Effect.forkChild(handler, { startImmediately: true }), Fiber.await), (exit) => {
      if (Exit.isSuccess(exit)) return answers.publish({ _tag: "Success", value: exit.value }, { at })
      const failed = exit.cause.reasons.find((reason) => reason._tag === "Fail")
      return answers.publish(failed === undefined ? { _tag: "Died" } : { _tag: "Failure", error: failed.error }, { at })
    })
  return {
    name,
    ask: (value, { timeout = "5 seconds" } = {}) =>
      Effect.gen(function*() {
        const millis = Duration.fromInput(timeout).pipe(Option.map(Duration.toMillis), Option.getOrElse(() => NaN))
        if (!(millis > 0 && millis < Infinity)) return yield* badTimeout
        const at = yield* inboxName
        const { messages } = yield* answers.subscribe({ at })
        const publish = questions.publish(value, { headers: { "heddle-reply": at } })
        const answer = yield* Effect.andThen(publish, Stream.runHead(messages)).pipe(
          Deadline.within(millis, name),
          Effect.catchTags({
            DeadlineExceeded: () => Effect.fail(new NoReply({ name, reason: "Timeout" })),
            SubscriberTooSlow: Effect.die
          }),
          Effect.map(Option.getOrThrow)
        )
        switch (answer.value._tag) {
          case "Success":
            return answer.value.value
          case "Failure":
            return yield* Effect.fail(answer.value.error)
          case "Died":
            return yield* new NoReply({ name, reason: "Died" })
        }
      }).pipe(Effect.scoped),
    answer: (handler, { concurrency = 16 } = {}) =>
      Effect.gen(function*() {
        const wrong = checkCount("concurrency", concurrency)
        if (wrong !== undefined) return yield* wrong
        const { messages } = yield* questions.join("answer")
        yield* messages.pipe(
          Stream.mapEffect((question) => {
            const at = question.headers["heddle-reply"]
            return at === undefined
              ? Effect.void
              : Effect.ignore(Topic.handle(question)(reply(at, handler(question.value))))
          }, { concurrency }),
          Stream.runDrain,
          Effect.forkScoped
        )
      })
  }
}

/** A name that nobody else has. */
const inboxName = Effect.map(
  Effect.all([Random.nextInt, Random.nextInt]),
  (parts) => parts.map((part) => Math.abs(part).toString(36)).join("-")
)

const badTimeout = new InvalidOption({ option: "timeout", message: "timeout must be a finite duration of more than 0" })

const nothing = <E>(): Schema.Codec<E, unknown> => Schema.Never as Schema.Codec<E, unknown>
