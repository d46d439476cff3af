import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Alarm } from "heddle/coordination"
import { type Job, JobBackend, type JobMachine, type Message } from "heddle/messaging"
import type { Nats } from "../Nats.ts"
import { type Answer, eventsOf, type Order } from "./jobOrders.ts"
import { JobRoom } from "./JobRoom.ts"
import { jobStreams } from "./jobStreams.ts"

type Steps = JobBackend.AllSteps
type Unavailable = Message.StoreUnavailable

/** What a message of the log has beside its orders. */
const envelope = 1024

export interface StepsOptions {
  readonly prefix: string
  /** How many messages of a log are read before the state is kept. */
  readonly saveAfter: number
  /** How long the log of a queue is read that nobody here does anything with, in milliseconds. */
  readonly patience: number
}

/** The steps of a job store on this connection: each is an order in the log of its queue, and its answer is read there. */
export const jobSteps = (
  nats: Nats["Service"],
  { patience, prefix, saveAfter }: StepsOptions,
  revoked: (held: Pick<JobBackend.Held, "queue" | "id" | "token">) => void
): Effect.Effect<Steps, Unavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const { commandTimeout: timeout, connection, failure, isUp } = nats
    const room = (connection.info?.max_payload ?? 1_048_576) - envelope
    const streams = yield* jobStreams(nats, { prefix, room, timeout })
    const client = yield* clientName
    const rooms = new Map<string, { readonly room: JobRoom; readonly fiber: Fiber.Fiber<unknown> }>()

    const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
      yield* Clock.Clock,
      Effect.suspend(() => {
        let next = Infinity
        const idle: Array<Fiber.Fiber<unknown>> = []
        for (const [queue, { fiber, room }] of rooms) {
          next = Math.min(next, room.look())
          if (!room.isIdle) continue
          next = Math.min(next, room.usedAt + patience)
          if (room.usedAt + patience > alarm.now()) continue
          rooms.delete(queue)
          idle.push(fiber)
        }
        return Effect.as(Fiber.interruptAll(idle), next)
      })
    )
    const context = yield* Effect.context<never>()
    let messages = 0
    const around = {
      streams,
      client,
      fresh: () => ++messages,
      isUp,
      timeout,
      saveAfter,
      revoked,
      now: () => alarm.now(),
      ring: (instant: number) => alarm.ring(instant),
      room
    }
    const roomOf = (queue: string): JobRoom => {
      const known = rooms.get(queue)
      const room = known?.room ?? new JobRoom(queue, around)
      room.usedAt = alarm.now()
      if (known === undefined) {
        const reading = Effect.all([room.run, room.saves], { concurrency: "unbounded", discard: true })
        rooms.set(queue, { room, fiber: Effect.runForkWith(context)(reading) })
      }
      return room
    }

    const request = <A>(queue: string, order: Order, read: (answer: Answer, sentAt: number) => A) =>
      Effect.suspend(() => Effect.mapError(roomOf(queue).outbox.ask({ order }, read), failure))

    /** What the machine says when all that was ordered before has been carried out. */
    const look = <A>(queue: string, see: (machine: JobMachine.JobMachine, now: number) => A) =>
      Effect.suspend(() => {
        let seen: { readonly value: A } | undefined
        const order = { _tag: "Look" } as const
        const look = (machine: JobMachine.JobMachine, now: number) => {
          seen = { value: see(machine, now) }
        }
        return Effect.flatMap(
          Effect.mapError(roomOf(queue).outbox.ask({ order, look }, () => seen), failure),
          (seen) => seen === undefined ? Effect.fail(failure(new Error("timed out"))) : Effect.succeed(seen.value)
        )
      })

    const handBackUnsafe = (held: ReadonlyArray<JobBackend.Held>) => {
      for (const { id, queue, token } of held) roomOf(queue).handBack(id, Number(token))
    }

    const take = ({ max, owner, queue, ttl }: JobBackend.Claim) =>
      request(queue, { _tag: "Claim", max, ttl, owner }, ({ granted = [] }, sentAt) => {
        const until = proved(sentAt, ttl)
        const jobs = granted.map((job): Job.Claimed => ({ ...job, token: BigInt(job.token), queue, ttl, until }))
        // Whoever waits is woken when something is due.
        return { jobs, next: Infinity }
      })

    const extend: Steps["extend"] = (held) =>
      Effect.map(
        Effect.forEach([...Map.groupBy(held, ({ queue }) => queue)], ([queue, those]) => {
          const claims = those.map(({ id, token, ttl }) => ({ id, token: Number(token), ttl }))
          // A queue that could not be reached says nothing of the others: its claims are not longer alive than they were.
          return request(queue, { _tag: "Extend", claims }, ({ flags = [] }, sentAt) =>
            those.map((one, at) => [one, flags[at] === true ? proved(sentAt, one.ttl) : undefined] as const)).pipe(
              Effect.orElseSucceed(() =>
                those.map((one) =>
                  [one, -Infinity] as const
                )
              )
            )
        }, { concurrency: "unbounded" }),
        (all) => {
          const untils = new Map<JobBackend.Held, number | undefined>(all.flat())
          return held.map((one) => untils.get(one))
        }
      )

    const follow = (queue: string, id: string): Stream.Stream<Job.JobEvent, Unavailable> =>
      Stream.callback<Job.JobEvent, Unavailable>((told) =>
        Effect.gen(function*() {
          const tell = (event: Job.JobEvent) => void Queue.offerUnsafe(told, event)
          const { followers } = roomOf(queue)
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              const all = followers.get(id)
              all?.delete(tell)
              if (all?.size === 0) followers.delete(id)
            })
          )
          yield* look(queue, (machine, now) => {
            for (const event of eventsOf(machine, now, id)) tell(event)
            followers.set(id, (followers.get(id) ?? new Set()).add(tell))
          })
        }), { bufferSize: 16, strategy: "sliding" }).pipe(Stream.takeUntil(({ _tag }) => _tag === "Ended"))

    yield* nats.onAgain(() => {
      for (const { room } of rooms.values()) room.again()
    })
    yield* Effect.forkScoped(alarm.run)
    yield* Effect.addFinalizer(() =>
      Effect.forEach([...rooms.values()], ({ fiber, room }) =>
        Effect.andThen(room.outbox.drain, Fiber.interrupt(fiber)), { concurrency: "unbounded", discard: true })
    )

    const claim = yield* JobBackend.waiting({
      take,
      listen: ({ queue }, wake) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            const { waiting } = roomOf(queue)
            waiting.add(wake)
            return waiting
          }),
          (waiting) =>
            Effect.sync(() =>
              waiting.delete(wake)
            )
        ),
      handBackUnsafe,
      timeout
    })

    return {
      enqueue: (queue, entries) => request(queue, { _tag: "Enqueue", entries }, ({ flags = [] }) => flags),
      claim,
      extend,
      settle: JobBackend.settleEach(({ id, queue, token }, settlement) =>
        request(queue, { _tag: "Settle", id, token: Number(token), settlement }, ({ settled = "Lost" }) => settled)
      ),
      handBackUnsafe,
      deadLetters: (queue, limit) => look(queue, (machine, now) => machine.deadLetters(now, limit)),
      redrive: (queue, ids) => request(queue, { _tag: "Redrive", ids }, ({ count = 0 }) => count),
      purge: (queue, what) => request(queue, { _tag: "Purge", what }, ({ count = 0 }) => count),
      inspect: (queue, id) => look(queue, (machine, now) => machine.inspect(now, id)),
      stats: (queue) => look(queue, (machine, now) => machine.stats(now)),
      cancel: (queue, id) => request(queue, { _tag: "Cancel", id }, ({ cancelled }) => cancelled !== undefined),
      setPaused: (queue, paused) => request(queue, { _tag: "Pause", paused }, () => {}),
      report: ({ id, queue, token }, value) =>
        request(queue, { _tag: "Report", id, token: Number(token), value }, ({ flags = [] }) => flags[0] === true),
      follow
    }
  })

/** Letters and digits: 104 random bits. */
const clientName = Effect.map(
  Effect.all([Random.next, Random.next]),
  (parts) => parts.map((part) => Math.floor(part * 2 ** 52).toString(36)).join("")
)

/**
 * The instant up to which a claim is proved alive that was granted no earlier than `since`. One part in a hundred is for clocks that do
 * not run alike.
 */
const proved = (since: number, ttl: number): number => since + ttl * 0.99 - 2
