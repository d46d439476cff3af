import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { Alarm, KvOutbox, KvWatches } from "heddle/coordination"
import type { KvBackend, Lease } from "heddle/coordination"
import type { Postgres } from "../Postgres.ts"
import { ensureTables } from "./ensureTables.ts"
import { kvListen } from "./kvListen.ts"
import * as Ops from "./kvOps.ts"
import { kvVersion } from "./kvOpSql.ts"
import { kvNeeds } from "./kvSql.ts"
import { kvChannel } from "./kvStepSql.ts"
import { quoted } from "./leaseSql.ts"
import { proved } from "./LeaseWaiters.ts"
import { codeOf, failureOf, isMissing, isPassing } from "./unavailable.ts"

export interface StepsOptions {
  readonly schema: string
  /** How many revisions to keep for who watches. */
  readonly history: number
  /** How often who watches asks whether a notification was lost, in milliseconds. */
  readonly recheck: number
}

/** The steps of a key-value store on this connection. */
export const kvSteps = (
  postgres: Postgres["Service"],
  { history, recheck, schema }: StepsOptions
): Effect.Effect<KvBackend.Steps, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { timeout } = postgres
    // A session counts as silent when nothing has come for half of the timeout.
    const patience = Math.ceil(timeout / 4)
    const failure = failureOf(postgres.failure)
    const fork = yield* FiberSet.makeRuntime<never, void, never>()

    const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
      yield* Clock.Clock,
      Effect.sync(() => Math.min(outbox.look(), watches.look()))
    )
    const now = () => alarm.now()
    const ring = (instant: number) => alarm.ring(instant)
    const statement = `select * from ${quoted(schema)}.kv_step_${kvVersion}($1, $2, $3, $4, $5)`
    const step = (params: ReadonlyArray<unknown>) =>
      Effect.catchIf(postgres.run(statement, params), isMissing, (error) =>
        // The server has lost all it had: it begins anew, as one that never had anything.
        Effect.matchEffect(ensureTables(postgres, kvNeeds(schema)), {
          onFailure: () => Effect.fail(error),
          onSuccess: () => postgres.run(statement, params)
        }))
    const outbox: KvOutbox.KvOutbox<Ops.Args, Ops.Reply> = new KvOutbox.KvOutbox({
      isUp: postgres.isUp,
      timeout,
      now,
      ring,
      send: (ops, onReplies, onFail) => {
        const sentAt = now()
        fork(Effect.match(step([history, patience, ...Ops.encode(ops)]), {
          onFailure: (error) => onFail(error, fateOf(error)),
          onSuccess: (rows) => {
            const { next, replies } = Ops.decode(rows, ops.length)
            watches.learn(next)
            onReplies(replies, sentAt)
          }
        }))
      }
    })

    const request = <A>(
      args: Ops.Args,
      read: (reply: Ops.Reply, sentAt: number) => A,
      sending?: KvOutbox.Sending
    ): Effect.Effect<A, Lease.StoreUnavailable> => Effect.mapError(outbox.ask(args, read, sending), failure)

    const watches: KvWatches.KvWatches = new KvWatches.KvWatches({
      recheck,
      now,
      ring,
      refusal: (error) => outbox.isClosed() || isFinal(error) ? failure(error) : undefined,
      listen: yield* kvListen(postgres, kvChannel(schema), {
        message: (payload) => watches.hear(Ops.wordOf(payload)),
        ready: () => watches.wake()
      }),
      revision: outbox.ask(Ops.now, Ops.revisionOf),
      since: (target, from, seen) => outbox.ask(Ops.since(target, from, seen), Ops.sinceOf),
      check: (onRevision) => void outbox.send(Ops.now, (reply) => onRevision(Ops.revisionOf(reply)), ignore)
    })

    yield* postgres.onUp(() => {
      outbox.resend()
      watches.wake()
    })
    yield* Effect.forkScoped(alarm.run)
    yield* Effect.addFinalizer(() => outbox.drain)

    return {
      get: (key) => request(Ops.get(key), Ops.entryOf),
      range: (prefix, after, limit) => request(Ops.range(prefix, after, limit), Ops.rangeOf(limit)),
      commit: (commit) => request(Ops.commit(commit), Ops.outcomeOf(commit), { again: false, size: sizeOf(commit) }),
      grant: (ttl) =>
        request(Ops.grant(ttl), (reply, sentAt) => ({ id: Ops.leaseIdOf(reply), ttl, until: proved(sentAt, ttl) })),
      renew: (leases) =>
        request(Ops.renew(leases), (reply, sentAt) => {
          const renewed = Ops.renewedOf(reply)
          return leases.map(({ ttl }, index) => renewed[index] === true ? proved(sentAt, ttl) : undefined)
        }),
      revoke: (id) => request(Ops.revoke(id), ignore),
      revokeUnsafe: (id) => void outbox.send(Ops.revoke(id), ignore, ignore),
      watch: watches.watch
    }
  })

const ignore = () => {}

const sizeOf = ({ writes }: KvBackend.Commit): number =>
  writes.reduce((sum, write) => sum + (write._tag === "Put" ? write.value.byteLength : 0), 0)

/**
 * The server has undone a statement that waited for too long, or was cancelled. Where it ended the session, or the session
 * was lost, nobody knows.
 */
const fateOf = (error: SqlError): KvOutbox.Fate =>
  /^(40001|40P01|55P03|57014)$/.test(codeOf(error)) ? "undone" : isPassing(error) ? "lost" : "refused"

/** Whether a server that answers so will answer so again. A standby may become the primary. */
const isFinal = (error: unknown): boolean => isSqlError(error) && !isPassing(error) && codeOf(error) !== "25006"
