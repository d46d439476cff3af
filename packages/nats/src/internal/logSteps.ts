import { jetstreamManager } from "@nats-io/jetstream"
import { headers as natsHeaders, type MsgHdrs } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import type { LogBackend, LogEntry } from "heddle/messaging"
import type { Nats } from "../Nats.ts"
import { LogPositions } from "./logPositions.ts"
import { logReader } from "./logReader.ts"
import { attempt, LogStreams, namesOf } from "./logStreams.ts"

/** How many entries of one append are on their way at a time. */
const batch = 256

/** The steps of a store of logs. Fails where the server has no JetStream, or the user may not use it. */
export const logSteps = (
  nats: Nats["Service"],
  prefix: string
): Effect.Effect<LogBackend.Steps, LogEntry.StoreUnavailable> =>
  Effect.gen(function*() {
    const { commandTimeout: timeout, connection, failure, isUp } = nats
    const manager = yield* attempt(() => jetstreamManager(connection, { timeout }))
    const client = manager.jetstream()
    const streams = new LogStreams(manager, prefix)
    const positions = new LogPositions(manager, prefix, timeout)
    yield* positions.ready

    const publish = (log: string, entries: ReadonlyArray<LogBackend.Appended>) => {
      const { subject } = namesOf(prefix, log)
      return attempt(() =>
        Promise.all(
          entries.map(({ headers, payload }) => client.publish(subject, payload, { timeout, ...headersOf(headers) }))
        )
      )
    }
    const whileUp = <A>(step: Effect.Effect<A, unknown>): Effect.Effect<A, LogEntry.StoreUnavailable> =>
      Effect.mapError(
        Effect.suspend(() => isUp() ? step : Effect.fail(new Error("disconnected"))),
        failure
      )

    return {
      append: (log, entries, keep) =>
        whileUp(
          Effect.gen(function*() {
            yield* streams.keep(log, keep)
            const offsets: Array<bigint> = []
            for (let at = 0; at < entries.length; at += batch) {
              const acks = yield* publish(log, entries.slice(at, at + batch))
              for (const { seq } of acks) offsets.push(BigInt(seq))
            }
            return offsets
          }).pipe(Effect.tapError(() => Effect.sync(() => streams.forget(log))))
        ),
      place: (log, from) => whileUp(streams.place(log, from)),
      tail: logReader(nats, manager, streams, prefix),
      attach: (log, consumer) => whileUp(positions.attach(log, consumer)),
      commit: (log, consumer, token, offset) => whileUp(positions.commit(log, consumer, token, offset)),
      position: (log, consumer) => whileUp(positions.position(log, consumer))
    } satisfies LogBackend.Steps
  }).pipe(Effect.mapError(nats.failure))

const headersOf = (headers: LogEntry.Headers): { readonly headers?: MsgHdrs } => {
  const all = Object.entries(headers)
  if (all.length === 0) return {}
  const found = natsHeaders()
  for (const [name, value] of all) found.set(name, value)
  return { headers: found }
}
