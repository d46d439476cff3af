import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Alarm } from "heddle/coordination"
import type { KvBackend, Lease } from "heddle/coordination"
import type { Redis } from "../Redis.ts"
import type { Op } from "./KvOutbox.ts"
import { KvOutbox } from "./KvOutbox.ts"
import * as Script from "./kvScript.ts"
import { KvWatches } from "./KvWatches.ts"
import { escape } from "./leaseKeys.ts"
import { proved } from "./LeaseWaiters.ts"
import { listen } from "./listen.ts"
import { unavailable } from "./unavailable.ts"

export interface StepsOptions {
  readonly prefix: string
  /** How many revisions to keep for who watches. */
  readonly history: number
  /** Milliseconds. */
  readonly timeout: number
  readonly recheck: number
}

const farewell = "1 second"

/** All keys of a store hash to one slot. */
export const kvKeys = (prefix: string) => {
  const store = `${escape(prefix)}:kv`
  const start = `${store}:{${store}}`
  const names = ["meta", "entries", "keys", "leases", "bound", "log"]
  return { keys: names.map((name) => `${start}:${name}`), channel: `${start}:news` }
}

/** The steps of a key-value store on these connections. */
export const kvSteps = (
  { commands, subscriber }: Redis["Service"],
  options: StepsOptions
): Effect.Effect<KvBackend.Steps, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { history, recheck, timeout } = options
    const { channel, keys } = kvKeys(options.prefix)
    const failure = (error: unknown) => unavailable(commands, error)

    const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
      yield* Clock.Clock,
      Effect.sync(() => Math.min(outbox.look(), watches.look()))
    )
    const now = () => alarm.now()
    const ring = (instant: number) => alarm.ring(instant)
    const outbox: KvOutbox = new KvOutbox({
      commands,
      script: Script.kvScript,
      keys,
      header: [history, channel],
      now,
      ring,
      onNext: (next) => watches.learn(next)
    })

    const send = (args: Script.Args, onReply: Op["onReply"], onFail: Op["onFail"], again = true, size = 0): Op => {
      const op: Op = { args, size, again, until: now() + timeout, onReply, onFail }
      outbox.add(op)
      return op
    }

    /** One operation, what became of it, and when it was sent. */
    const ask = <A>(
      args: Script.Args,
      read: (reply: Script.Reply, sentAt: number) => A,
      again?: boolean,
      size?: number
    ): Effect.Effect<A, unknown> =>
      Effect.callback((resume) => {
        const onReply: Op["onReply"] = (reply, sentAt) => resume(Effect.sync(() => read(reply, sentAt)))
        const op = send(args, onReply, (error) => resume(Effect.fail(error)), again, size)
        return Effect.sync(() => {
          op.until = -Infinity
        })
      })

    const request: <A>(...of: Parameters<typeof ask<A>>) => Effect.Effect<A, Lease.StoreUnavailable> = (...of) =>
      Effect.mapError(ask(...of), failure)

    const watches: KvWatches = new KvWatches({
      subscriber,
      channel,
      recheck,
      now,
      ring,
      ask: (args) => ask(args, (reply) => reply),
      askUnsafe: (args, onReply) => void send(args, onReply, ignore),
      refusal: (error) => outbox.isClosed() || isFinal(error) ? failure(error) : undefined
    })

    yield* listen(subscriber, "message", (from = "", message = "") => {
      if (from === channel) watches.hear(message)
    })
    yield* listen(subscriber, "ready", watches.listen)
    yield* listen(commands, "ready", () => {
      outbox.resend()
      watches.wake()
    })
    yield* Effect.forkScoped(alarm.run)
    yield* Effect.addFinalizer(() =>
      Effect.callback<void>((resume) => {
        outbox.onIdle = () => resume(Effect.void)
        if (outbox.isIdle()) resume(Effect.void)
      }).pipe(Effect.timeoutOption(farewell), Effect.andThen(Effect.sync(() => outbox.close())))
    )

    return {
      get: (key) => request(Script.get(key), (reply) => Script.entryOf(key, reply)),
      range: (prefix, after, limit) => request(Script.range(prefix, after, limit), Script.rangeOf),
      commit: (commit) =>
        request(Script.commit(commit), (reply) => Script.outcomeOf(commit, reply), false, sizeOf(commit)),
      grant: (ttl) =>
        request(Script.grant(ttl), (id, sentAt) => ({ id: Script.textOf(id), ttl, until: proved(sentAt, ttl) })),
      renew: (leases) =>
        request(Script.renew(leases), (reply, sentAt) => {
          const renewed = Script.renewedOf(reply)
          return leases.map(({ ttl }, index) => renewed[index] === true ? proved(sentAt, ttl) : undefined)
        }),
      revoke: (id) => request(Script.revoke(id), ignore),
      revokeUnsafe: (id) => void send(Script.revoke(id), ignore, ignore),
      watch: watches.watch
    }
  })

const ignore = () => {}

const sizeOf = ({ writes }: KvBackend.Commit): number =>
  writes.reduce((sum, write) => sum + (write._tag === "Put" ? write.value.byteLength : 0), 0)

/** Whether a server that answers so will answer so again. */
const isFinal = (error: unknown): boolean =>
  error instanceof Error && error.name === "ReplyError" && !/^(LOADING|BUSY|READONLY|MASTERDOWN)/.test(error.message)
