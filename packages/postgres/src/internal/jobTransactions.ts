import * as Effect from "effect/Effect"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Lease } from "heddle/coordination"
import { JobBackend } from "heddle/messaging"
import * as Ops from "./jobOps.ts"
import { jobVersion } from "./jobSql.ts"
import { quoted } from "./leaseSql.ts"

interface Options {
  readonly schema: string
  readonly failure: (error: SqlError) => Lease.StoreUnavailable
}

/** The same steps, but for what is added or ended inside of a transaction of this client: that is done on its connection. */
export const joinTransactions = (
  steps: JobBackend.AllSteps,
  sql: SqlClient,
  { failure, schema }: Options
): JobBackend.AllSteps => {
  const call = (name: "enqueue" | "settle", words: ReadonlyArray<string>, blobs: ReadonlyArray<Uint8Array>) =>
    Effect.map(
      Effect.mapError(
        sql.unsafe(`select ${quoted(schema)}.job_${name}_${jobVersion}($1, $2)`, [words, blobs]).values,
        failure
      ),
      ([row]) => Ops.textOf(row?.[0])
    )
  const joined = <A, E>(alone: Effect.Effect<A, E>, within: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.flatMap(Effect.serviceOption(sql.transactionService), ({ _tag }) => _tag === "None" ? alone : within)
  return {
    ...steps,
    enqueue: (queue, entries) =>
      joined(
        steps.enqueue(queue, entries),
        Effect.suspend(() => {
          const [words, blobs] = Ops.enqueueArgs([{ queue, entries }])
          return Effect.map(call("enqueue", words, blobs), (letters) => entries.map((_, at) => letters[at] === "1"))
        })
      ),
    settle: (ends) =>
      joined(
        steps.settle(ends),
        JobBackend.settleEach((held, settlement) => {
          const [words, blobs] = Ops.settleArgs([{ held, settlement }])
          return Effect.map(call("settle", words, blobs), (letter) => Ops.settledOf(letter))
        })(ends)
      )
  }
}
