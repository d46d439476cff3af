import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Alarm } from "heddle/coordination"
import type { Lease } from "heddle/coordination"
import { Batcher } from "heddle/flow"
import { type Job, JobBackend } from "heddle/messaging"
import type { Postgres } from "../Postgres.ts"
import { ensureTables } from "./ensureTables.ts"
import { type Call, jobCalls } from "./jobCalls.ts"
import * as Ops from "./jobOps.ts"
import { jobChannel, jobNeeds } from "./jobSql.ts"
import { kvListen } from "./kvListen.ts"
import { escape } from "./kvOps.ts"
import { proved } from "./LeaseWaiters.ts"
import type { Rows } from "./Link.ts"
import { failureOf } from "./unavailable.ts"

export interface StepsOptions {
  readonly schema: string
  /** How often who waits looks again, in case a notification was lost: milliseconds. */
  readonly recheck: number
}

/** For how long claims go on where the last one began, until one begins at the very first job: milliseconds. */
const marked = 100

/** For so long the session that listens outlives who waits: an idle worker waits anew for each job. */
const linger = "10 seconds"

/** The steps of a job store on this connection. */
export const jobSteps = (
  postgres: Postgres["Service"],
  { recheck, schema }: StepsOptions,
  revoked: (held: Pick<JobBackend.Held, "queue" | "id" | "token">) => void
): Effect.Effect<JobBackend.AllSteps, Lease.StoreUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const { now } = new Alarm.Alarm(yield* Clock.Clock, Effect.succeed(Infinity))
    const failure = failureOf(postgres.failure)
    yield* ensureTables(postgres, jobNeeds(schema))

    const { run, work } = yield* jobCalls(postgres, schema, now)
    const call = (...call: Call) => Effect.mapError(run(call, true), failure)
    const working = (...call: Call) => Effect.mapError(work(call), failure)
    const counted = (rows: Rows): number => Number(rows[0]?.[0] ?? 0)
    const lettersOf = ([row = []]: Rows): string => Ops.textOf(row[0])

    // Those of one tick share a statement, and each waits for its commit.
    const enqueuing = yield* Effect.orDie(
      Batcher.makeWeighted<Ops.Enqueueing, ReadonlyArray<boolean>, Lease.StoreUnavailable, never>({
        maxSize: 1000,
        concurrency: 2,
        drainFor: postgres.timeout,
        weight: ({ entries }) =>
          entries.length + entries.reduce((sum, { payload }) => sum + payload.byteLength, 0) / 10_000,
        maxWeight: 1e7,
        run: (calls) =>
          Effect.map(
            Effect.mapError(run(["enqueue", "$1, $2", Ops.enqueueArgs(calls)], false), failure),
            (rows) => {
              const letters = lettersOf(rows)
              let at = 0
              return calls.map(({ entries }) => Exit.succeed(entries.map(() => letters[at++] === "1")))
            }
          )
      })
    )
    const settleAll = (ends: ReadonlyArray<JobBackend.Ending>) =>
      Effect.suspend(() =>
        Effect.map(working("settle", "$1, $2", Ops.settleArgs(ends)), (rows) => {
          const letters = lettersOf(rows)
          return ends.map((_, index) => Ops.settledOf(letters[index] ?? "L"))
        })
      )
    type Endings = ReadonlyArray<JobBackend.Ending>
    type Ended = ReadonlyArray<JobBackend.Settled>
    const settling = yield* Effect.orDie(Batcher.makeWeighted<Endings, Ended, Lease.StoreUnavailable, never>({
      maxSize: 1000,
      concurrency: 2,
      drainFor: postgres.timeout,
      weight: ({ length }) => length,
      maxWeight: 1e7,
      run: (calls) =>
        Effect.map(settleAll(calls.flat()), (ends) => {
          let at = 0
          return calls.map(({ length }) => Exit.succeed(ends.slice(at, at += length)))
        })
    }))
    const submitted = <A>(
      effect: Effect.Effect<A, Lease.StoreUnavailable | Batcher.BatcherClosed | Batcher.TooHeavy>
    ) => Effect.catchTag(effect, ["BatcherClosed", "TooHeavy"], () => Effect.fail(failure(new Error("closed"))))

    const wakes = new Map<string, Set<() => void>>()
    const tells = new Map<string, Set<() => void>>()
    const wakeAll = (of: Map<string, Set<() => void>>) => {
      for (const all of of.values()) for (const wake of all) wake()
    }
    const heard = yield* kvListen(postgres, jobChannel(schema), {
      message: (payload) => {
        const { id, queue } = wordOf(payload)
        const all = id === undefined ? wakes.get(queue) : tells.get(`${queue} ${id}`)
        if (all !== undefined) { for (const wake of all) wake() }
      },
      ready: () => {
        wakeAll(wakes)
        wakeAll(tells)
      }
    }, linger)
    const hearing = (of: Map<string, Set<() => void>>, name: string, wake: () => void) =>
      Effect.acquireRelease(
        Effect.sync(() => void of.set(name, (of.get(name) ?? new Set()).add(wake))),
        () =>
          Effect.sync(() => {
            const all = of.get(name)
            all?.delete(wake)
            if (all?.size === 0) of.delete(name)
          })
      )

    const handBacks = yield* FiberSet.make<unknown>()
    const fork = yield* FiberSet.runtime(handBacks)<never>()
    // Those on their way are waited for before the sessions close.
    yield* Effect.addFinalizer(() => Effect.ignore(Effect.timeout(FiberSet.awaitEmpty(handBacks), postgres.timeout)))
    const handBackUnsafe = (held: ReadonlyArray<JobBackend.Held>) => {
      fork(Effect.ignore(settleAll(held.map((held) => ({ held, settlement: { _tag: "HandedBack" } })))))
    }

    /** Of queues that have plenty: where the last claim began, and when one began at the very first job. */
    const marks = new Map<string, { readonly mark: string; readonly since: number }>()
    const claim = yield* JobBackend.waiting({
      take: (claim) =>
        Effect.suspend(() => {
          const sentAt = now()
          const known = marks.get(claim.queue)
          const { mark: from, since } = known !== undefined && sentAt - known.since < marked
            ? known
            : { mark: Ops.noMark, since: sentAt }
          const params = [claim.queue, claim.max, String(claim.ttl * 1000), escape(claim.owner), from]
          const claimed = working("claim", "$1, $2, $3::text::int8, $4, $5::text::int8[]", params)
          return Effect.map(claimed, (rows) => {
            const { jobs, mark, next } = Ops.takenOf(rows, claim, proved(sentAt, claim.ttl))
            if (jobs.length === claim.max) marks.set(claim.queue, { mark, since })
            else marks.delete(claim.queue)
            return { jobs, next: Math.min(next, recheck) }
          })
        }),
      listen: ({ queue }, wake) => Effect.andThen(hearing(wakes, queue, wake), heard),
      handBackUnsafe,
      timeout: postgres.timeout
    })

    return {
      enqueue: (queue, entries) => submitted(enqueuing.submit({ queue, entries })),
      claim,
      extend: (held) =>
        Effect.suspend(() => {
          const sentAt = now()
          const columns = [
            held.map(({ queue }) => queue),
            held.map(({ id }) => escape(id)),
            held.map(({ token }) => String(token)),
            held.map(({ ttl }) => String(ttl * 1000))
          ]
          return Effect.map(call("extend", "$1, $2, $3::text[]::int8[], $4::text[]::int8[]", columns), (rows) => {
            const there = new Set(rows.map(([at]) => Number(at)))
            return held.map(({ ttl }, index) => there.has(index + 1) ? proved(sentAt, ttl) : undefined)
          })
        }),
      settle: (ends) =>
        Effect.match(submitted(settling.submit(ends)), {
          onFailure: (error): ReadonlyArray<JobBackend.Settled | Lease.StoreUnavailable> => ends.map(() => error),
          onSuccess: (settled) => settled
        }),
      handBackUnsafe,
      deadLetters: (queue, limit) =>
        Effect.map(call("dead", "$1, $2", [queue, limit]), (rows) => rows.map(Ops.letterOf)),
      redrive: (queue, ids) =>
        Effect.map(call("redrive", "$1, $2::text[]", [queue, ids?.map(escape) ?? null]), counted),
      purge: (queue, what) => Effect.map(call("purge", "$1, $2", [queue, what]), counted),
      inspect: (queue, id) =>
        Effect.map(
          call("inspect", "$1, $2", [queue, escape(id)]),
          ([row]) => row === undefined ? undefined : Ops.infoOf(row)
        ),
      stats: (queue) => Effect.map(call("stats", "$1", [queue]), ([row = []]) => Ops.statsOf(row)),
      cancel: (queue, id) =>
        Effect.map(call("cancel", "$1, $2", [queue, escape(id)]), (rows) => {
          const token = counted(rows)
          if (token > 0) revoked({ queue, id, token: BigInt(token) })
          return token >= 0
        }),
      setPaused: (queue, paused) => Effect.asVoid(call("pause", "$1, $2", [queue, paused])),
      report: ({ id, queue, token }, value) =>
        Effect.map(
          call("report", "$1, $2, $3::text::int8, $4", [queue, escape(id), String(token), value]),
          ([row = []]) => row[0] === true
        ),
      follow: (queue, id) =>
        Stream.unwrap(Effect.map(
          Effect.gen(function*() {
            const news = Latch.makeUnsafe(true)
            yield* hearing(tells, `${queue} ${escape(id)}`, () => news.openUnsafe())
            yield* heard
            let last: Uint8Array | undefined
            const looked: Effect.Effect<ReadonlyArray<Job.JobEvent>, Lease.StoreUnavailable> = Effect.suspend(() => {
              news.closeUnsafe()
              return Effect.flatMap(call("follow", "$1, $2", [queue, escape(id)]), ([row]) => {
                const { outcome, progress } = Ops.knownOf(row)
                const events: Array<Job.JobEvent> = []
                if (progress !== undefined && !sameBytes(progress, last)) {
                  events.push({ _tag: "Progress", value: progress })
                }
                last = progress
                if (outcome !== undefined) {
                  events.push({ _tag: "Ended", outcome })
                }
                if (events.length > 0) return Effect.succeed(events)
                return Effect.andThen(Effect.raceFirst(news.await, Effect.sleep(recheck)), looked)
              })
            })
            return looked
          }),
          (looked) => Stream.takeUntil(Stream.fromIterableEffectRepeat(looked), ({ _tag }) => _tag === "Ended")
        ))
    }
  })

const sameBytes = (one: Uint8Array, other: Uint8Array | undefined): boolean =>
  other !== undefined && Buffer.compare(one, other) === 0

/** Reads a notification: a queue that has something to claim, or a job of which there is something to tell. */
const wordOf = (payload: string): { readonly queue: string; readonly id: string | undefined } => {
  const found: unknown = JSON.parse(payload)
  const [kind, queue, id] = Array.isArray(found) ? found : []
  return { queue: String(queue), id: kind === "f" ? String(id) : undefined }
}
