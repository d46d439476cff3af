import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Message } from "heddle/messaging"

const Head = Schema.Tuple([Schema.String, Schema.Record(Schema.String, Schema.String)])
const readHead = Schema.decodeUnknownOption(Schema.fromJsonString(Head))

/** A message as text: a line of JSON, and the payload with each byte as one character. */
export const writeMessage = ({ headers, payload, subject }: Message.Message): string =>
  `${JSON.stringify([subject, headers])}\n${
    Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("latin1")
  }`

/** Undefined for what somebody else has published. */
export const readMessage = (text: string): Message.Message | undefined => {
  const end = text.indexOf("\n")
  const head = end < 0 ? Option.none() : readHead(text.slice(0, end))
  if (Option.isNone(head)) return undefined
  const [subject, headers] = head.value
  return { _tag: "Message", subject, headers, payload: Uint8Array.from(Buffer.from(text.slice(end + 1), "latin1")) }
}
