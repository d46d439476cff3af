import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { Alarm } from "heddle/coordination"
import type { Lease, LeaseBackend } from "heddle/coordination"
import type { Postgres } from "../Postgres.ts"
import { ensureTables } from "./ensureTables.ts"
import { LeaseChanges } from "./leaseChanges.ts"
import * as Ops from "./leaseOps.ts"
import { version } from "./leaseOpSql.ts"
import type { Op } from "./LeaseOutbox.ts"
import { LeaseOutbox } from "./LeaseOutbox.ts"
import { leaseNeeds } from "./leaseSchema.ts"
import { quoted } from "./leaseSql.ts"
import { LeaseSweeps } from "./LeaseSweeps.ts"
import { LeaseWaiters, proved } from "./LeaseWaiters.ts"
import { failureOf, isMissing } from "./unavailable.ts"

export interface StepsOptions {
  readonly schema: string
  readonly owner: string
  /** Milliseconds. */
  readonly heartbeat: number
}

const farewell = "1 second"

/** What of an answer tells that the work is done; what follows is after how many ms the rest can be swept up. */
const done = "D"

/** The steps of a lease store on this connection. */
export const postgresSteps = (postgres: Postgres["Service"], options: StepsOptions) =>
(
  session: string
): Effect.Effect<LeaseBackend.Steps, Lease.StoreUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const { timeout } = postgres
    const { heartbeat, owner, schema } = options
    const patience = 3 * heartbeat
    const failure = failureOf(postgres.failure)
    const fork = yield* FiberSet.makeRuntime<never, void, never>()

    const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
      yield* Clock.Clock,
      Effect.sync(() => Math.min(outbox.look(), waiters.look(), sweeps.look()))
    )
    const now = () => alarm.now()
    const ring = (instant: number) => alarm.ring(instant)
    const statement = `select ${quoted(schema)}.lease_step_${version}($1, $2, $3, $4, $5, $6, $7, $8, $9)`
    const header = [session, Ops.escape(owner), BigInt(patience * 1000)]
    const step = (params: ReadonlyArray<unknown>) =>
      Effect.catchIf(postgres.run(statement, params), isMissing, (error) =>
        // The server has lost all it had: it begins anew, as one that never had anything.
        Effect.matchEffect(ensureTables(postgres, leaseNeeds(schema)), {
          onFailure: () => Effect.fail(error),
          onSuccess: () => postgres.run(statement, params)
        }))
    const outbox: LeaseOutbox = new LeaseOutbox({
      isUp: postgres.isUp,
      now,
      ring,
      send: (ops, onReply, onFail) =>
        void fork(Effect.match(step([...header, ...Ops.encode(ops)]), {
          onFailure: onFail,
          // The last line ends, too.
          onSuccess: ([row]) => onReply(String(row?.[0]).slice(0, -1).split("\n"))
        })),
      onPush: (line) => push(line)
    })
    const waiters: LeaseWaiters = new LeaseWaiters({
      outbox,
      keyOf: Ops.keyOf,
      owner,
      timeout,
      heartbeat,
      patience,
      now,
      ring,
      failure
    })
    const sweeps = new LeaseSweeps({
      now,
      ring,
      sweep: () => void fork(Effect.ignore(postgres.run(`select ${quoted(schema)}.lease_sweep_${version}()`)))
    })

    const send = (
      resource: string,
      args: Ops.Args,
      onReply: Op["onReply"],
      onFail: Op["onFail"]
    ): Effect.Effect<void> => {
      const op: Op = {
        key: Ops.keyOf(resource),
        args,
        until: now() + timeout,
        insist: false,
        attempts: 0,
        onReply,
        onFail
      }
      outbox.add(op)
      return Effect.sync(() => {
        op.until = -Infinity
      })
    }

    /** One operation, and its reply. */
    const request = (resource: string, args: Ops.Args): Effect.Effect<string, Lease.StoreUnavailable> =>
      Effect.callback((resume) =>
        send(
          resource,
          args,
          (reply) => resume(Effect.succeed(reply)),
          (error) => resume(Effect.fail(failure(error)))
        )
      )

    const renew: LeaseBackend.Steps["renew"] = (claims) =>
      Effect.callback((resume) => {
        const untils: Array<number | undefined> = []
        let left = claims.length
        claims.forEach((claim, index) =>
          send(
            claim.resource,
            Ops.renew(claim, waiters.tokens.get(claim.id) ?? 0n),
            (reply, sentAt) => {
              untils[index] = reply === done ? proved(sentAt, claim.ttl) : undefined
              if (--left === 0) resume(Effect.succeed(untils))
            },
            (error) => resume(Effect.fail(failure(error)))
          )
        )
      })

    /** Sent until it is answered, for as long as the lease may last. */
    const insist = (key: string, args: Ops.Args, ttl: number, onReply: () => void, onFail: Op["onFail"]) =>
      outbox.add({
        key,
        args,
        until: now() + ttl,
        insist: true,
        attempts: 0,
        onReply: (reply) => {
          if (reply.length > done.length) sweeps.after(Number(reply.slice(done.length)))
          onReply()
        },
        onFail
      })
    const sendRelease = (claim: LeaseBackend.Claim, remember: number, onReply: () => void, onFail: Op["onFail"]) => {
      waiters.tokens.delete(claim.id)
      insist(Ops.keyOf(claim.resource), Ops.release(claim, remember), claim.ttl, onReply, onFail)
    }
    const ignore = () => {}

    const look = (resource: string, args: Ops.Args) => Effect.map(request(resource, args), Ops.looked)
    const observers = new LeaseChanges({
      look: (resource, watch) => look(resource, watch ? Ops.watch : Ops.inspect),
      leave: (resource) => insist(Ops.keyOf(resource), Ops.unwatch, patience, ignore, ignore),
      heartbeat,
      now
    })
    const push = (line: string) => line[0] === "C" ? observers.wake(line.slice(1)) : waiters.push(line.slice(1))

    yield* postgres.onUp(() => {
      outbox.resend()
      waiters.beat()
      observers.wakeAll()
    })
    const told = yield* postgres.listen(`heddle_lease_${session}`, {
      message: push,
      ready: () => {
        waiters.beat()
        observers.wakeAll()
      }
    })
    if (!told) yield* Effect.logWarning(unheard)
    yield* Effect.forkScoped(alarm.run)
    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        outbox.onIdle = () => resume(Effect.void)
        if (outbox.isIdle()) resume(Effect.void)
      }).pipe(Effect.timeoutOption(farewell), Effect.andThen(Effect.sync(() => outbox.close())))
    )

    return {
      ask: waiters.ask,
      renew,
      release: (claim) =>
        Effect.callback<void, Lease.StoreUnavailable>((resume) =>
          sendRelease(claim, 0, () => resume(Effect.void), (error) => resume(Effect.fail(failure(error))))
        ).pipe(
          Effect.timeoutOrElse({
            duration: timeout,
            orElse: () => Effect.fail(failure(new Error("the release timed out")))
          })
        ),
      releaseUnsafe: (claim) => sendRelease(claim, 0, ignore, ignore),
      abandonUnsafe: (claim) => {
        const remember = waiters.forget(claim)
        if (remember !== undefined) sendRelease(claim, remember, ignore, ignore)
      },
      update: (claim, change) =>
        Effect.map(request(claim.resource, Ops.update(claim, change)), (reply) => reply === done),
      resize: (resource, limit) => Effect.asVoid(request(resource, Ops.resize(limit))),
      inspect: (resource) => Effect.map(look(resource, Ops.inspect), ({ inspection }) => inspection),
      changes: observers.changes
    }
  })

const unheard =
  "a pooler of transactions is in front of PostgreSQL: who waits for a lease looks again once a heartbeat; "
  + "give the layer a directUrl, and it will be told at once"
