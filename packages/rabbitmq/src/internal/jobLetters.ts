import type { GetMessage } from "amqplib"
import * as Effect from "effect/Effect"
import type * as Semaphore from "effect/Semaphore"
import type { Job, JobBackend } from "heddle/messaging"
import type { RabbitMq } from "../RabbitMq.ts"
import { decode, failureOf, moved, type StoredJob } from "./jobMessage.ts"
import { delays } from "./jobQueues.ts"
import type { JobRoom } from "./JobRoom.ts"

/** Uses the present channel; fails at once where there is none. */
export type InRoom = <A>(
  use: (room: JobRoom) => Effect.Effect<A, Job.StoreUnavailable>
) => Effect.Effect<A, Job.StoreUnavailable>

/** What is done with dead letters, by one caller of a store at a time, and with all that waits. */
export const letterSteps = (
  inRoom: InRoom,
  { failure, step }: RabbitMq["Service"],
  turn: Semaphore.Semaphore
): Pick<JobBackend.Steps, "deadLetters" | "redrive" | "purge"> => {
  /** Goes through dead letters, oldest first. Those that `visit` has put elsewhere are done, the others go back into their places. */
  const read = (
    queue: string,
    more: () => boolean,
    visit: (letter: StoredJob, room: JobRoom, message: GetMessage) => Promise<boolean>
  ): Effect.Effect<void, Job.StoreUnavailable> =>
    inRoom((room) => {
      const others: Array<GetMessage> = []
      return Effect.gen(function*() {
        const dead = yield* step(() => room.letters(queue))
        while (more()) {
          const message = yield* step(() => room.channel.get(dead))
          if (message === false) return
          const gone = yield* step(() => visit(decode(message), room, message))
          if (gone) yield* Effect.try({ try: () => room.acks.done([message]), catch: failure })
          else others.push(message)
        }
      }).pipe(Effect.ensuring(Effect.sync(() => room.restore(others))))
    }).pipe(Effect.uninterruptible, (reading) => turn.withPermit(reading))

  return {
    deadLetters: (queue, limit) => {
      const found: Array<Job.DeadLetter> = []
      const visit = ({ attempts, headers, id, payload }: StoredJob, _: JobRoom, message: GetMessage) => {
        found.push({ id, key: undefined, payload, headers, attempts, failure: failureOf(message) })
        return Promise.resolve(false)
      }
      return Effect.as(read(queue, () => found.length < limit, visit), found)
    },
    redrive: (queue, ids) => {
      const chosen = ids === undefined ? undefined : new Set(ids)
      let count = 0
      const visit = async (letter: StoredJob, room: JobRoom) => {
        if (chosen !== undefined && !chosen.delete(letter.id)) return false
        await room.wait(room.names(queue), { ...letter, attempts: 0, token: letter.token + moved }, 0)
        count++
        return true
      }
      return Effect.map(read(queue, () => chosen?.size !== 0, visit), () => count)
    },
    purge: (queue, what) =>
      inRoom((room) =>
        Effect.gen(function*() {
          if (what === "dead") {
            const dead = yield* step(() => room.letters(queue))
            return (yield* step(() => room.channel.purgeQueue(dead))).messageCount
          }
          const feed = yield* step(() => room.feed(queue))
          const { delay, front, main } = feed.names
          const counts = [
            yield* step(() => room.channel.purgeQueue(main)),
            yield* step(() => room.channel.purgeQueue(front)),
            ...yield* Effect.forEach(delays, (ms) => step(() => room.channel.deleteQueue(delay(ms))))
          ]
          yield* step(() => room.sync())
          const fetched = feed.shift(feed.size)
          yield* Effect.try({ try: () => room.done(fetched), catch: failure })
          return counts.reduce((sum, { messageCount }) => sum + messageCount, fetched.length)
        })
      )
  }
}
