import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Message } from "heddle/messaging"

/** How many characters of a message a notification has; the server takes less than 8,000 bytes. */
const longest = 7900

const Head = Schema.Tuple([Schema.String, Schema.Record(Schema.String, Schema.String)])
const readHead = Schema.decodeUnknownOption(Schema.fromJsonString(Head))

/**
 * Messages as the notifications of one transaction. Each has numbers in front: which message, which piece, of how many. The server
 * tells the same text once in a transaction, so no two may be equal.
 */
export const piecesOf = (messages: ReadonlyArray<Message.Message>): ReadonlyArray<string> =>
  messages.flatMap(({ headers, payload, subject }, number) => {
    const body = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString("base64")
    const text = `${JSON.stringify([subject, headers])}\n${body}`
    const count = Math.ceil(text.length / longest)
    return Array.from(
      { length: count },
      (_, at) => `${number},${at},${count} ${text.slice(at * longest, (at + 1) * longest)}`
    )
  })

/** Puts together what comes in pieces. Those of a message come one after another, since a transaction's do. */
export class Pieces {
  private parts: Array<string> = []

  /** The message that is complete with this piece. */
  hear(piece: string): Message.Message | undefined {
    const [, at, count, text] = /^\d+,(\d+),(\d+) (.*)$/s.exec(piece) ?? []
    if (text === undefined) return undefined
    // What had begun and does not go on was told to a session that is gone.
    if (at === "0") this.parts = []
    if (this.parts.length !== Number(at)) return undefined
    this.parts.push(text)
    if (this.parts.length < Number(count)) return undefined
    const whole = this.parts.join("")
    this.parts = []
    return messageOf(whole)
  }
}

/** Undefined for what somebody else has notified. */
const messageOf = (text: string): Message.Message | undefined => {
  const end = text.indexOf("\n")
  const head = end < 0 ? Option.none() : readHead(text.slice(0, end))
  if (Option.isNone(head)) return undefined
  const [subject, headers] = head.value
  return { _tag: "Message", subject, headers, payload: Uint8Array.from(Buffer.from(text.slice(end + 1), "base64")) }
}
