import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Steps } from "../LogBackend.ts"
import { LogMachine } from "../LogMachine.ts"
import { tail } from "../LogTail.ts"

interface Room {
  readonly machine: LogMachine
  readonly readers: Set<() => void>
}

/** One machine a log behind a thin shell: it gives the machine its time, and wakes those who wait for more. */
export const memoryLog: Effect.Effect<Steps> = Effect.map(Clock.Clock, (clock) => {
  const rooms = new Map<string, Room>()

  const roomOf = (log: string): Room => {
    let room = rooms.get(log)
    if (room === undefined) rooms.set(log, room = { machine: new LogMachine(), readers: new Set() })
    return room
  }

  const step = <A>(log: string, run: (machine: LogMachine) => A): Effect.Effect<A> =>
    Effect.sync(() => run(roomOf(log).machine))

  return {
    append: (log, entries, keep) =>
      Effect.sync(() => {
        const { machine, readers } = roomOf(log)
        const offsets = machine.append(clock.currentTimeMillisUnsafe(), entries, keep)
        for (const wake of readers) wake()
        return offsets
      }),
    place: (log, from) => step(log, (machine) => machine.place(from)),
    tail: tail({
      recheck: Infinity,
      listen: (log, wake) =>
        Effect.acquireRelease(
          Effect.sync(() => void roomOf(log).readers.add(wake)),
          () => Effect.sync(() => void roomOf(log).readers.delete(wake))
        ),
      page: (log, from) => step(log, (machine) => machine.page(from, most)),
      refusal: () => undefined
    }),
    attach: (log, consumer) => step(log, (machine) => machine.attach(consumer)),
    commit: (log, consumer, token, offset) => step(log, (machine) => machine.commit(consumer, token, offset)),
    position: (log, consumer) => step(log, (machine) => machine.position(consumer))
  }
})

const most = 500
