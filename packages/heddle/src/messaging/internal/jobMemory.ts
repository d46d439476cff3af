import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Alarm } from "../../coordination/Alarm.ts"
import type { Claimed, JobEvent } from "../Job.ts"
import type { AllSteps, Claim, Held } from "../JobBackend.ts"
import { JobMachine } from "../JobMachine.ts"
import { waiting } from "./jobWaiting.ts"

interface Room {
  readonly machine: JobMachine
  /** Those who wait for a job, in the order they came. */
  readonly waiting: Set<() => void>
  readonly followers: Map<string, Set<(event: JobEvent) => void>>
}

/** One machine a queue behind a thin shell: it gives the machine its time, and wakes those who wait. */
export const memorySteps = (
  revoked: (held: Pick<Held, "queue" | "id" | "token">) => void
): Effect.Effect<AllSteps, never, Scope.Scope> =>
  Effect.gen(function*() {
    const rooms = new Map<string, Room>()
    let issued = 0

    /** One step of a queue's machine, and what it tells. */
    const step = <A>(queue: string, run: (machine: JobMachine, now: number) => A): A => {
      let room = rooms.get(queue)
      if (room === undefined) {
        rooms.set(queue, room = { machine: new JobMachine(issued), waiting: new Set(), followers: new Map() })
      }
      const result = run(room.machine, alarm.now())
      issued = Math.max(issued, room.machine.tokens)
      tell(room)
      settle(queue, room)
      return result
    }

    const tell = ({ followers, machine }: Room) => {
      for (const { event, id } of machine.told.splice(0)) {
        for (const follower of followers.get(id) ?? []) follower(event)
      }
    }

    const settle = (queue: string, room: Room) => {
      const { followers, machine, waiting } = room
      if (machine.hasClaimable) { for (const wake of waiting) wake() }
      // Who was woken may have gone on at once, and emptied the queue, and wait in a new room.
      if (rooms.get(queue) !== room) return
      if (machine.isEmpty && waiting.size === 0 && followers.size === 0) rooms.delete(queue)
      else if (waiting.size + followers.size > 0) alarm.ring(machine.next)
    }

    const alarm: Alarm<never> = new Alarm(
      yield* Clock.Clock,
      Effect.sync(() => {
        let next = Infinity
        for (const [queue, { followers, machine, waiting }] of rooms) {
          if (waiting.size + followers.size === 0) continue
          step(queue, (machine, now) => machine.advance(now))
          next = Math.min(next, machine.next)
        }
        return next
      })
    )
    yield* Effect.forkScoped(alarm.run)

    const take = ({ max, owner, queue, ttl }: Claim): ReadonlyArray<Claimed> =>
      step(queue, (machine, now) =>
        machine.claim(now, max, ttl, owner).map(({ age, attempt, headers, id, key, maxAttempts, payload, token }) => ({
          queue,
          id,
          token: BigInt(token),
          attempt,
          maxAttempts,
          key,
          payload,
          headers,
          age,
          ttl,
          until: now + ttl
        })))

    const handBackUnsafe = (held: ReadonlyArray<Held>) => {
      for (const { id, queue, token } of held) {
        step(queue, (machine, now) =>
          machine.settle(now, id, Number(token), { _tag: "HandedBack" }))
      }
    }

    const claim = yield* waiting({
      take: (claim) =>
        Effect.sync(() => ({ jobs: take(claim), next: Infinity })),
      listen: ({ queue }, wake) => {
        const listening = Effect.sync(() => {
          step(queue, () => rooms.get(queue)?.waiting.add(wake))
        })
        const left = Effect.sync(() => step(queue, () => rooms.get(queue)?.waiting.delete(wake)))
        return Effect.acquireRelease(listening, () => left)
      },
      handBackUnsafe,
      timeout: 0
    })

    return {
      enqueue: (queue, entries) => Effect.sync(() => step(queue, (machine, now) => machine.enqueue(now, entries))),
      claim,
      extend: (held) =>
        Effect.sync(() =>
          held.map(({ id, queue, token, ttl }) =>
            step(queue, (machine, now) => machine.extend(now, id, Number(token), ttl) ? now + ttl : undefined)
          )
        ),
      settle: (ends) =>
        Effect.sync(() =>
          ends.map(({ held: { id, queue, token }, settlement }) =>
            step(queue, (machine, now) => machine.settle(now, id, Number(token), settlement))
          )
        ),
      handBackUnsafe,
      deadLetters: (queue, limit) => Effect.sync(() => step(queue, (machine, now) => machine.deadLetters(now, limit))),
      redrive: (queue, ids) => Effect.sync(() => step(queue, (machine, now) => machine.redrive(now, ids))),
      purge: (queue, what) => Effect.sync(() => step(queue, (machine, now) => machine.purge(now, what))),
      inspect: (queue, id) => Effect.sync(() => step(queue, (machine, now) => machine.inspect(now, id))),
      stats: (queue) => Effect.sync(() => step(queue, (machine, now) => machine.stats(now))),
      cancel: (queue, id) =>
        Effect.sync(() => {
          const token = step(queue, (machine, now) => machine.cancel(now, id))
          if (token === undefined) return false
          if (token > 0) revoked({ queue, id, token: BigInt(token) })
          return true
        }),
      setPaused: (queue, paused) =>
        Effect.sync(() =>
          step(queue, (machine) => {
            machine.paused = paused
          })
        ),
      report: ({ id, queue, token }, value) =>
        Effect.sync(() => step(queue, (machine, now) => machine.report(now, id, Number(token), value))),
      follow: (queue, id) =>
        Stream.callback<JobEvent>((told) =>
          Effect.acquireRelease(
            Effect.sync(() => {
              const tell = (event: JobEvent) => void Queue.offerUnsafe(told, event)
              step(queue, (machine, now) => {
                const { outcome, progress } = machine.outcome(now, id)
                if (progress !== undefined) tell({ _tag: "Progress", value: progress })
                if (outcome !== undefined) tell({ _tag: "Ended", outcome })
                const followers = rooms.get(queue)?.followers
                followers?.set(id, (followers.get(id) ?? new Set()).add(tell))
              })
              return tell
            }),
            (tell) =>
              Effect.sync(() =>
                step(queue, () => {
                  const followers = rooms.get(queue)?.followers
                  const all = followers?.get(id)
                  all?.delete(tell)
                  if (all?.size === 0) followers?.delete(id)
                })
              )
          ), { bufferSize: 16, strategy: "sliding" }).pipe(Stream.takeUntil(({ _tag }) => _tag === "Ended"))
    }
  })
