import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Alarm } from "heddle/coordination"
import type { Lease, LeaseBackend } from "heddle/coordination"
import { Cluster } from "ioredis"
import type { Redis } from "../Redis.ts"
import { leaseChanges } from "./leaseChanges.ts"
import { leaseInboxes } from "./leaseInboxes.ts"
import { leaseKeys } from "./leaseKeys.ts"
import type { Op } from "./LeaseOutbox.ts"
import { LeaseOutbox } from "./LeaseOutbox.ts"
import * as Script from "./leaseScript.ts"
import { LeaseWaiters, proved } from "./LeaseWaiters.ts"
import { listen } from "./listen.ts"
import { Masters, shortestFailover } from "./Masters.ts"
import { slotOf } from "./slots.ts"
import { unavailable } from "./unavailable.ts"

export interface StepsOptions {
  readonly prefix: string
  readonly owner: string
  /** Milliseconds. */
  readonly heartbeat: number
  readonly timeout: number
}

const farewell = "1 second"

/** The steps of a lease store on these connections. */
export const redisSteps = (redis: Redis["Service"], options: StepsOptions) =>
(
  session: string
): Effect.Effect<LeaseBackend.Steps, Lease.StoreUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const { address, commands, subscriber } = redis
    const { heartbeat, owner, timeout } = options
    const keys = leaseKeys(options.prefix)
    const patience = 3 * heartbeat
    const failure = (error: unknown) => unavailable(address, error)
    const keyOf = keys.resource

    const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
      yield* Clock.Clock,
      Effect.sync(() => Math.min(outbox.look(), waiters.look()))
    )
    const now = () => alarm.now()
    const ring = (instant: number) => alarm.ring(instant)
    const outbox: LeaseOutbox = new LeaseOutbox({
      commands,
      script: subscriber.sharded ? Script.shardedLeaseScript : Script.leaseScript,
      headerOf: (key) => ({ session, inbox: inboxes.channelOf(key), patience, owner }),
      shards: commands instanceof Cluster ? { slotOf, masters: new Masters(commands, now) } : undefined,
      now,
      ring,
      onPush: (line) => waiters.push(line)
    })
    const waiters: LeaseWaiters = new LeaseWaiters({
      outbox,
      keyOf,
      owner,
      timeout,
      heartbeat,
      patience,
      now,
      ring,
      heardSince: (key) => inboxes.since(key),
      trustFor: subscriber.sharded ? shortestFailover : Infinity,
      onBeat: (keys) => {
        inboxes.keep(keys)
        // A silent connection for publications is noticed, and replaced, by a question that it does not answer.
        subscriber.ping()
      },
      failure
    })
    const inboxes = yield* leaseInboxes({
      subscriber,
      session,
      keys,
      now,
      failure,
      onPush: (line) => waiters.push(line),
      onGap: (concerned) => waiters.recheck(concerned)
    })

    const send = (
      resource: string,
      args: Script.Args,
      onReply: Op["onReply"],
      onFail: Op["onFail"]
    ): Effect.Effect<void> => {
      const until = now() + timeout
      const op: Op = { key: keyOf(resource), args, until, insist: false, attempts: 0, onReply, onFail }
      outbox.add(op)
      return Effect.sync(() => {
        op.until = -Infinity
      })
    }

    /** One operation, and its reply. */
    const request = (resource: string, args: Script.Args): Effect.Effect<string, Lease.StoreUnavailable> =>
      Effect.callback((resume) =>
        send(
          resource,
          args,
          (reply) => resume(reply[0] === "E" ? Effect.fail(failure(reply.slice(1))) : Effect.succeed(reply)),
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
            Script.renew(claim),
            (reply, sentAt) => {
              // One lease that could not be renewed says nothing of the others: it is not longer alive than it was.
              untils[index] = reply === "D" ? proved(sentAt, claim.ttl) : reply === "L" ? undefined : -Infinity
              if (--left === 0) resume(Effect.succeed(untils))
            },
            (error) => resume(Effect.fail(failure(error)))
          )
        )
      })

    const sendRelease = (claim: LeaseBackend.Claim, remember: number, onReply: () => void, onFail: Op["onFail"]) =>
      outbox.add({
        key: keyOf(claim.resource),
        args: Script.release(claim, remember),
        until: now() + claim.ttl,
        insist: true,
        attempts: 0,
        onReply: (reply) => reply[0] === "E" ? onFail(reply.slice(1)) : onReply(),
        onFail
      }, waiters.hasWaited(claim))
    const ignore = () => {}

    const look = (resource: string) => Effect.map(request(resource, Script.inspect), Script.looked)
    const changes = yield* leaseChanges({
      commands,
      subscriber,
      failure,
      channelOf: (resource) => keys.changes(keyOf(resource)),
      look
    })

    yield* listen(commands, "ready", () => {
      outbox.resend()
      waiters.beat()
    })
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
      ...(subscriber.sharded ? { placeOf: ({ resource }) => slotOf(keyOf(resource)) } : {}),
      release: (claim) =>
        Effect.callback<void, Lease.StoreUnavailable>((resume) =>
          sendRelease(claim, 0, () => resume(Effect.void), (error) => resume(Effect.fail(failure(error))))
        ).pipe(
          Effect.timeoutOrElse({ duration: timeout, orElse: () => Effect.fail(failure("the release timed out")) })
        ),
      releaseUnsafe: (claim) => sendRelease(claim, 0, ignore, ignore),
      abandonUnsafe: (claim) => {
        const remember = waiters.forget(claim)
        if (remember !== undefined) sendRelease(claim, remember, ignore, ignore)
      },
      update: (claim, change) =>
        Effect.map(request(claim.resource, Script.update(claim, change)), (reply) => reply === "D"),
      resize: (resource, limit) => Effect.asVoid(request(resource, Script.resize(limit))),
      inspect: (resource) => Effect.map(look(resource), ({ inspection }) => inspection),
      changes
    }
  })
