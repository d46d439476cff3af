import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Waiters } from "../../flow/internal/Waiters.ts"
import type { InvalidOption } from "../../internal/InvalidOption.ts"
import type { Entry } from "../Log.ts"
import type { ConsumerReplaced, Entry as Raw, From, StoreUnavailable, Trimmed, Undecodable } from "../LogEntry.ts"
import { type Consumer, LogStore, type ReadError, type Reading } from "../LogStore.ts"
import { LogHands } from "./logHands.ts"
import { type CommitTally, commitTally, type ConsumedTally, consumedTally } from "./logMetrics.ts"
import { LogPrefix } from "./logPrefix.ts"
import { below } from "./topicTrace.ts"

/** What a consumer does with the entries of a log. */
export interface Consuming<A, E, R, EU, RU, ET, RT> {
  readonly log: string
  readonly consumer: string
  readonly from: From
  readonly concurrency: number
  readonly decode: (entry: Raw) => Effect.Effect<Entry<A>, Undecodable>
  readonly handler: (entry: Entry<A>) => Effect.Effect<void, E, R>
  readonly onUndecodable: (undecodable: Undecodable) => Effect.Effect<void, EU, RU>
  readonly onTrimmed: (trimmed: Trimmed) => Effect.Effect<void, ET, RT>
}

/** Works on all behind the position. The entries begin in order, and the position follows what is finished of them. */
export const consuming = <A, E, R, EU, RU, ET, RT>(job: Consuming<A, E, R, EU, RU, ET, RT>) =>
  Effect.gen(function*() {
    const { concurrency, consumer: name, from, log, onTrimmed } = job
    const store = yield* LogStore
    const context = yield* Effect.context<never>()
    const consumer = yield* store.attach(log, name)
    const progress = new Progress(consumer, commitTally(context, log))
    const reading = yield* store.read(
      log,
      Option.match(consumer.position, { onNone: () => from, onSome: (position) => ({ offset: position + 1n }) })
    )
    // Who comes after this one begins at the same place, if nothing is finished until then.
    if (Option.isNone(consumer.position) && reading.offset > 0n) yield* consumer.commit(reading.offset - 1n)
    const oldest = store.read(log, "oldest")
    const entriesOf = ({ entries }: Reading): Stream.Stream<Raw, ET | InvalidOption | ReadError, RT> =>
      Stream.catchTag(
        entries,
        "Trimmed",
        (trimmed) => Stream.unwrap(Effect.map(Effect.andThen(onTrimmed(trimmed), oldest), entriesOf))
      )
    const tally = consumedTally(context, log)
    const working = Effect.gen(function*() {
      const hands = new LogHands<E | EU>(concurrency, yield* Effect.scope)
      const work = Stream.runForEach(entriesOf(reading), (entry) =>
        Effect.flatMap(progress.begin(entry.offset), (finish) => hands.take(worked(job, tally, entry), finish)))
      const ended = Effect.raceFirst(hands.failed, progress.run)
      return yield* Effect.raceFirst(Effect.andThen(work, Effect.never), ended)
    })
    return yield* Effect.onExit(Effect.scoped(working), () =>
      progress.last)
  })

const worked = <A, E, R, EU, RU>(
  { consumer, decode, handler, log, onUndecodable }: Consuming<A, E, R, EU, RU, unknown, unknown>,
  tally: ConsumedTally,
  raw: Raw
): Effect.Effect<void, E | EU, R | RU> =>
  Effect.matchEffect(decode(raw), {
    onSuccess: (entry): Effect.Effect<void, E | EU, R | RU> =>
      below("Log.consume", raw.headers, { log, consumer, offset: String(raw.offset) }, handler(entry)).pipe(
        Effect.onExit((exit) => Effect.sync(() => void tally[outcomeOf(exit)]++))
      ),
    onFailure: (undecodable) => {
      tally.undecodable++
      return onUndecodable(undecodable)
    }
  })

const outcomeOf = (exit: Exit.Exit<void, unknown>) =>
  Exit.isSuccess(exit) ? "handled" : Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "failed"

/**
 * The position of a consumer, which follows what is finished. One commit is on its way at a time, and the one after it is of all that
 * was finished meanwhile.
 */
class Progress {
  private readonly consumer: Consumer
  private readonly tally: CommitTally
  private readonly prefix = new LogPrefix()
  private readonly moved = Latch.makeUnsafe(false)
  private readonly room = new Waiters()
  private committed: bigint | undefined
  /** How many entries are up to the position. */
  private passed = 0
  private over = false
  constructor(consumer: Consumer, tally: CommitTally) {
    this.consumer = consumer
    this.tally = tally
  }

  /** Begins an entry as soon as there is room. What is answered finishes it. */
  begin(offset: bigint): Effect.Effect<() => void> {
    const hasRoom = () => this.prefix.begun - this.passed < most
    return Effect.map(hasRoom() ? Effect.void : this.room.until(hasRoom), () => {
      const finish = this.prefix.begin(offset)
      return () => {
        if (finish()) this.moved.openUnsafe()
      }
    })
  }

  /** Commits whenever something was finished. */
  readonly run: Effect.Effect<never, ConsumerReplaced | StoreUnavailable> = Effect.suspend(() => {
    const tried = Effect.retry(this.commit, { schedule: again, while: ({ _tag }) => _tag === "StoreUnavailable" })
    return Effect.forever(Effect.andThen(this.moved.await, tried))
  })

  /** Commits once what is finished at the end. What the store does not hear is done again. */
  readonly last: Effect.Effect<void> = Effect.suspend(() =>
    this.over || this.prefix.finished === this.committed ? Effect.void : Effect.ignore(this.commit)
  )

  private readonly commit: Effect.Effect<void, ConsumerReplaced | StoreUnavailable> = Effect.suspend(() => {
    this.moved.closeUnsafe()
    const { finished, passed } = this.prefix
    if (finished === undefined) return Effect.void
    return Effect.matchEffect(this.consumer.commit(finished), {
      onSuccess: () => {
        this.tally.made++
        this.committed = finished
        this.passed = passed
        this.room.wakeAll()
        return Effect.void
      },
      onFailure: (error) => {
        this.over = error._tag === "ConsumerReplaced"
        this.tally[this.over ? "replaced" : "failed"]++
        return Effect.fail(error)
      }
    })
  })
}

const most = 1024

const again = Schedule.jittered(Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]))
