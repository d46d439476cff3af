import type { ConsumeMessage, GetMessage, Options } from "amqplib"
import type { Job } from "heddle/messaging"

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

export const encode = (
  { at, attempts, headers, id, left, maxAttempts, payload, token }: StoredJob,
  failure?: Job.Failure
): { readonly content: Buffer; readonly options: Options.Publish } => {
  const error = failure?.error
  const content = failure === undefined
    ? Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
    : Buffer.concat([payload, error ?? new Uint8Array(0), Buffer.from(failure.cause)])
  const lengths = failure === undefined ? [] : [payload.length, error === undefined ? -1 : error.length]
  return {
    content,
    options: {
      persistent: true,
      messageId: id,
      headers: { heddle: { at, attempts, headers, left, lengths, maxAttempts, token } }
    }
  }
}

/** Other clients may have put messages into the queue: what they do not say has its default. */
export const decode = ({ content, fields, properties }: ConsumeMessage | GetMessage): StoredJob & {
  readonly failure: Job.Failure
  /** How often the server has taken it back from somebody. */
  readonly deliveries: number
} => {
  const all = record(properties.headers)
  const own = record(all["heddle"])
  const [first, second] = Array.isArray(own["lengths"]) ? own["lengths"].map(Number) : []
  const error = second === undefined || second < 0 ? 0 : second
  const end = first ?? content.length
  const id: unknown = properties.messageId
  return {
    id: typeof id === "string" && id !== "" ? id : `unnamed-${fields.deliveryTag}`,
    payload: content.subarray(0, end),
    headers: Object.fromEntries(
      Object.entries(record(own["headers"])).flatMap(([name, value]) =>
        typeof value === "string" ? [[name, value]] : []
      )
    ),
    attempts: count(own["attempts"], 0),
    token: count(own["token"], 0),
    maxAttempts: count(own["maxAttempts"], 10),
    at: count(own["at"], Date.now()),
    left: count(own["left"], 0),
    deliveries: count(all["x-delivery-count"], 0),
    failure: {
      cause: content.subarray(end + error).toString(),
      error: second === undefined || second < 0 ? undefined : content.subarray(end, end + error)
    }
  }
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {}

const count = (value: unknown, otherwise: number): number => typeof value === "number" ? value : otherwise
