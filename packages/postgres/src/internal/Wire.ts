import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import { ConnectionError, SqlError, UnknownError } from "effect/sql/SqlError"
import type { Duplex } from "node:stream"
import type { Statement } from "./Statement.ts"

/** Carries out statements, in the order in which they are asked for. Answers come by callback, never with a promise between. */
export interface Executor {
  readonly run: (
    statement: Statement,
    numbers: ReadonlyArray<bigint>,
    done: (number: bigint | undefined) => void,
    failed: (error: SqlError) => void
  ) => void
}

interface Asked {
  readonly statement: Statement
  readonly done: (number: bigint | undefined) => void
  readonly failed: (error: SqlError) => void
  number: bigint | undefined
  error: SqlError | undefined
}

const parsed = 0x31
const row = 0x44
const failure = 0x45
const ready = 0x5A

/**
 * The statements of one session, written to its socket and read from it with nothing between: who waits for a lock goes on
 * within the event that brings the answer.
 */
export class Wire implements Executor {
  private readonly socket: Duplex
  /** Whether the statements of a tick travel together; else each leaves when it is asked for. */
  private readonly together: boolean
  private readonly known = new Set<Statement>()
  private readonly asked: Array<Asked> = []
  private readonly unsent: Array<Buffer> = []
  /** The begin of a message of which more is to come. */
  private rest: Buffer | undefined

  /** Takes a socket over from its reader; undefined where that speaks through another, as for TLS. */
  static takeOver(socket: Duplex, together: boolean): Wire | undefined {
    if (socket.listenerCount("data") === 0) return undefined
    socket.removeAllListeners("data")
    return new Wire(socket, together)
  }

  private constructor(socket: Duplex, together: boolean) {
    this.socket = socket
    this.together = together
    socket.on("data", this.read)
    socket.once("close", this.closed)
  }

  run(
    statement: Statement,
    numbers: ReadonlyArray<bigint>,
    done: (number: bigint | undefined) => void,
    failed: (error: SqlError) => void
  ): void {
    if (!this.socket.writable) return failed(lost)
    this.asked.push({ statement, done, failed, number: undefined, error: undefined })
    const frame = statement.frame(numbers, this.known.has(statement))
    if (!this.together) return void this.socket.write(frame)
    if (this.unsent.push(frame) === 1) queueMicrotask(this.send)
  }

  private readonly send = (): void => {
    const [first, ...others] = this.unsent.splice(0)
    if (first === undefined || !this.socket.writable) return
    this.socket.write(others.length === 0 ? first : Buffer.concat([first, ...others]))
  }

  private readonly closed = (): void => {
    for (const { failed } of this.asked.splice(0)) failed(lost)
  }

  private readonly read = (chunk: Buffer): void => {
    const bytes = this.rest === undefined ? chunk : Buffer.concat([this.rest, chunk])
    let at = 0
    while (bytes.length - at >= 5) {
      const end = at + 1 + bytes.readUInt32BE(at + 1)
      if (end > bytes.length) break
      this.hear(bytes, at, end)
      at = end
    }
    this.rest = at === bytes.length ? undefined : bytes.subarray(at)
  }

  private hear(bytes: Buffer, at: number, end: number): void {
    // Without a question the server only says that it ends the session.
    const [asked] = this.asked
    if (asked === undefined) return
    switch (bytes[at]) {
      case parsed:
        this.known.add(asked.statement)
        return
      case row:
        asked.number = numberIn(bytes, at + 7, asked.statement.column)
        return
      case failure:
        // What was parsed may be what failed.
        this.known.delete(asked.statement)
        asked.error = errorIn(bytes.subarray(at, end))
        return
      case ready:
        this.asked.shift()
        if (asked.error === undefined) asked.done(asked.number)
        else asked.failed(asked.error)
    }
  }
}

/** A column of a row, if it is a whole number of 8 bytes. */
const numberIn = (bytes: Buffer, columns: number, column: number | undefined): bigint | undefined => {
  if (column === undefined) return undefined
  let at = columns
  for (let before = 0; before < column; before++) at += 4 + Math.max(0, bytes.readInt32BE(at))
  return bytes.readInt32BE(at) === 8 ? bytes.readBigInt64BE(at + 4) : undefined
}

const errorIn = (message: Uint8Array): SqlError => {
  const [error] = PgProtocol.makeParser().push(message)
  const fields = error?._tag === "ErrorResponse" ? error.fields : {}
  const cause = Object.assign(new Error(fields.message), fields)
  const options = { cause, message: cause.message, operation: "query" }
  return new SqlError({
    reason: fields.code?.startsWith("08") === true ? new ConnectionError(options) : new UnknownError(options)
  })
}

const lost = new SqlError({
  reason: new ConnectionError({
    cause: new Error("Connection closed"),
    message: "the session has ended",
    operation: "query"
  })
})
