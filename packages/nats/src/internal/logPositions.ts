import { JetStreamApiCodes, type JetStreamClient, type JetStreamManager, StorageType } from "@nats-io/jetstream"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { LogBackend } from "heddle/messaging"
import { attempt, escape, hasCode } from "./logStreams.ts"

const State = Schema.fromJsonString(
  Schema.Struct({ token: Schema.BigIntFromString, position: Schema.optionalKey(Schema.BigIntFromString) })
)
const readState = Schema.decodeEffect(State)
const writeState = Schema.encodeSync(State)

/** A consumer as the server has it. `seq`: which message says so; 0 where there is none. */
interface Known {
  readonly seq: number
  readonly token: bigint
  readonly position: bigint | undefined
}

/**
 * The consumers of all logs of a store: the last message of a subject each, written on condition that it is the one that was read. So a
 * position moves on from what was seen, and by nobody whose token is not the last.
 */
export class LogPositions {
  private readonly manager: JetStreamManager
  private readonly client: JetStreamClient
  private readonly prefix: string
  private readonly timeout: number
  private readonly stream: string
  /** What this process has written last, so that it need not be read again. */
  private readonly written = new Map<string, Known>()
  constructor(manager: JetStreamManager, prefix: string, timeout: number) {
    this.manager = manager
    this.client = manager.jetstream()
    this.prefix = prefix
    this.timeout = timeout
    this.stream = `${prefix}=log-positions`
  }

  /** Makes the stream if there is none. */
  get ready(): Effect.Effect<void, unknown> {
    const { streams } = this.manager
    return Effect.asVoid(Effect.catchIf(
      attempt(() => streams.info(this.stream)),
      (error) => hasCode(error, JetStreamApiCodes.StreamNotFound),
      () =>
        attempt(() =>
          streams.add({
            name: this.stream,
            subjects: [`${this.prefix}.log-positions.>`],
            storage: StorageType.File,
            max_msgs_per_subject: 1
          })
        )
    ))
  }

  attach(log: string, consumer: string): Effect.Effect<LogBackend.Attached, unknown> {
    return Effect.flatMap(this.read(log, consumer), (known) => {
      const token = known.token + 1n
      return Effect.flatMap(
        this.write(log, consumer, { ...known, token }),
        (made) => made ? Effect.succeed({ token, position: known.position }) : this.attach(log, consumer)
      )
    })
  }

  commit(log: string, consumer: string, token: bigint, offset: bigint): Effect.Effect<boolean, unknown> {
    const before = this.written.get(this.subject(log, consumer))
    const found = before?.token === token ? Effect.succeed(before) : this.read(log, consumer)
    return Effect.flatMap(found, (known) => {
      if (known.token !== token) return Effect.succeed(false)
      if (known.position !== undefined && known.position >= offset) return this.isLast(log, consumer, token)
      return Effect.flatMap(
        this.write(log, consumer, { ...known, position: offset }),
        (made) => made ? Effect.succeed(true) : this.commit(log, consumer, token, offset)
      )
    })
  }

  /** Nothing is to be written, and so nothing tells that another has come. */
  private isLast(log: string, consumer: string, token: bigint): Effect.Effect<boolean, unknown> {
    return Effect.map(this.read(log, consumer), (known) => known.token === token)
  }

  position(log: string, consumer: string): Effect.Effect<bigint | undefined, unknown> {
    return Effect.map(this.read(log, consumer), ({ position }) => position)
  }

  private subject(log: string, consumer: string): string {
    return `${this.prefix}.log-positions.${escape(log)}.${escape(consumer)}`
  }

  private read(log: string, consumer: string): Effect.Effect<Known, unknown> {
    return Effect.gen({ self: this }, function*() {
      const subject = this.subject(log, consumer)
      const found = yield* attempt(() => this.manager.streams.getMessage(this.stream, { last_by_subj: subject }))
      if (found === null) return { seq: 0, token: 0n, position: undefined }
      const { position, token } = yield* readState(found.string())
      return { seq: found.seq, token, position }
    })
  }

  /** False where another has written meanwhile. What became of one that fails is not known, and is read again. */
  private write(log: string, consumer: string, { position, seq, token }: Known): Effect.Effect<boolean, unknown> {
    const subject = this.subject(log, consumer)
    const state = writeState({ token, ...(position === undefined ? {} : { position }) })
    this.written.delete(subject)
    const { client, timeout } = this
    const options = { timeout, expect: { lastSubjectSequence: seq } }
    return attempt(() => client.publish(subject, state, options)).pipe(
      Effect.map(({ seq }) => {
        this.written.set(subject, { seq, token, position })
        return true
      }),
      Effect.catchIf(
        (error) => hasCode(error, JetStreamApiCodes.StreamWrongLastSequence),
        () => Effect.succeed(false)
      )
    )
  }
}
