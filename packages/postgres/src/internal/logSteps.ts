import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isSqlError } from "effect/sql/SqlError"
import { Alarm } from "heddle/coordination"
import type { LogBackend, LogEntry } from "heddle/messaging"
import { LogTail } from "heddle/messaging"
import type { Postgres } from "../Postgres.ts"
import { ensureTables } from "./ensureTables.ts"
import { kvListen } from "./kvListen.ts"
import type { Rows } from "./Link.ts"
import { logAppending } from "./logAppending.ts"
import { logChannel, logNeeds, logStatements } from "./logSql.ts"
import { codeOf, failureOf, isMissing, isPassing } from "./unavailable.ts"

/** The steps of a store of logs. `recheck`: how often who reads looks whether a notification was lost, in milliseconds. */
export const logSteps = (
  postgres: Postgres["Service"],
  schema: string,
  recheck: number
): Effect.Effect<LogBackend.Steps, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { now } = new Alarm.Alarm(yield* Clock.Clock, Effect.succeed(Infinity))
    const failure = failureOf(postgres.failure)
    const channel = logChannel(schema)
    const sql = logStatements(schema)
    const run = (statement: string, params: ReadonlyArray<unknown>) =>
      Effect.catchIf(postgres.run(statement, params), isMissing, (error) =>
        // The server has lost all it had: it begins anew, as one that never had anything.
        Effect.matchEffect(ensureTables(postgres, logNeeds(schema)), {
          onFailure: () => Effect.fail(error),
          onSuccess: () => postgres.run(statement, params)
        }))
    const ask = <A>(statement: string, params: ReadonlyArray<unknown>, read: (rows: Rows) => A) =>
      Effect.mapBoth(run(statement, params), { onSuccess: read, onFailure: failure })

    const readers = new Map<string, Set<() => void>>()
    const wake = (log: string) => readers.get(log)?.forEach((one) => one())
    const listening = yield* kvListen(postgres, channel, {
      message: wake,
      ready: () => {
        for (const log of readers.keys()) wake(log)
      }
    })

    return {
      append: yield* logAppending({
        run: (params) => run(sql.append, params),
        channel,
        isUp: postgres.isUp,
        now,
        timeout: postgres.timeout,
        failure
      }),
      place: (log, from) => {
        const at = ([row = []]: Rows) => ({ offset: numberOf(row[0]) ?? 1n, since: numberOf(row[1]) ?? 1n })
        if (typeof from === "string") return ask(sql[from], [log], at)
        return "last" in from
          ? ask(sql.last, [log, String(from.last)], at)
          : ask(sql.time, [log, String(Math.min(Math.ceil(from.time * 1000), Number.MAX_SAFE_INTEGER))], at)
      },
      tail: LogTail.tail({
        recheck,
        refusal: (error) =>
          isSqlError(error) && !isPassing(error) && codeOf(error) !== "25006" ? failure(error) : undefined,
        listen: (log, wake) =>
          Effect.andThen(
            Effect.acquireRelease(
              Effect.sync(() => void setOf(readers, log).add(wake)),
              () =>
                Effect.sync(() => {
                  const known = readers.get(log)
                  known?.delete(wake)
                  if (known?.size === 0) readers.delete(log)
                })
            ),
            listening
          ),
        page: (log, from) => Effect.map(run(sql.page, [log, int8(from)]), pageOf(from))
      }),
      attach: (log, consumer) =>
        ask(sql.attach, [log, consumer], ([row = []]) => ({
          token: numberOf(row[0]) ?? 0n,
          position: numberOf(row[1])
        })),
      commit: (log, consumer, token, offset) =>
        ask(sql.commit, [log, consumer, int8(token), int8(offset)], (rows) => rows.length > 0),
      position: (log, consumer) => ask(sql.position, [log, consumer], ([row = []]) => numberOf(row[0]))
    }
  })

const setOf = (readers: Map<string, Set<() => void>>, log: string): Set<() => void> => {
  const known = readers.get(log) ?? new Set()
  readers.set(log, known)
  return known
}

const greatest = 2n ** 63n - 1n

/** As the server takes it. No offset is greater. */
const int8 = (number: bigint): string => String(number < greatest ? number : greatest)

const numberOf = (value: unknown): bigint | undefined =>
  typeof value === "bigint" || typeof value === "number" || typeof value === "string" ? BigInt(value) : undefined

/** What is kept begins behind what was trimmed. */
const pageOf = (from: bigint) => (rows: Rows): LogTail.Page => {
  const entries = rows.flatMap(entryOf)
  const trimmed = numberOf(rows[0]?.[0]) ?? 0n
  return from <= trimmed
    ? { _tag: "Gone", oldest: entries[0]?.offset ?? trimmed + 1n }
    : { _tag: "Found", entries }
}

const entryOf = ([, place, headers, payload]: ReadonlyArray<unknown>): ReadonlyArray<LogEntry.Entry> => {
  const offset = numberOf(place)
  if (offset === undefined || typeof headers !== "string" || !(payload instanceof Uint8Array)) return []
  // Copied: a part of the answer would keep all of it.
  return [{ offset, time: Number(offset / 1000n), payload: payload.slice(), headers: JSON.parse(headers) }]
}
