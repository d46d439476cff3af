import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Alarm, KvOutbox } from "heddle/coordination"
import type { Lease } from "heddle/coordination"
import { type Job, JobBackend } from "heddle/messaging"
import type { Redis } from "../Redis.ts"
import { jobClaims } from "./jobClaims.ts"
import { recheck } from "./jobLua.ts"
import { JobNews } from "./jobNews.ts"
import * as Script from "./jobScript.ts"
import type { Args, Reply } from "./kvScript.ts"
import { escape } from "./leaseKeys.ts"
import { proved } from "./LeaseWaiters.ts"
import { listen } from "./listen.ts"
import { pack, unpack } from "./msgpack.ts"
import { isReply, isUnsent, passes } from "./passes.ts"
import { unavailable } from "./unavailable.ts"

export interface StepsOptions {
  readonly prefix: string
  /** Milliseconds. */
  readonly timeout: number
}

const names = [
  "meta",
  "jobs",
  "payloads",
  "ready",
  "delayed",
  "claimed",
  "dead",
  "ended",
  "lines",
  "plain",
  "batches",
  "waiting"
]

/** All keys of a queue hash to one slot, and so do its channels. */
export const jobKeys = (prefix: string, queue: string) => {
  const start = `${escape(prefix)}:jobs:{${queue}}`
  return { start, keys: names.map((name) => `${start}:${name}`) }
}

type Outbox = KvOutbox.KvOutbox<Args, Reply>

/** The steps of a job store on these connections: the operations of a queue in one tick travel in one call. */
export const jobSteps = (
  { address, commands, subscriber }: Redis["Service"],
  options: StepsOptions,
  revoked: (held: Pick<JobBackend.Held, "queue" | "id" | "token">) => void
): Effect.Effect<JobBackend.AllSteps, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { prefix, timeout } = options
    const script = subscriber.sharded ? Script.shardedJobScript : Script.jobScript
    const failure = (error: unknown) => unavailable(address, error)
    const outboxes = new Map<string, Outbox>()

    const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
      yield* Clock.Clock,
      Effect.sync(() => {
        let next = Infinity
        for (const outbox of outboxes.values()) next = Math.min(next, outbox.look())
        return Math.min(next, news.look())
      })
    )
    const now = () => alarm.now()
    const news = new JobNews(subscriber, now, (instant) => alarm.ring(instant))

    const outboxOf = (queue: string): Outbox => {
      const known = outboxes.get(queue)
      if (known !== undefined) return known
      const { keys, start } = jobKeys(prefix, queue)
      const head = [keys.length, ...keys, start, JobBackend.level]
      const made: Outbox = new KvOutbox.KvOutbox({
        isUp: () => commands.status === "ready",
        timeout,
        now,
        ring: (instant) => alarm.ring(instant),
        send: (ops, onReplies, onFail) => {
          const rest = [...head, pack(ops.map(({ args }) => args))]
          const call = (command: "evalsha" | "eval", what: string): void => {
            const sentAt = now()
            commands.callBuffer(command, [what, ...rest]).then(
              (reply) => onReplies(Script.listOf(unpack(reply as Buffer)), sentAt),
              (error: unknown) =>
                command === "evalsha" && error instanceof Error && error.message.startsWith("NOSCRIPT")
                  ? call("eval", script.lua)
                  : onFail(error, fateOf(error))
            )
          }
          call("evalsha", script.sha)
        }
      })
      outboxes.set(queue, made)
      return made
    }

    const request = <A>(
      queue: string,
      args: Args,
      read: (reply: Reply, sentAt: number) => A,
      sending?: KvOutbox.Sending
    ): Effect.Effect<A, Lease.StoreUnavailable> =>
      Effect.suspend(() => Effect.mapError(outboxOf(queue).ask(args, read, sending), failure))

    /** Calls `wake` at each message, and when it may have missed one, until the scope closes. */
    const hear = (channel: string, wake: () => void): Effect.Effect<void, never, Scope.Scope> => {
      const hearer = { onMessage: wake, onAgain: wake }
      return Effect.andThen(
        Effect.addFinalizer(() => Effect.sync(() => subscriber.leave(channel, hearer))),
        // Without a connection it is heard once there is one, and `onAgain` tells so.
        Effect.ignore(Effect.tryPromise(() => subscriber.join(channel, hearer, false)))
      )
    }

    const handBackUnsafe = (held: ReadonlyArray<JobBackend.Held>) => {
      for (const [queue, those] of Map.groupBy(held, ({ queue }) => queue)) {
        const ends = those.map((held) => ({ held, settlement: { _tag: "HandedBack" } }) as const)
        outboxOf(queue).send(Script.settle(ends), ignore, ignore)
      }
    }

    const extend: JobBackend.Steps["extend"] = (held) =>
      Effect.map(
        Effect.forEach([...Map.groupBy(held, ({ queue }) => queue)], ([queue, those]) =>
          // A queue that could not be reached says nothing of the others: its claims are not longer alive than they were.
          request(queue, Script.extend(those), (reply, sentAt) => {
            const known = Script.flagsOf(reply)
            return those.map((one, index) =>
              [one, known[index] === true ? proved(sentAt, one.ttl) : undefined] as const
            )
          }).pipe(Effect.orElseSucceed(() => those.map((one) => [one, -Infinity] as const))), {
          concurrency: "unbounded"
        }),
        (all) => {
          const untils = new Map<JobBackend.Held, number | undefined>(all.flat())
          return held.map((one) => untils.get(one))
        }
      )

    const settle: JobBackend.Steps["settle"] = (ends) =>
      Effect.map(
        Effect.forEach(
          groupsOf(ends),
          (group) =>
            Effect.match(request(group.queue, Script.settle(group.ends), Script.settledOf, { size: group.size }), {
              onFailure: (error) => group.ends.map((end) => [end, error] as const),
              onSuccess: (all) => group.ends.map((end, at) => [end, all[at] ?? "Lost"] as const)
            }),
          { concurrency: "unbounded" }
        ),
        (groups) => {
          const [only] = groups
          if (groups.length === 1 && only !== undefined) return only.map(([, settled]) => settled)
          const all = new Map<JobBackend.Ending, JobBackend.Settled | Lease.StoreUnavailable>(groups.flat())
          return ends.map((end) => all.get(end) ?? "Lost")
        }
      )

    const follow = (queue: string, id: string): Stream.Stream<Job.JobEvent, Lease.StoreUnavailable> =>
      Stream.unwrap(Effect.gen(function*() {
        const more = Latch.makeUnsafe(true)
        yield* hear(`${jobKeys(prefix, queue).start}:job:${id}`, () => void more.openUnsafe())
        let last: Uint8Array | undefined
        const look: Effect.Effect<ReadonlyArray<Job.JobEvent>, Lease.StoreUnavailable> = Effect.suspend(() => {
          more.closeUnsafe()
          return Effect.flatMap(request(queue, Script.outcome(id), Script.eventOf), (event) => {
            const isNews = event !== undefined &&
              (event._tag === "Ended" || last === undefined || Buffer.compare(event.value, last) !== 0)
            if (isNews) {
              if (event._tag === "Progress") last = event.value
              return Effect.succeed([event])
            }
            const checked = Effect.andThen(Effect.sleep(recheck), Effect.sync(() => subscriber.ping()))
            return Effect.andThen(Effect.raceFirst(more.await, checked), look)
          })
        })
        return Stream.takeUntil(Stream.fromIterableEffectRepeat(look), ({ _tag }) => _tag === "Ended")
      }))

    yield* listen(commands, "ready", () => {
      for (const outbox of outboxes.values()) outbox.resend()
    })
    yield* Effect.forkScoped(alarm.run)
    yield* Effect.addFinalizer(() => Effect.sync(() => news.close()))
    yield* Effect.addFinalizer(() =>
      Effect.forEach([...outboxes.values()], ({ drain }) => drain, { concurrency: "unbounded", discard: true })
    )

    const claim = yield* JobBackend.waiting({
      ...jobClaims({
        news,
        now,
        request,
        sendUnsafe: (queue, args) => void outboxOf(queue).send(args, ignore, ignore),
        session: yield* freshSession,
        startOf: (queue) => jobKeys(prefix, queue).start
      }),
      handBackUnsafe,
      timeout
    })

    return {
      enqueue: (queue, entries) =>
        request(queue, Script.enqueue(entries), Script.flagsOf, { again: false, size: sizeOf(entries) }),
      claim,
      extend,
      settle,
      handBackUnsafe,
      deadLetters: (queue, limit) => request(queue, Script.dead(limit), Script.lettersOf),
      redrive: (queue, ids) => request(queue, Script.redrive(ids), Script.countOf),
      purge: (queue, what) => request(queue, Script.purge(what), Script.countOf),
      inspect: (queue, id) => request(queue, Script.inspect(id), (reply) => Script.infoOf(id, reply)),
      stats: (queue) => request(queue, Script.stats, Script.statsOf),
      cancel: (queue, id) =>
        Effect.map(request(queue, Script.cancel(id), Script.cancelledOf), (token) => {
          if (token !== undefined && token > 0) revoked({ queue, id, token: BigInt(token) })
          return token !== undefined
        }),
      setPaused: (queue, paused) => request(queue, Script.pause(paused), ignore),
      report: (held, value) => request(held.queue, Script.report(held, value), (reply) => Script.countOf(reply) === 1),
      follow
    }
  })

const ignore = () => {}

/** 104 random bits. */
const freshSession = Effect.map(
  Effect.all([Random.next, Random.next]),
  (parts) => parts.map((part) => Math.floor(part * 2 ** 52).toString(36)).join("")
)

const sizeOf = (entries: ReadonlyArray<JobBackend.Entry>): number =>
  entries.reduce((sum, { payload }) => sum + payload.byteLength, 0)

interface Group {
  readonly queue: string
  readonly ends: Array<JobBackend.Ending>
  size: number
}

/** Those that end in one operation: of one queue, and with not many more bytes of results than a mebibyte. */
const groupsOf = (ends: ReadonlyArray<JobBackend.Ending>): ReadonlyArray<Group> => {
  const open = new Map<string, Group>()
  const all: Array<Group> = []
  for (const end of ends) {
    const { held: { queue }, settlement } = end
    let group = open.get(queue)
    if (group === undefined || group.size >= mebibyte) {
      group = { queue, ends: [], size: 0 }
      open.set(queue, group)
      all.push(group)
    }
    group.ends.push(end)
    const bytes = settlement._tag === "Completed"
      ? settlement.result
      : settlement._tag === "HandedBack"
      ? undefined
      : settlement.failure.error
    group.size += bytes?.length ?? 0
  }
  return all
}
const mebibyte = 1_048_576

const fateOf = (error: unknown): KvOutbox.Fate =>
  isReply(error) && !passes(error.message) ? "refused" : isReply(error) || isUnsent(error) ? "undone" : "lost"
