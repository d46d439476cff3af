import * as Arr from "effect/Array"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { type Job, JobStore } from "heddle/messaging"
import type { Crew } from "./crew.ts"
import { garbage, pairOf, queuesOf, ttl } from "./queues.ts"
import type { Event } from "./roles.ts"

/** All have ended, and there are pairs left. */
export class NobodyLeft extends Data.TaggedError("NobodyLeft")<{ readonly why: string }> {
  override get message(): string {
    return `nobody is left, and pairs are: ${this.why}`
  }
}

/** What came of it. */
export interface Report {
  /** How many pairs the store has confirmed. */
  readonly enqueued: number
  /** How often a sum was told. */
  readonly told: number
  /** The sums, by the numbers of their pairs. */
  readonly sums: ReadonlyMap<number, number>
  /** What could not be read. */
  readonly dead: ReadonlyArray<Job.DeadLetter>
}

interface Options {
  /** Names this run's queues. */
  readonly run: string
  readonly count: number
  readonly workers: number
  /** Whether the last worker is killed while it works. */
  readonly kill: boolean
  readonly say: (line: string) => Effect.Effect<void>
}

/** A producer enqueues pairs and ends. Then workers add them and tell the sums through a second queue, which is read here. */
export const addTogether = <E, R>(crew: Crew<E, R>, { count, kill, run, say, workers }: Options) =>
  Effect.gen(function*() {
    const { pairs, sums } = queuesOf(run)
    const store = yield* JobStore.JobStore
    // Comes last, when all who had claimed something have handed it back.
    yield* Effect.addFinalizer(() =>
      Effect.ignore(Effect.all([
        store.purge(pairs.name, "waiting"),
        store.purge(pairs.name, "dead"),
        store.purge(sums.name, "waiting")
      ]))
    )
    const found = new Map<number, number>()
    let [enqueued, told, why] = [0, 0, "they ended without a word"]
    const complete = yield* Deferred.make<void>()
    // A sum may be told twice: the number of its pair says so.
    yield* sums.process(({ number, sum }) => {
      told++
      if (!found.has(number)) found.set(number, sum)
      return found.size < count ? Effect.void : Effect.asVoid(Deferred.succeed(complete, undefined))
    }, { concurrency: 16, ttl, grace: 0 })

    const dead = yield* Deferred.make<void>()
    const hear = (who: string, end: Effect.Effect<unknown, E>) => (event: Event) => {
      switch (event._tag) {
        case "Enqueued":
          enqueued = event.count
          return say(`${who} has put ${count} pairs into the queue, and garbage among them`)
        case "Began":
          return event.attempt === 1 ? Effect.void : say(`${who} adds pair ${event.number}, which was begun before`)
        case "Frozen":
          return Effect.gen(function*() {
            // It may stand still at both of its pairs.
            if (!(yield* Deferred.succeed(dead, undefined))) return
            yield* say(`${who} ${crew.killed} at pair ${event.number}`)
            yield* end
          })
        case "Failed":
          why = event.message
          return Effect.void
      }
    }
    const employ = (worker: number) =>
      Effect.gen(function*() {
        const isVictim = kill && worker === workers
        // The victim goes first, so that there is something left for it to die at.
        if (kill && !isVictim) yield* Deferred.await(dead)
        const { events, kill: end } = yield* crew.start({ _tag: "Work", run, ...(isVictim ? { freezeAt: 20 } : {}) })
        yield* Stream.runForEach(events, hear(`worker ${worker}`, end))
      }).pipe(Effect.scoped, Effect.ensuring(Deferred.succeed(dead, undefined)))

    yield* Effect.scoped(Effect.gen(function*() {
      const { events, kill: end } = yield* crew.start({ _tag: "Produce", run, count })
      yield* Stream.runForEach(Stream.take(events, 1), hear("the producer", end))
    }))
    if (enqueued === 0) return yield* new NobodyLeft({ why })
    const buried = Effect.repeat(pairs.deadLetters(), {
      until: (letters) => letters.length > 0,
      schedule: Schedule.spaced("50 millis")
    })
    yield* Effect.raceFirst(
      Effect.andThen(Deferred.await(complete), buried),
      Effect.flatMap(
        Effect.forEach(Arr.range(1, workers), employ, { concurrency: "unbounded", discard: true }),
        () => Effect.fail(new NobodyLeft({ why }))
      )
    )
    const report: Report = { enqueued, told, sums: found, dead: yield* pairs.deadLetters() }
    return report
  }).pipe(Effect.scoped)

/** Whether each pair has its sum, and the garbage is kept as it came. */
export const isRight = ({ dead, enqueued, sums }: Report): boolean =>
  enqueued === sums.size &&
  Arr.every(Arr.map(Arr.range(1, enqueued), pairOf), ({ a, b, number }) => sums.get(number) === a + b) &&
  dead.every(({ payload }) => new TextDecoder().decode(payload) === garbage)
