import * as Effect from "effect/Effect"
import { SchemaBinary } from "effect/encoding"
import * as Schema from "effect/Schema"
import type { Job, JobMachine } from "heddle/messaging"

const Failure = Schema.Struct({ cause: Schema.String, error: Schema.optional(Schema.Uint8Array) })
const Result = Schema.UndefinedOr(Schema.Uint8Array)

const entry = {
  id: Schema.String,
  payload: Schema.Uint8Array,
  headers: Schema.Record(Schema.String, Schema.String),
  key: Schema.UndefinedOr(Schema.String),
  priority: Schema.Number,
  delay: Schema.Number,
  maxAttempts: Schema.Number,
  keep: Schema.Number
}
const claimed = { id: Schema.String, token: Schema.Number }

/** What stands in the log of a queue. Each is a step of `JobMachine`; `Saved` tells that the state at a place is kept elsewhere. */
const Order = Schema.TaggedUnion({
  Enqueue: { entries: Schema.Array(Schema.Struct(entry)) },
  Claim: { max: Schema.Number, ttl: Schema.Number, owner: Schema.String },
  Extend: { claims: Schema.Array(Schema.Struct({ ...claimed, ttl: Schema.Number })) },
  Settle: {
    ...claimed,
    settlement: Schema.TaggedUnion({
      Completed: { result: Result },
      Retry: { delay: Schema.Number, failure: Failure },
      Dead: { failure: Failure },
      HandedBack: {}
    })
  },
  Report: { ...claimed, value: Schema.Uint8Array },
  Cancel: { id: Schema.String },
  Redrive: { ids: Schema.UndefinedOr(Schema.Array(Schema.String)) },
  Purge: { what: Schema.Literals(["waiting", "dead"]) },
  Pause: { paused: Schema.Boolean },
  Look: {},
  Saved: { at: Schema.Number }
})

export type Order = typeof Order.Type

const Jobs = Schema.Array(Schema.Struct({
  ...entry,
  seq: Schema.Number,
  enqueued: Schema.Number,
  ready: Schema.Number,
  due: Schema.Number,
  attempts: Schema.Number,
  state: Schema.Literals(["waiting", "claimed", "dead", "ended"]),
  token: Schema.Number,
  owner: Schema.UndefinedOr(Schema.String),
  failure: Schema.UndefinedOr(Failure),
  outcome: Schema.UndefinedOr(Schema.TaggedUnion({
    Completed: { result: Result },
    Dead: { failure: Failure },
    Cancelled: {},
    Unknown: {}
  })),
  progress: Result
}))

/** A piece of a state: some of its jobs, and all that is not a job. */
const Piece = Schema.Struct({
  now: Schema.Number,
  paused: Schema.Boolean,
  tokens: Schema.Number,
  jobs: Jobs,
  dead: Schema.Array(Schema.String)
})

const orders = SchemaBinary.toCodec(Schema.Array(Order))
const pieces = SchemaBinary.toCodec(Piece)

export const encodeOrders: (orders: ReadonlyArray<Order>) => Uint8Array = Schema.encodeSync(orders)
/** None where they are of another version, or of nobody here. */
export const decodeOrders = Schema.decodeUnknownOption(orders)
const encodePiece = Schema.encodeSync(pieces)
const decodePiece = Schema.decodeUnknownEffect(pieces)

/** So many jobs are written or read in one go, so that nobody else in the process waits for long. */
const most = 1000
/** Others have their turn between two pieces. */
const turn = (piece: number): Effect.Effect<void> => piece === 0 ? Effect.void : Effect.yieldNow

/** A state, in pieces with their lengths before them. */
export const encodeState = (state: JobMachine.State): Effect.Effect<Uint8Array> => {
  const { dead, jobs } = state
  const write = (piece: number) => {
    const from = piece * most
    const bytes = encodePiece({ ...state, jobs: jobs.slice(from, from + most), dead: piece === 0 ? dead : [] })
    const head = Buffer.alloc(4)
    head.writeUInt32BE(bytes.length)
    return Buffer.concat([head, bytes])
  }
  return Effect.map(
    Effect.forEach(
      Array.from({ length: Math.max(1, Math.ceil(jobs.length / most)) }, (_, piece) => piece),
      (piece) => Effect.andThen(turn(piece), Effect.sync(() => write(piece)))
    ),
    (all) => Buffer.concat(all)
  )
}

export const decodeState = (bytes: Uint8Array): Effect.Effect<JobMachine.State, Schema.SchemaError> => {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const all: Array<Uint8Array> = []
  for (let at = 0; at < whole.length; at += 4 + whole.readUInt32BE(at)) {
    all.push(whole.subarray(at + 4, at + 4 + whole.readUInt32BE(at)))
  }
  return Effect.map(
    Effect.forEach(all, (piece, at) => Effect.andThen(turn(at), decodePiece(piece))),
    (found) => {
      const [first = { now: 0, paused: false, tokens: 0 }] = found
      return { ...first, jobs: found.flatMap(({ jobs }) => jobs), dead: found.flatMap(({ dead }) => dead) }
    }
  )
}

/** What an order brought: what it is asked for, the rest is left out. */
export interface Answer {
  readonly flags?: ReadonlyArray<boolean>
  readonly granted?: ReadonlyArray<JobMachine.Granted>
  readonly settled?: ReturnType<JobMachine.JobMachine["settle"]>
  readonly count?: number
  /** The token of the claim that is over now, 0 where the job waited. */
  readonly cancelled?: number
}

/** Carries an order out. Every process that follows the queue does this, in the order of the log. */
export const carryOut = (machine: JobMachine.JobMachine, now: number, order: Order): Answer => {
  machine.advance(now)
  switch (order._tag) {
    case "Enqueue":
      return { flags: machine.enqueue(now, order.entries) }
    case "Claim":
      // Above all that were given out before, also where the server has forgotten the queue: there are less in a microsecond.
      machine.tokens = Math.max(machine.tokens, Math.floor(now * 1000))
      return { granted: machine.claim(now, order.max, order.ttl, order.owner) }
    case "Extend":
      return { flags: order.claims.map(({ id, token, ttl }) => machine.extend(now, id, token, ttl)) }
    case "Settle":
      return { settled: machine.settle(now, order.id, order.token, order.settlement) }
    case "Report":
      return { flags: [machine.report(now, order.id, order.token, order.value)] }
    case "Cancel": {
      const cancelled = machine.cancel(now, order.id)
      return cancelled === undefined ? {} : { cancelled }
    }
    case "Redrive":
      return { count: machine.redrive(now, order.ids) }
    case "Purge":
      return { count: machine.purge(now, order.what) }
    case "Pause":
      machine.paused = order.paused
      return {}
    case "Look":
    case "Saved":
      return {}
  }
}

/** What those who follow a job are told at first. */
export const eventsOf = (
  machine: JobMachine.JobMachine,
  now: number,
  id: string
): ReadonlyArray<Job.JobEvent> => {
  const { outcome, progress } = machine.outcome(now, id)
  const events: Array<Job.JobEvent> = []
  if (progress !== undefined) events.push({ _tag: "Progress", value: progress })
  if (outcome !== undefined) events.push({ _tag: "Ended", outcome })
  return events
}
