/** Keeps leases alive: every lease of the process on one stream. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EtcdError } from "../EtcdError.ts"
import type { Channel } from "./Channel.ts"
import { method } from "./Channel.ts"
import * as Duplex from "./Duplex.ts"
import * as Failure from "./Failure.ts"
import * as Proto from "./proto/etcd_pb.ts"

/**
 * A lease as etcd last confirmed it: alive at least until `sentAt` plus `ttl`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Lease {
  readonly id: bigint
  /** How long the lease lives without another `leaseKeepAlive`: what etcd granted, which may be more than was asked. */
  readonly ttl: Duration.Duration
  /** When the confirmed request was sent, on the clock of `performance.now()`. Count validity from here. */
  readonly sentAt: number
}

interface Beat {
  readonly id: bigint
  readonly end: (result: Effect.Effect<Lease, EtcdError>) => void
  sentAt: number
  live: boolean
}

const leaseKeepAlive = method(Proto.Lease.method.leaseKeepAlive)

export const make = Effect.fnUntraced(function*(
  channel: Channel
): Effect.fn.Return<(id: bigint) => Effect.Effect<Lease, EtcdError>, never, Scope.Scope> {
  // In the order they were sent on the open stream, which is the order etcd answers in. A beat that nobody waits for
  // keeps its place: its answer must not pass for the answer to a later one.
  let beats: Array<Beat> = []
  let broken: EtcdError | undefined

  const duplex = yield* Duplex.make(channel, leaseKeepAlive, {
    wanted: () => beats.some((beat) => beat.live),
    opened: (send) => {
      beats = beats.filter((beat) => beat.live)
      for (const beat of beats) {
        beat.sentAt = performance.now()
        send({ ID: beat.id })
      }
    },
    received: ({ ID, TTL }) => {
      broken = undefined
      const i = beats.findIndex((beat) => beat.id === ID)
      const beat = beats[i]
      if (beat === undefined) return
      beats.splice(i, 1)
      beat.end(
        TTL > 0n
          ? Effect.succeed({ id: ID, ttl: Duration.seconds(Number(TTL)), sentAt: beat.sentAt })
          : Effect.fail(Failure.of("NotFound", `lease ${ID} is not alive`))
      )
    },
    broke: (error) => {
      broken = error
    }
  })

  const closed = Effect.fail(Failure.of("Closed", leaseKeepAlive.path))
  yield* Effect.addFinalizer(() => Effect.sync(() => beats.forEach((beat) => beat.end(closed))))

  return (id) =>
    Effect.callback((resume) => {
      // A member that stays silent is left, so that another may answer in the time that remains.
      const patience = setInterval(
        () => performance.now() - beat.sentAt > channel.timeout / 6 && duplex.reopen(),
        channel.timeout / 3
      )
      const deadline = setTimeout(
        () => beat.end(Effect.fail(broken ?? Failure.of("DeadlineExceeded", leaseKeepAlive.path))),
        channel.timeout
      )
      const beat: Beat = {
        id,
        sentAt: performance.now(),
        live: true,
        end: (result) => {
          beat.live = false
          clearInterval(patience)
          clearTimeout(deadline)
          resume(result)
        }
      }
      beats.push(beat)
      duplex.send({ ID: id })
      return Effect.sync(() => beat.end(Effect.interrupt))
    })
})
