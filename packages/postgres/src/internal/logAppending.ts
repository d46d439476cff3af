import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { SqlError } from "effect/sql/SqlError"
import { Batcher } from "heddle/flow"
import type { LogBackend, LogEntry } from "heddle/messaging"
import type { Rows } from "./Link.ts"
import { isPassing } from "./unavailable.ts"

/** Entries of one call, for one log. */
interface Call {
  readonly log: string
  readonly entries: ReadonlyArray<LogBackend.Appended>
  readonly keep: LogBackend.Kept
}

/** What appending needs of its surroundings. `timeout` is in milliseconds. */
export interface Surroundings {
  readonly run: (params: ReadonlyArray<unknown>) => Effect.Effect<Rows, SqlError>
  readonly channel: string
  readonly isUp: () => boolean
  readonly now: () => number
  readonly timeout: number
  readonly failure: (error: unknown) => LogEntry.StoreUnavailable
}

/** How many bytes travel in one statement, if the first entry has not more. */
const heaviest = 4_000_000

const weightOf = ({ payload }: LogBackend.Appended): number => 200 + payload.byteLength

/**
 * Appends what is asked for in one tick with one statement a log, for transactions that append to a log wait for each other, and all
 * that notify do. Each call waits for its own commit.
 */
export const logAppending = (
  around: Surroundings
): Effect.Effect<LogBackend.Steps["append"], never, Scope.Scope> =>
  Effect.map(
    Effect.orDie(Batcher.makeWeighted<Call, ReadonlyArray<bigint>, LogEntry.StoreUnavailable, never>({
      maxSize: 1000,
      concurrency: 1,
      drainFor: around.timeout,
      weight: ({ entries }) => entries.reduce((sum, entry) => sum + weightOf(entry), 0),
      maxWeight: heaviest,
      run: (calls) => written(around, calls)
    })),
    (batcher) => (log, entries, keep) => {
      const send = (entries: ReadonlyArray<LogBackend.Appended>) =>
        Effect.catchTag(
          batcher.submit({ log, entries, keep }),
          ["BatcherClosed", "TooHeavy"],
          () => Effect.fail(around.failure(new Error("closed")))
        )
      return Effect.map(Effect.forEach(portionsOf(entries), send), (offsets) => offsets.flat())
    }
  )

/** Those of one log and one retention together; each call gets its own offsets. */
const written = (around: Surroundings, calls: ReadonlyArray<Call>) => {
  const groups = Map.groupBy(calls, ({ keep: { age, count }, log }) => `${log} ${count} ${age}`)
  const ends = new Map<Call, Exit.Exit<ReadonlyArray<bigint>, LogEntry.StoreUnavailable>>()
  const write = (group: ReadonlyArray<Call>) =>
    Effect.map(Effect.exit(insert(around, group)), (exit) => {
      let first = Exit.isSuccess(exit) ? exit.value : 0n
      for (const call of group) {
        const offsets = call.entries.map(() => first++)
        ends.set(call, Exit.map(exit, () => offsets))
      }
    })
  return Effect.as(
    Effect.forEach(groups.values(), write, { concurrency: 4, discard: true }),
    calls
  ).pipe(Effect.map((calls) => calls.map((call) => ends.get(call) ?? Exit.succeed([]))))
}

/** Answers the first offset. Waits for a session for as long as a step may take; what was sent is not sent again. */
const insert = (
  { channel, failure, isUp, now, run, timeout }: Surroundings,
  group: ReadonlyArray<Call>
): Effect.Effect<bigint, LogEntry.StoreUnavailable> =>
  Effect.suspend(() => {
    const [call] = group
    const entries = group.flatMap(({ entries }) => entries)
    if (call === undefined) return Effect.succeed(0n)
    const { keep: { age, count }, log } = call
    const params = [
      log,
      String(entries.length),
      entries.map(({ headers }) => JSON.stringify(headers)),
      entries.map(({ payload }) => payload),
      count === Infinity ? null : String(count),
      age === Infinity ? null : String(Math.ceil(age * 1000)),
      channel
    ]
    const end = now() + timeout
    let sent = false
    return Effect.suspend(() => {
      sent = isUp()
      return run(params)
    }).pipe(
      Effect.retry({ while: (error) => isPassing(error) && !sent && now() < end, schedule: Schedule.spaced(20) }),
      Effect.mapBoth({
        onSuccess: (rows) => BigInt(String(rows[0]?.[0])) - BigInt(entries.length) + 1n,
        onFailure: failure
      })
    )
  })

/** In order, each light enough for one statement. */
const portionsOf = (entries: ReadonlyArray<LogBackend.Appended>): ReadonlyArray<ReadonlyArray<LogBackend.Appended>> => {
  const portions: Array<Array<LogBackend.Appended>> = []
  let weight = Infinity
  for (const entry of entries) {
    weight += weightOf(entry)
    if (weight <= heaviest) {
      portions.at(-1)?.push(entry)
      continue
    }
    portions.push([entry])
    weight = weightOf(entry)
  }
  return portions
}
