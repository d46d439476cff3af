import { DeliverPolicy, type JetStreamManager } from "@nats-io/jetstream"
import { createInbox, type Msg, nanos, type Subscription } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { type LogBackend, LogEntry } from "heddle/messaging"
import type { Nats } from "../Nats.ts"
import { attempt, ephemeral, isRefusal, type LogStreams, namesOf } from "./logStreams.ts"

/** How many entries are on their way to a reader at most. */
const batch = 256
/** For how long one question to the server is open, in milliseconds, and how often it says that it still is. */
const open = 30_000
const heartbeat = 1000
/** Milliseconds before another try. */
const pause = 100

/**
 * A question to the server that is open: it answers with entries as they come.
 *
 * The invariant: what has arrived begins with the entry at `next` of the reader, or shows that it is gone.
 */
class Asking {
  readonly news = Latch.makeUnsafe(false)
  arrived: Array<Msg> = []
  /** Whether all that was asked for was answered, so that one has to ask again. */
  answered = true
  /** The consumer or the connection is not what it was. */
  broken = false
  private left = 0
  private delivered = 0
  readonly hear = (error: Error | null, message: Msg): void => {
    const code = message.headers?.code ?? 0
    if (error !== null || (code >= 400 && code !== 404 && code !== 408)) this.broken = true
    else if (code >= 400) this.answered = true
    else if (code < 100) this.take(message)
    this.news.openUnsafe()
  }

  private take(message: Msg): void {
    if (readReply(message.reply).delivery !== ++this.delivered) this.broken = true
    if (this.broken) return
    this.arrived.push(message)
    if (--this.left === 0) this.answered = true
  }

  begin(): void {
    this.left = batch
    this.answered = false
  }

  readonly end = (): void => {
    this.broken = true
    this.news.openUnsafe()
  }
}

/** `$JS.ACK.[domain.account.]stream.consumer.deliveries.seq.delivery.stamp.pending[.random]` */
const readReply = (reply = "") => {
  const tokens = reply.split(".")
  const [seq = "0", delivery = "0", stamp = "0"] = tokens.slice(tokens.length === 9 ? 5 : 7)
  return { seq: Number(seq), delivery: Number(delivery), time: Number(BigInt(stamp) / 1_000_000n) }
}

const entryOf = ({ data, headers, reply }: Msg): LogEntry.Entry => {
  const { seq, time } = readReply(reply)
  return {
    offset: BigInt(seq),
    time,
    payload: data,
    headers: headers === undefined ? {} : Object.fromEntries(headers.keys().map((name) => [name, headers.get(name)]))
  }
}

/** Every entry of a log from a place on. What has arrived and was not read bounds what is asked for. */
export const logReader = (
  nats: Nats["Service"],
  manager: JetStreamManager,
  streams: LogStreams,
  prefix: string
): LogBackend.Steps["tail"] =>
(log, place) => {
  const { connection, failure, onAgain } = nats
  const { stream } = namesOf(prefix, log)
  return Stream.unwrap(Effect.gen(function*() {
    let next = place.offset
    let { since } = place
    let asking: Asking | undefined
    let inbox: Subscription | undefined
    let consumer = ""
    const gone = (oldest: bigint) => new LogEntry.Trimmed({ log, requested: next < since ? since : next, oldest })

    const leave = Effect.sync(() => {
      inbox?.unsubscribe()
      // Where this is not heard, the server finds out by itself that nobody asks.
      if (consumer !== "") manager.consumers.delete(stream, consumer).catch(() => {})
      inbox = undefined
      consumer = ""
    })
    const begin = Effect.gen(function*() {
      yield* leave
      const { state: { first_seq, last_seq } } = yield* streams.info(log)
      const oldest = BigInt(Math.max(1, first_seq))
      const isGone = next < since ? since < oldest : next < oldest || next > BigInt(last_seq + 1)
      if (isGone) return yield* Effect.fail(gone(oldest))
      next = next < oldest ? oldest : next
      since = next
      const fresh = new Asking()
      const made = yield* attempt(() =>
        manager.consumers.add(stream, {
          ...ephemeral,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: Number(next)
        })
      )
      consumer = made.name
      inbox = connection.subscribe(createInbox(), { callback: fresh.hear })
      return fresh
    })
    const ask = (one: Asking) =>
      Effect.try({
        try: () => {
          one.begin()
          const question = { batch, expires: nanos(open), idle_heartbeat: nanos(heartbeat) }
          connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify(question), {
            reply: inbox?.getSubject() ?? ""
          })
        },
        catch: (error) => error
      })
    const take = (one: Asking): ReadonlyArray<LogEntry.Entry> | LogEntry.Trimmed => {
      const found: Array<LogEntry.Entry> = []
      for (const message of one.arrived.splice(0)) {
        const entry = entryOf(message)
        if (entry.offset !== next) {
          one.broken = true
          return found.length > 0 ? found : gone(entry.offset)
        }
        found.push(entry)
        next = entry.offset + 1n
      }
      return found
    }
    const step: Effect.Effect<ReadonlyArray<LogEntry.Entry>, unknown> = Effect.suspend(() => {
      const one = asking
      if (one === undefined || (one.broken && one.arrived.length === 0)) {
        asking = undefined
        return Effect.flatMap(begin, (fresh) => {
          asking = fresh
          return step
        })
      }
      if (one.arrived.length > 0) {
        const found = take(one)
        return "_tag" in found ? Effect.fail(found) : Effect.succeed(found)
      }
      one.news.closeUnsafe()
      const asked = one.answered ? ask(one) : Effect.void
      const heard = Effect.timeoutOrElse(one.news.await, {
        duration: 4 * heartbeat,
        orElse: () => Effect.sync(() => one.end())
      })
      return Effect.andThen(Effect.andThen(asked, heard), step)
    })
    const pull: Effect.Effect<ReadonlyArray<LogEntry.Entry>, LogEntry.StoreUnavailable | LogEntry.Trimmed> = step.pipe(
      Effect.catch((error) => {
        if (error instanceof LogEntry.Trimmed) return Effect.fail(error)
        return isRefusal(error) ? Effect.fail(failure(error)) : Effect.delay(Effect.suspend(() => pull), pause)
      })
    )
    yield* onAgain(() => asking?.end())
    yield* Effect.addFinalizer(() => leave)
    return Stream.fromIterableEffectRepeat(pull)
  }))
}
