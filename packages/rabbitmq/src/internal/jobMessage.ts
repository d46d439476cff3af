import type { ConsumeMessage, GetMessage } from "amqplib"
import type { Job } from "heddle/messaging"
import type { Properties } from "./Frames.ts"

/** A job as it lies in a queue. */
export interface StoredJob {
  readonly id: string
  readonly payload: Uint8Array
  readonly headers: Job.Headers
  /** Attempts that are counted in the message itself. Those since then the server counts. */
  readonly attempts: number
  /** All tokens of claims of this message are above. */
  readonly token: number
  readonly maxAttempts: number
  /** When it was enqueued, in milliseconds of the wall clock of who did it. */
  readonly at: number
  /** Milliseconds of its delay that are left when it leaves the queue that it waits in. */
  readonly left: number
}

/** A message that replaces another has all its tokens above those of the other, should both be there after a crash. */
export const moved = 2 ** 32

/** Each delivery has its tokens above those of the one before. */
export const delivered = 2 ** 16

/** What has its default is not written: most jobs have no header. */
export const encode = (
  { at, attempts, headers, id, left, maxAttempts, payload, token }: StoredJob,
  failure?: Job.Failure
): { readonly content: Uint8Array; readonly properties: Properties } => {
  let content = payload
  let own: Record<string, unknown> | undefined
  const add = (name: string, value: unknown) => (own ??= {})[name] = value
  if (attempts !== 0) add("attempts", attempts)
  if (token !== 0) add("token", token)
  if (left !== 0) add("left", left)
  if (maxAttempts !== usual) add("maxAttempts", maxAttempts)
  for (const _ in headers) {
    add("headers", headers)
    break
  }
  if (failure !== undefined) {
    const { cause, error } = failure
    add("lengths", [payload.length, error === undefined ? -1 : error.length])
    content = Buffer.concat([payload, error ?? new Uint8Array(0), Buffer.from(cause)])
  }
  return {
    content,
    properties: {
      persistent: true,
      messageId: id,
      timestamp: at,
      headers: own === undefined ? undefined : { heddle: JSON.stringify(own) }
    }
  }
}

/** Other clients may have put messages into the queue: what they do not say has its default. */
export const decode = ({ content, fields, properties }: ConsumeMessage | GetMessage): StoredJob & {
  /** How often the server has taken it back from somebody. */
  readonly deliveries: number
} => {
  const all = record(properties.headers)
  const own = ownOf(all)
  const id: unknown = properties.messageId
  return {
    id: typeof id === "string" && id !== "" ? id : `unnamed-${fields.deliveryTag}`,
    payload: content.subarray(0, lengthsOf(own)[0] ?? content.length),
    headers: own["headers"] === undefined ? none : texts(record(own["headers"])),
    attempts: count(own["attempts"], 0),
    token: count(own["token"], 0),
    maxAttempts: count(own["maxAttempts"], usual),
    at: millis(count(properties.timestamp, Date.now())),
    left: count(own["left"], 0),
    deliveries: count(all["x-delivery-count"], 0)
  }
}

/** Why a dead letter died. */
export const failureOf = ({ content, properties }: ConsumeMessage | GetMessage): Job.Failure => {
  const [first, second] = lengthsOf(ownOf(record(properties.headers)))
  const has = second !== undefined && second >= 0
  const start = first ?? content.length
  const end = has ? start + second : start
  return { cause: content.subarray(end).toString(), error: has ? content.subarray(start, end) : undefined }
}

/** The attempts of a job that does not say. */
const usual = 10

const none: Job.Headers = {}

/** Others write seconds. */
const millis = (timestamp: number): number => timestamp < 100_000_000_000 ? timestamp * 1000 : timestamp

const ownOf = ({ heddle }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  if (typeof heddle !== "string") return none
  try {
    return record(JSON.parse(heddle))
  } catch {
    return none
  }
}

const lengthsOf = ({ lengths }: Readonly<Record<string, unknown>>): ReadonlyArray<number> =>
  Array.isArray(lengths) ? lengths.map(Number) : []

const texts = (headers: Readonly<Record<string, unknown>>): Job.Headers =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) => typeof value === "string" ? [[name, value]] : [])
  )

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null

const record = (value: unknown): Readonly<Record<string, unknown>> => isRecord(value) ? value : {}

const count = (value: unknown, otherwise: number): number => typeof value === "number" ? value : otherwise
