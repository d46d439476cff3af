import * as Effect from "effect/Effect"
import type { Job, JobBackend } from "heddle/messaging"
import type { RabbitMq } from "../RabbitMq.ts"
import type { Fetched, JobFeed } from "./JobFeed.ts"
import { type Held, type JobRoom, nameOf } from "./JobRoom.ts"

/** Where claims are kept, and what else becomes of them. */
interface Claims {
  readonly room: () => JobRoom | undefined
  readonly now: () => number
  readonly expire: (room: JobRoom, held: Held) => void
  /** Nobody may claim for a while. */
  readonly rest: (feed: JobFeed) => void
}

type Answer = JobBackend.Settled | Job.StoreUnavailable

/** Ends claims. The acknowledgements of those that are completed share one round trip. */
export const settling = (
  { step }: RabbitMq["Service"],
  { expire, now, rest, room }: Claims
): JobBackend.Steps["settle"] => {
  /** Where a job cannot be put elsewhere the server gets it back, and counts that. */
  const put = (
    mine: JobRoom,
    { fetched }: Held,
    settled: JobBackend.Settled,
    work: () => Promise<void>
  ): Effect.Effect<Answer> =>
    Effect.match(Effect.onError(step(work), () => Effect.sync(() => mine.back(fetched))), {
      onFailure: (error): Answer => error,
      onSuccess: () => settled
    })

  const putElsewhere = (
    mine: JobRoom,
    held: Held,
    settlement: Exclude<JobBackend.Settlement, { readonly _tag: "Completed" | "HandedBack" }>
  ): Effect.Effect<Answer> => {
    const { claimed: { queue }, feed, fetched } = held
    const { attempt, job } = fetched
    return settlement._tag === "Retry" && attempt < job.maxAttempts
      ? put(
        mine,
        held,
        "Retried",
        () => mine.move(fetched, (job) => mine.wait(feed.names, { ...job, attempts: attempt }, settlement.delay))
      )
      : put(mine, held, "Dead", () => mine.bury(queue, fetched, attempt, settlement.failure))
  }

  return (ends) =>
    Effect.uninterruptible(Effect.suspend(() => {
      const mine = room()
      const answers: Array<Answer> = ends.map(() => "Lost")
      if (mine === undefined) return Effect.succeed(answers)
      const completed: Array<number> = []
      const done: Array<Fetched> = []
      const waits: Array<Effect.Effect<void>> = []
      const answered = (at: number) => (answer: Answer) => {
        answers[at] = answer
      }
      ends.forEach(({ held: one, settlement }, at) => {
        const held = mine.held.get(nameOf(one))
        if (held === undefined) return
        if (held.until <= now()) return expire(mine, held)
        mine.held.delete(held.name)
        switch (settlement._tag) {
          case "Completed":
            done.push(held.fetched)
            completed.push(at)
            return
          case "HandedBack":
            held.feed.put(held.fetched)
            rest(held.feed)
            answers[at] = "HandedBack"
            return
          default:
            waits.push(Effect.map(putElsewhere(mine, held, settlement), answered(at)))
        }
      })
      if (completed.length > 0) {
        const all = (answer: Answer) => completed.forEach((at) => answered(at)(answer))
        waits.push(
          Effect.match(step(() => mine.finish(done)), { onFailure: all, onSuccess: () => all("Completed") })
        )
      }
      return Effect.as(Effect.all(waits, { concurrency: "unbounded", discard: true }), answers)
    }))
}
