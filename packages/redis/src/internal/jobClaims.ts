import * as Effect from "effect/Effect"
import type { KvOutbox } from "heddle/coordination"
import type { Job, JobBackend } from "heddle/messaging"
import { recheck } from "./jobLua.ts"
import type { JobNews } from "./jobNews.ts"
import * as Script from "./jobScript.ts"
import type { Args, Reply } from "./kvScript.ts"
import { proved } from "./LeaseWaiters.ts"
import { unpack } from "./msgpack.ts"

/** What claims need of their store. */
export interface Around {
  readonly news: JobNews
  readonly now: () => number
  /** Letters and digits, unique among all stores. */
  readonly session: string
  /** What the channels of a queue begin with. */
  readonly startOf: (queue: string) => string
  readonly request: <A>(
    queue: string,
    args: Args,
    read: (reply: Reply, sentAt: number) => A,
    sending: KvOutbox.Sending
  ) => Effect.Effect<A, Job.StoreUnavailable>
  readonly sendUnsafe: (queue: string, args: Args) => void
}

/** A claim that listens: jobs may be claimed for it as long as it does. */
interface Waiter {
  readonly id: string
  /** Whether the server may know it. */
  asked: boolean
  /** No later than it became known as it is known now: what is claimed for it is claimed after that. */
  since: number
  /** Whether it has got jobs. */
  over: boolean
}

/** The claims of a store. The server knows those that wait, and claims for them what comes. */
export const jobClaims = (
  { news, now, request, sendUnsafe, session, startOf }: Around
): Pick<JobBackend.Takes, "take" | "listen"> => {
  const waiters = new Map<JobBackend.Claim, Waiter>()
  let count = 0

  const claimed = ({ queue, ttl }: JobBackend.Claim, found: ReadonlyArray<Script.Found>, since: number) => {
    const until = proved(since, ttl)
    return found.map((job): Job.Claimed => Object.assign(job, { queue, ttl, until }))
  }

  /** What is claimed for who waits counts from when he last asked: he asks again before much of it is over. */
  const patience = (ttl: number) => Math.min(recheck, ttl / 2)

  const heard = (claim: JobBackend.Claim, waiter: Waiter, message: string, given: Given): void => {
    if (message === "") return given.wake()
    if (!message.startsWith(`${waiter.id}\n`)) return
    const whole = message.slice(waiter.id.length + 1)
    if (whole === "" || waiter.since + patience(claim.ttl) * 1.5 < now()) return given.wake()
    const { found } = Script.claimedOf(unpack(Buffer.from(whole, "latin1")))
    waiter.over = true
    given.give(claimed(claim, found, waiter.since))
  }

  return {
    take: (claim) =>
      Effect.suspend(() => {
        const waiter = waiters.get(claim)
        const since = now()
        const args = Script.claim(claim, waiter)
        if (waiter !== undefined && !waiter.asked) {
          waiter.asked = true
          waiter.since = since
        }
        return request(claim.queue, args, (reply, sentAt) => {
          const { found, next } = Script.claimedOf(reply)
          if (waiter !== undefined) {
            waiter.since = since
            // What it was given may have overtaken this answer, on the connection that listens.
            if (found.length > 0) waiter.over = true
          }
          const look = waiter === undefined ? recheck : patience(claim.ttl)
          return { jobs: claimed(claim, found, sentAt), next: next < 0 ? look : Math.min(next + 1, look) }
        }, { again: false, now: true })
      }),
    listen: (claim, wake, give) => {
      const start = startOf(claim.queue)
      const waits = Effect.acquireRelease(
        Effect.sync(() => {
          const waiter = { id: `${session}.${++count}`, asked: false, since: 0, over: false }
          waiters.set(claim, waiter)
          return waiter
        }),
        (waiter) =>
          Effect.sync(() => {
            waiters.delete(claim)
            if (waiter.asked && !waiter.over) sendUnsafe(claim.queue, Script.leave(claim, waiter.id))
          })
      )
      return Effect.flatMap(waits, (waiter) =>
        Effect.andThen(
          news.listen(`${start}:to:${session}`, (message) => heard(claim, waiter, message, { wake, give })),
          news.listen(`${start}:news`, wake)
        ))
    }
  }
}

interface Given {
  readonly wake: () => void
  readonly give: (jobs: ReadonlyArray<Job.Claimed>) => void
}
