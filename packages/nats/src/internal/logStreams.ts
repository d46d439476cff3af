import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  ReplayPolicy,
  StorageType,
  type StreamInfo
} from "@nats-io/jetstream"
import { nanos } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import type { LogBackend, LogEntry } from "heddle/messaging"
import { createHash } from "node:crypto"

/** What the server knows a log by. */
export interface Names {
  readonly stream: string
  readonly subject: string
}

/** Names of streams and parts of subjects have no dots and no slashes, and few characters. */
export const escape = (text: string): string => {
  const escaped = text.replaceAll(".", "=d").replaceAll("/", "=s")
  return escaped.length <= 120 ? escaped : createHash("sha256").update(text).digest("hex")
}

export const namesOf = (prefix: string, log: string): Names => ({
  stream: `${prefix}=logs=${escape(log)}`,
  subject: `${prefix}.logs.${escape(log)}`
})

export const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.tryPromise({ try: run, catch: (error) => error })

export const hasCode = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code

/** Whether asking again would bring the same. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.status !== 503
  && !hasCode(error, JetStreamApiCodes.StreamNotFound) && !hasCode(error, JetStreamApiCodes.ConsumerNotFound)

/** The server reads years of four digits. In milliseconds since 1970. */
const latest = 2.5e14

/** For so long the server knows what it has been sent, in milliseconds, if it keeps it for so long. */
const memory = 120_000

const limitsOf = ({ age, count }: LogBackend.Kept) => ({
  max_msgs: count === Infinity ? -1 : count,
  max_age: age === Infinity ? 0 : nanos(Math.ceil(age)),
  duplicate_window: nanos(Math.min(memory, Math.ceil(age)))
})

/** The streams of a store's logs, one a log, each made when it is needed first. */
export class LogStreams {
  private readonly manager: JetStreamManager
  private readonly prefix: string
  /** What is kept of a log, as this process has told the server. */
  private readonly told = new Map<string, string>()
  constructor(manager: JetStreamManager, prefix: string) {
    this.manager = manager
    this.prefix = prefix
  }

  /** The stream of a log as it is now. */
  info(log: string): Effect.Effect<StreamInfo, unknown> {
    const { stream, subject } = namesOf(this.prefix, log)
    const { streams } = this.manager
    const base = { name: stream, subjects: [subject], storage: StorageType.File, discard: DiscardPolicy.Old }
    return Effect.catchIf(
      attempt(() => streams.info(stream)),
      (error) => hasCode(error, JetStreamApiCodes.StreamNotFound),
      () => attempt(() => streams.add({ ...base, ...limitsOf({ count: Infinity, age: Infinity }) }))
    )
  }

  /** Tells the server what is to be kept, unless it knows. */
  keep(log: string, keep: LogBackend.Kept): Effect.Effect<void, unknown> {
    const bounds = `${keep.count} ${keep.age}`
    if (this.told.get(log) === bounds) return Effect.void
    return Effect.gen({ self: this }, function*() {
      const { config } = yield* this.info(log)
      const limits = limitsOf(keep)
      if (config.max_msgs !== limits.max_msgs || config.max_age !== limits.max_age) {
        yield* attempt(() => this.manager.streams.update(config.name, { ...config, ...limits }))
      }
      this.told.set(log, bounds)
    })
  }

  /** The server did not know the log. */
  forget(log: string): void {
    this.told.delete(log)
  }

  place(log: string, from: Exclude<LogEntry.From, { offset: bigint }>): Effect.Effect<LogBackend.Place, unknown> {
    return Effect.flatMap(this.info(log), ({ state: { first_seq, last_seq } }) => {
      const end = last_seq + 1
      const first = Math.min(Math.max(1, first_seq), end)
      const at = (seq: number) => ({ offset: BigInt(seq), since: BigInt(end) })
      if (from === "oldest") return Effect.succeed(at(first))
      if (from === "end") return Effect.succeed(at(end))
      if ("last" in from) return Effect.succeed(at(Math.max(first, end - from.last)))
      return Effect.map(this.firstSince(log, from.time), (seq) => at(Math.max(first, Math.min(seq, end))))
    })
  }

  /** The first entry that is as young as that, or the one that comes. */
  private firstSince(log: string, time: number): Effect.Effect<number, unknown> {
    const { stream } = namesOf(this.prefix, log)
    const { consumers } = this.manager
    if (time > latest) return Effect.succeed(Infinity)
    return Effect.acquireUseRelease(
      attempt(() =>
        consumers.add(stream, {
          ...ephemeral,
          deliver_policy: DeliverPolicy.StartTime,
          opt_start_time: new Date(time).toISOString()
        })
      ),
      ({ delivered }) => Effect.succeed(delivered.stream_seq + 1),
      ({ name }) => Effect.ignore(attempt(() => consumers.delete(stream, name)))
    )
  }
}

/** A consumer for one reader, which the server forgets when nobody asks it for a minute. */
export const ephemeral = {
  ack_policy: AckPolicy.None,
  replay_policy: ReplayPolicy.Instant,
  mem_storage: true,
  inactive_threshold: nanos(60_000)
}
