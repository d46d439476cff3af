import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  type PubAck,
  ReplayPolicy,
  StorageType,
  type StreamInfo
} from "@nats-io/jetstream"
import { createInbox, type Msg, nanos, RequestError } from "@nats-io/transport-node"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { JobMachine, Message } from "heddle/messaging"
import type { Nats } from "../Nats.ts"
import { decodeState, encodeState } from "./jobOrders.ts"
import type { Arrived } from "./jobReplica.ts"

/** How often a consumer that has nothing to tell tells so, in milliseconds. */
export const heartbeat = 1500
/** Of a state that is kept, a message has no more bytes: it is read as Base64. */
const mostPortion = 500_000
/** For so long the server knows what it has been sent, in milliseconds: what is sent again within is not stored twice. */
const memory = 120_000

/** Tells which state of a queue is kept: up to which message of which log. */
const Head = Schema.fromJsonString(Schema.Struct({
  created: Schema.String,
  at: Schema.Number,
  stamp: Schema.String,
  parts: Schema.Number
}))
const readHead = Schema.decodeEffect(Head)
const writeHead = Schema.encodeSync(Head)

/** The log of a queue: `created` tells it from one that had its name before. */
export interface Log {
  readonly created: string
  readonly first: number
}

/** A state of a queue that is kept. */
export interface Kept {
  readonly at: number
  readonly stamp: string
  readonly state: JobMachine.State
  readonly bytes: number
}

export interface JobStreams {
  /** The log, made if there is none. */
  readonly log: (queue: string) => Effect.Effect<Log, unknown>
  /** Adds to the log. What has the same name is added once. */
  readonly add: (queue: string, name: string, data: Uint8Array) => Promise<PubAck>
  /** Reads the log from a message on, until the scope closes. */
  readonly read: (queue: string, from: number, reader: Reader) => Effect.Effect<void, unknown, Scope.Scope>
  readonly load: (queue: string, log: Log) => Effect.Effect<Kept | undefined, unknown>
  /** Keeps the state at a message, and lets go of what stands in the log before the one that was kept before. Answers its bytes. */
  readonly save: (queue: string, log: Log, kept: Omit<Kept, "bytes">) => Effect.Effect<number, unknown>
}

export interface Reader {
  readonly onMessage: (message: Arrived) => void
  /** The server tells that there is nothing new. */
  readonly onHeartbeat: () => void
  /** The server reads no more. */
  readonly onEnd: () => void
}

/** Whether asking again would bring the same. */
export const isRefusal = (error: unknown): boolean =>
  error instanceof JetStreamApiError && error.status !== 503 || Schema.isSchemaError(error)

/** Whether nobody has taken what was sent: its stream is gone, or not there yet. */
export const isUnheard = (error: unknown): boolean =>
  error instanceof Error && error.cause instanceof RequestError && error.cause.isNoResponders()

const attempt = <A>(run: () => Promise<A>): Effect.Effect<A, unknown> =>
  Effect.tryPromise({ try: run, catch: (error) => error })

/** Names of streams and parts of subjects have no dots and no slashes. */
const escape = (queue: string): string => queue.replaceAll(".", "=d").replaceAll("/", "=s")

/** The streams of a store. Fails where the server has no JetStream or the user may not use it. */
export const jobStreams = (
  { connection, failure }: Nats["Service"],
  { prefix, room, timeout }: { readonly prefix: string; readonly room: number; readonly timeout: number }
): Effect.Effect<JobStreams, Message.StoreUnavailable> =>
  Effect.gen(function*() {
    const manager = yield* attempt(() => jetstreamManager(connection, { timeout }))
    const client = manager.jetstream()
    const logOf = (queue: string) => ({
      name: `${prefix}=jobs=${escape(queue)}`,
      subject: `${prefix}.jobs.log.${escape(queue)}`
    })
    const saved = `${prefix}=jobs-saved`
    const headOf = (queue: string) => `${prefix}.jobs.saved.${escape(queue)}.head`
    const partsOf = (queue: string, at: number | "*") => `${prefix}.jobs.saved.${escape(queue)}.${at}.part`
    yield* stream(manager, saved, `${prefix}.jobs.saved.>`, timeout)

    const load = Effect.fnUntraced(function*(queue: string, { created }: Log) {
      const found = yield* attempt(() => manager.streams.getMessage(saved, { last_by_subj: headOf(queue) }))
      const head = found === null ? undefined : yield* readHead(found.string())
      if (head?.created !== created) return { seq: found?.seq ?? 0, head: undefined }
      return { seq: found?.seq ?? 0, head }
    })
    const streams: JobStreams = {
      log: (queue) => {
        const { name, subject } = logOf(queue)
        return Effect.map(stream(manager, name, subject, timeout), ({ created, state }) => ({
          created,
          first: state.first_seq
        }))
      },
      add: (queue, name, data) => client.publish(logOf(queue).subject, data, { msgID: name, timeout }),
      read: (queue, from, reader) => {
        const { name } = logOf(queue)
        const inbox = createInbox()
        const consumer = {
          deliver_subject: inbox,
          deliver_policy: DeliverPolicy.StartSequence,
          opt_start_seq: Math.max(1, from),
          ack_policy: AckPolicy.None,
          replay_policy: ReplayPolicy.Instant,
          flow_control: true,
          idle_heartbeat: nanos(heartbeat),
          mem_storage: true
        }
        const callback = (error: Error | null, message: Msg) =>
          error === null ? heard(message, reader, (to) => connection.publish(to)) : reader.onEnd()
        return Effect.acquireRelease(
          Effect.try({ try: () => connection.subscribe(inbox, { callback }), catch: (error) => error }),
          (subscription) => Effect.sync(() => subscription.unsubscribe())
        ).pipe(
          Effect.andThen(attempt(() => manager.consumers.add(name, consumer))),
          Effect.flatMap((made) =>
            // Where this is not heard, the server finds out by itself that nobody listens.
            Effect.addFinalizer(() => Effect.sync(() => void manager.consumers.delete(name, made.name).catch(() => {})))
          )
        )
      },
      load: (queue, log) =>
        Effect.gen(function*() {
          const { head } = yield* load(queue, log)
          if (head === undefined) return undefined
          const { at, parts, stamp } = head
          const found = yield* Effect.forEach(
            Array.from({ length: parts }, (_, part) => `${partsOf(queue, at)}.${part}`),
            (subject) => attempt(() => manager.streams.getMessage(saved, { last_by_subj: subject })),
            { concurrency: 8 }
          )
          const bytes = found.flatMap((part) => part === null ? [] : [part.data])
          // Others have kept a later state meanwhile.
          if (bytes.length < parts) return yield* Effect.fail(new Error("a state was replaced while it was read"))
          const whole = Buffer.concat(bytes)
          return { at, stamp, state: yield* decodeState(whole), bytes: whole.length }
        }),
      save: (queue, log, { at, stamp, state }) =>
        Effect.gen(function*() {
          const { head, seq } = yield* load(queue, log)
          if (head !== undefined && head.at >= at) return yield* Effect.fail(new Error("a later state is kept"))
          const bytes = yield* encodeState(state)
          const parts = portionsOf(bytes, Math.min(mostPortion, room))
          yield* Effect.forEach(
            parts,
            (data, part) => attempt(() => client.publish(`${partsOf(queue, at)}.${part}`, data, { timeout })),
            { concurrency: 8 }
          )
          const next = writeHead({ created: log.created, at, stamp, parts: parts.length })
          yield* attempt(() => client.publish(headOf(queue), next, { timeout, expect: { lastSubjectSequence: seq } }))
          if (head !== undefined) yield* attempt(() => manager.streams.purge(logOf(queue).name, { seq: head.at }))
          const { state: { subjects = {} } } = yield* attempt(() =>
            manager.streams.info(saved, { subjects_filter: `${partsOf(queue, "*")}.>` })
          )
          const before = new Set(Object.keys(subjects).map((subject) => Number(subject.split(".").at(-3))))
          for (const old of before) {
            if (old < at) yield* attempt(() => manager.streams.purge(saved, { filter: `${partsOf(queue, old)}.>` }))
          }
          return bytes.length
        })
    }
    return streams
  }).pipe(Effect.mapError(failure))

/** The stream of these subjects, made if there is none. */
const stream = (
  { streams }: JetStreamManager,
  name: string,
  subject: string,
  timeout: number
): Effect.Effect<StreamInfo, unknown> =>
  Effect.catchIf(
    attempt(() => streams.info(name)),
    (error) => error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound,
    () =>
      attempt(() =>
        streams.add({
          name,
          subjects: [subject],
          storage: StorageType.File,
          duplicate_window: nanos(Math.max(memory, 2 * timeout))
        })
      )
  )

/** A message of the log, or what the server says of itself. */
const heard = (message: Msg, reader: Reader, publish: (subject: string) => void): void => {
  const { headers, reply = "" } = message
  if (headers !== undefined && headers.code >= 100) {
    const stalled = headers.get("Nats-Consumer-Stalled")
    if (headers.code !== 100) reader.onEnd()
    else if (reply !== "") message.respond()
    else if (stalled !== "") publish(stalled)
    return reader.onHeartbeat()
  }
  // $JS.ACK.[domain.account.]stream.consumer.deliveries.seq.count.stamp.pending[.random]
  const tokens = reply.split(".")
  const [seq = "", , stamp = ""] = tokens.slice(tokens.length === 9 ? 5 : 7)
  reader.onMessage({ seq: Number(seq), stamp, name: headers?.get("Nats-Msg-Id") ?? "", data: message.data })
}

/** In pieces of no more bytes than that, one at least. */
export const portionsOf = (bytes: Uint8Array, most: number): ReadonlyArray<Uint8Array> =>
  Array.from(
    { length: Math.max(1, Math.ceil(bytes.length / most)) },
    (_, at) => bytes.subarray(at * most, (at + 1) * most)
  )
