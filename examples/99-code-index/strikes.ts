import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Board from "./board.ts"
import type { Crew, Member } from "./crew.ts"
import type { News } from "./run.ts"

interface Options {
  readonly board: Board.Board
  readonly crew: Pick<Crew<never>, "freed" | "killed">
  readonly members: ReadonlyArray<Member>
  readonly say: (line: string) => Effect.Effect<void>
}

/** What was done to whom. */
export interface Struck {
  readonly killed: number | undefined
  readonly stopped: number | undefined
  /** Whether the leader left nothing undone. */
  readonly isClean: boolean
}

/**
 * What happens to the workers midway. When a quarter is merged, one who does not lead is killed while it holds the lock. When half
 * is merged and the lock has come back, the leader is stopped.
 */
export const make = ({ board, crew, members, say }: Options) =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    let victim: number | undefined
    let fallen: { readonly token: bigint; readonly at: number } | undefined
    let isFree = false
    let stopping: { readonly worker: number; readonly fiber: Fiber.Fiber<boolean> } | undefined

    const strike = Effect.gen(function*() {
      const { leader, merged, total } = board
      if (leader === undefined) return
      if (victim === undefined && merged.size >= total / 4) {
        victim = board.rows.findLast(({ chunks, worker }) => worker !== leader && chunks > 0)?.worker
        return yield* victim === undefined ? Effect.void : members[victim - 1]?.standStill ?? Effect.void
      }
      if (isFree && stopping === undefined && merged.size >= total / 2) {
        const stop = members[leader - 1]?.stop ?? Effect.succeed(false)
        stopping = { worker: leader, fiber: yield* Effect.forkIn(stop, scope) }
        Board.leave(board, leader, "was stopped while it led")
        yield* say(`worker ${leader}, who leads, is stopped: it ends what it has, and gives up its leadership`)
      }
    })

    const hear = (news: News) =>
      Effect.gen(function*() {
        const now = yield* Clock.currentTimeMillis
        if (news._tag === "StandsStill" && news.worker === victim && fallen === undefined) {
          fallen = { token: news.token, at: now }
          yield* members[victim - 1]?.kill ?? Effect.void
          Board.leave(board, victim, crew.killed)
          yield* say(`worker ${victim} was ${crew.killed}`)
        }
        if (news._tag === "Holds" && fallen !== undefined && !isFree && news.token > fallen.token) {
          isFree = true
          const seconds = ((now - fallen.at) / 1000).toFixed(1)
          yield* say(
            `the lock of worker ${victim} is back after ${seconds} s (${crew.freed}); worker ${news.worker} goes on`
          )
        }
        yield* strike
      })

    /** Waits for the leader's end, and says what was done. */
    const settled = Effect.gen(function*(): Effect.fn.Return<Struck> {
      const isClean = stopping === undefined || (yield* Fiber.join(stopping.fiber))
      return { killed: fallen === undefined ? undefined : victim, stopped: stopping?.worker, isClean }
    })
    return { hear, settled }
  })
