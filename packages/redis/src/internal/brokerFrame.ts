import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Message } from "heddle/messaging"

const Head = Schema.Tuple([Schema.String, Schema.Record(Schema.String, Schema.String)])
const decodeHead = Schema.decodeUnknownOption(Schema.fromJsonString(Head))

/** A message as text: a line of JSON, and the payload with each byte as one character. */
export const writeMessage = ({ headers, payload, subject }: Message.Message): string =>
  `${JSON.stringify([subject, headers])}\n${
    Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("latin1")
  }`

/** Undefined for what somebody else has published. */
export const readMessage = (text: string): Message.Message | undefined => {
  const end = text.indexOf("\n")
  const head = end < 0 ? undefined : readHead(text.slice(0, end))
  if (head === undefined) return undefined
  const { buffer, byteLength, byteOffset } = Buffer.from(text.slice(end + 1), "latin1")
  const [subject, headers] = head
  return { _tag: "Message", subject, headers, payload: new Uint8Array(buffer, byteOffset, byteLength) }
}

/** Those of a subject without headers are all the same. */
let last: readonly [text: string, head: typeof Head.Type | undefined] = ["", undefined]

const readHead = (text: string): typeof Head.Type | undefined => {
  if (text !== last[0]) last = [text, Option.getOrUndefined(decodeHead(text))]
  return last[1]
}
