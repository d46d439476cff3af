import type { GetMessage } from "amqplib"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { Alarm } from "heddle/coordination"
import type { Job, JobBackend } from "heddle/messaging"
import type { RabbitMq } from "../RabbitMq.ts"
import { makeConfirms } from "./Confirms.ts"
import { settling } from "./jobEnds.ts"
import type { Fetched, JobFeed } from "./JobFeed.ts"
import { type InRoom, letterSteps } from "./jobLetters.ts"
import { type Held, JobRoom, nameOf } from "./JobRoom.ts"
import { keepPublisher } from "./Publisher.ts"

/** For how long a store that does not claim keeps what it has fetched, in milliseconds. */
const linger = 50

/** The steps of a job store on a channel of this connection. */
export const jobSteps = (
  rabbit: RabbitMq["Service"],
  prefix: string,
  revoked: (held: Pick<JobBackend.Held, "queue" | "id" | "token">) => void
): Effect.Effect<JobBackend.Steps, Job.StoreUnavailable, Scope.Scope> =>
  Effect.gen(function*() {
    const { failure, heartbeat, keep, step } = rabbit
    let room: JobRoom | undefined
    const publisher = yield* keepPublisher(rabbit, () => Effect.void)

    const alarm: Alarm.Alarm<never> = new Alarm.Alarm(
      yield* Clock.Clock,
      Effect.sync(() => {
        let next = Infinity
        if (room === undefined) return next
        const now = alarm.now()
        for (const held of room.held.values()) {
          if (held.until <= now) expire(room, held)
          else next = Math.min(next, held.until)
        }
        for (const feed of room.feeds.values()) {
          if (feed.claiming > 0) continue
          if (feed.idleAt <= now) {
            feed.idleAt = Infinity
            room.alone(room.flush(feed))
          }
          next = Math.min(next, feed.idleAt)
        }
        return next
      })
    )
    yield* Effect.forkScoped(alarm.run)

    const rest = (feed: JobFeed): void => {
      feed.idleAt = alarm.now() + linger
      alarm.ring(feed.idleAt)
    }

    const expire = (room: JobRoom, { claimed, feed, fetched, name }: Held): void => {
      room.held.delete(name)
      revoked(claimed)
      if (fetched.attempt < fetched.job.maxAttempts) room.back(fetched)
      else room.alone(exhausted(room, claimed.queue, fetched, fetched.attempt).catch(() => room.back(fetched)))
      rest(feed)
    }

    const exhausted = (room: JobRoom, queue: string, fetched: Fetched, attempts: number): Promise<void> =>
      room.bury(queue, fetched, attempts, {
        cause: `its claim expired, and it has had all of its ${attempts} attempts`
      })

    const leave = async (leaving: JobRoom): Promise<void> => {
      await Promise.all([...leaving.feeds.values()].map((feed) => leaving.flush(feed, true)))
      while (leaving.pending.size > 0) await Promise.all(leaving.pending)
    }

    yield* keep((connection) => connection.createChannel(), (channel) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => {
          const entered = new JobRoom(channel, publisher, prefix)
          room = entered
          return entered
        }),
        (leaving) =>
          Effect.suspend(() => {
            room = undefined
            for (const { claimed } of leaving.held.values()) revoked(claimed)
            return Effect.ignore(Effect.timeout(Effect.tryPromise(() => leave(leaving)), "1 second"))
          })
      )))

    const inRoom: InRoom = (use) =>
      Effect.suspend(() => {
        const why = room === undefined || publisher() === undefined ? "disconnected" : rabbit.blocked()
        return room === undefined || why !== undefined ? Effect.fail(failure(new Error(why))) : use(room)
      })

    /** What one may claim of what is fetched; the rest goes where it belongs. */
    const claimable = (room: JobRoom, feed: JobFeed, queue: string, fetched: Fetched): boolean => {
      const { left, maxAttempts } = fetched.job
      if (left > 0) room.alone(room.move(fetched, (job) => room.wait(feed.names, job, left)))
      else if (fetched.attempt > maxAttempts) room.alone(exhausted(room, queue, fetched, maxAttempts))
      else return true
      return false
    }

    const grant = (room: JobRoom, feed: JobFeed, { max, queue, ttl: asked }: JobBackend.Claim, sentAt: number) => {
      const ttl = Math.min(asked, heartbeat)
      const until = sentAt + ttl
      const granted: Array<Job.Claimed> = []
      while (granted.length < max && feed.size > 0) {
        for (const fetched of feed.shift(max - granted.length)) {
          if (!claimable(room, feed, queue, fetched)) continue
          const { attempt, job: { at, headers, id, maxAttempts, payload } } = fetched
          const token = BigInt(fetched.nextToken())
          const age = Math.max(0, Date.now() - at)
          const claimed = { queue, id, token }
          const name = nameOf(claimed)
          room.held.set(name, { name, claimed, feed, fetched, until })
          granted.push({ ...claimed, attempt, maxAttempts, key: undefined, payload, headers, age, ttl, until })
        }
      }
      if (granted.length > 0) alarm.ring(until)
      return granted
    }

    /** Asks the server for one job, for a claim that does not wait. */
    const probe = (room: JobRoom, { names }: JobFeed, take: (message: GetMessage) => void) =>
      Effect.gen(function*() {
        for (const name of [names.front, names.main]) {
          const message = yield* step(() => room.channel.get(name))
          if (message !== false) return take(message)
        }
      })

    const feedOf = (mine: JobRoom, queue: string): Effect.Effect<JobFeed, Job.StoreUnavailable> => {
      const known = mine.known(queue)
      return known === undefined ? step(() => mine.feed(queue)) : Effect.succeed(known)
    }

    const claiming = (
      mine: JobRoom,
      feed: JobFeed,
      claim: JobBackend.Claim
    ): Effect.Effect<ReadonlyArray<Job.Claimed>, Job.StoreUnavailable> =>
      Effect.gen(function*() {
        if (feed.lacking(claim.max) > 0) yield* step(() => feed.ask(claim.max))
        if (feed.size === 0) {
          if (claim.wait) yield* Effect.interruptible(feed.some.await)
          else yield* probe(mine, feed, (message) => feed.takeSingle(message))
        }
        if (mine.closed) return yield* failure(new Error("disconnected"))
        const sentAt = alarm.now()
        yield* step(() => mine.sync())
        const granted = grant(mine, feed, claim, sentAt)
        return granted.length > 0 || !claim.wait ? granted : yield* claiming(mine, feed, claim)
      })

    const handBackUnsafe = (all: ReadonlyArray<JobBackend.Held>): void => {
      for (const one of all) {
        const held = room?.held.get(nameOf(one))
        if (held === undefined) continue
        room?.held.delete(held.name)
        held.feed.put(held.fetched)
        rest(held.feed)
      }
    }

    const confirms = yield* makeConfirms(rabbit)

    return {
      enqueue: (queue, entries) =>
        inRoom((mine) =>
          Effect.map(confirms.wait((told) => mine.enqueue(queue, entries, told)), () => entries.map(() => true))
        ),
      claim: (claim) =>
        inRoom((mine) =>
          Effect.flatMap(feedOf(mine, claim.queue), (feed) => {
            feed.claiming++
            const left = Effect.sync(() => {
              if (--feed.claiming === 0) {
                rest(feed)
              }
            })
            return Effect.ensuring(claiming(mine, feed, claim), left)
          })
        ).pipe(Effect.retry({
          times: 3,
          schedule: Schedule.spaced(150),
          while: () => room?.closed ?? true
        })),
      extend: (all) =>
        Effect.suspend(() => {
          const mine = room
          if (mine === undefined) {
            return Effect.succeed(all.map(() => undefined))
          }
          const sentAt = alarm.now()
          return Effect.map(step(() => mine.sync()), () =>
            all.map((one) => {
              const held = mine.held.get(nameOf(one))
              if (held === undefined) return undefined
              held.until = sentAt + one.ttl
              return held.until
            }))
        }),
      settle: settling(rabbit, { room: () => room, now: alarm.now, expire, rest }),
      handBackUnsafe,
      ...letterSteps(inRoom, rabbit, yield* Semaphore.make(1))
    }
  })
