import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Alarm, KvOutbox, KvWatches } from "heddle/coordination"
import type { KvBackend, Lease } from "heddle/coordination"
import type { Redis } from "../Redis.ts"
import { kvListen } from "./kvListen.ts"
import * as Script from "./kvScript.ts"
import { escape } from "./leaseKeys.ts"
import { proved } from "./LeaseWaiters.ts"
import { listen } from "./listen.ts"
import { isReply, isTorn, isUnsent, passes } from "./passes.ts"
import { unavailable } from "./unavailable.ts"

export interface StepsOptions {
  readonly prefix: string
  /** How many revisions to keep for who watches. */
  readonly history: number
  /** Milliseconds. */
  readonly timeout: number
  readonly recheck: number
}

/** All keys of a store hash to one slot. */
export const kvKeys = (prefix: string) => {
  const store = `${escape(prefix)}:kv`
  const start = `${store}:{${store}}`
  const names = ["meta", "entries", "keys", "leases", "bound", "log"]
  return { keys: names.map((name) => `${start}:${name}`), channel: `${start}:news` }
}

/** The steps of a key-value store on these connections. */
export const kvSteps = (
  { address, commands, subscriber }: Redis["Service"],
  options: StepsOptions
): Effect.Effect<KvBackend.Steps, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { history, recheck, timeout } = options
    const { channel, keys } = kvKeys(options.prefix)
    const script = subscriber.sharded ? Script.shardedKvScript : Script.kvScript
    const failure = (error: unknown) => unavailable(address, error)

    const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
      yield* Clock.Clock,
      Effect.sync(() => Math.min(outbox.look(), watches.look()))
    )
    const now = () => alarm.now()
    const ring = (instant: number) => alarm.ring(instant)
    const outbox: KvOutbox.KvOutbox<Script.Args, Script.Reply> = new KvOutbox.KvOutbox({
      isUp: () => commands.status === "ready",
      timeout,
      now,
      ring,
      send: (ops, onReplies, onFail) => {
        const rest: Array<string | number | Buffer> = [keys.length, ...keys, history, channel]
        for (const { args } of ops) for (const arg of args) rest.push(arg)
        const call = (command: "evalsha" | "eval", what: string): void => {
          const sentAt = now()
          commands.callBuffer(command, [what, ...rest]).then(
            (reply) => {
              const [soonest, answers] = reply as readonly [Buffer, ReadonlyArray<Script.Reply>]
              watches.learn(Number(soonest))
              onReplies(answers, sentAt)
            },
            (error: unknown) =>
              command === "evalsha" && error instanceof Error && error.message.startsWith("NOSCRIPT")
                ? call("eval", script.lua)
                : onFail(error, fateOf(error))
          )
        }
        call("evalsha", script.sha)
      }
    })

    const request = <A>(
      args: Script.Args,
      read: (reply: Script.Reply, sentAt: number) => A,
      sending?: KvOutbox.Sending
    ): Effect.Effect<A, Lease.StoreUnavailable> => Effect.mapError(outbox.ask(args, read, sending), failure)

    const refusal = (error: unknown) => outbox.isClosed() || isFinal(error) ? failure(error) : undefined
    const watches: KvWatches.KvWatches = new KvWatches.KvWatches({
      recheck,
      now,
      ring,
      refusal,
      listen: kvListen({
        subscriber,
        channel,
        refusal,
        hearer: { onMessage: (message) => watches.hear(Script.wordOf(message)), onAgain: () => watches.wake() }
      }),
      revision: outbox.ask(Script.now, Script.revisionOf),
      since: (target, from, seen) => outbox.ask(Script.since(target, from, seen), Script.sinceOf),
      check: (onRevision) => {
        outbox.send(Script.now, (reply) => onRevision(Script.revisionOf(reply)), ignore)
        // A silent connection for publications is noticed, and replaced, by a question that it does not answer.
        subscriber.ping()
      }
    })

    yield* listen(commands, "ready", () => {
      outbox.resend()
      watches.wake()
    })
    yield* Effect.forkScoped(alarm.run)
    yield* Effect.addFinalizer(() => outbox.drain)

    return {
      get: (key) => request(Script.get(key), (reply) => Script.entryOf(key, reply)),
      range: (prefix, after, limit) => request(Script.range(prefix, after, limit), Script.rangeOf),
      commit: (commit) =>
        request(Script.commit(commit), (reply) => Script.outcomeOf(commit, reply), {
          again: false,
          size: sizeOf(commit)
        }),
      grant: (ttl) =>
        request(Script.grant(ttl), (id, sentAt) => ({ id: Script.textOf(id), ttl, until: proved(sentAt, ttl) })),
      renew: (leases) =>
        request(Script.renew(leases), (reply, sentAt) => {
          const renewed = Script.renewedOf(reply)
          return leases.map(({ ttl }, index) => renewed[index] === true ? proved(sentAt, ttl) : undefined)
        }),
      revoke: (id) => request(Script.revoke(id), ignore),
      revokeUnsafe: (id) => void outbox.send(Script.revoke(id), ignore, ignore),
      watch: watches.watch
    }
  })

const ignore = () => {}

const sizeOf = ({ writes }: KvBackend.Commit): number =>
  writes.reduce((sum, write) => sum + (write._tag === "Put" ? write.value.byteLength : 0), 0)

const fateOf = (error: unknown): KvOutbox.Fate =>
  isFinal(error) ? "refused" : isReply(error) || isUnsent(error) || isTorn(error) ? "undone" : "lost"

/** Whether a server that answers so will answer so again. */
const isFinal = (error: unknown): boolean => isReply(error) && !passes(error.message)
