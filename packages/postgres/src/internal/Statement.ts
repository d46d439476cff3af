import * as PgProtocol from "@effect/sql-pg/PgProtocol"
import * as Result from "effect/Result"

const int8 = 20

/**
 * A statement whose parameters are whole numbers of 8 bytes, and of whose answer at most one column is read, as such a
 * number. Its messages are encoded once: each execution copies them and writes its numbers into the copy.
 */
export class Statement {
  readonly sql: string
  /** Which column of the one row is read; undefined: none. */
  readonly column: number | undefined
  /** Has the server parse the statement anew under its name, also if it had done so before. */
  private readonly parse: Buffer
  private readonly execute: Buffer
  private readonly slots: ReadonlyArray<number>
  /** `name`: what the server knows it by; no two statements of a session share one. */
  constructor(name: string, sql: string, parameters: number, column?: number) {
    this.sql = sql
    this.column = column
    const numbers = Array.from({ length: parameters }, () => new Uint8Array(8))
    const bind = encoded(PgProtocol.encodeBind({ portal: "", statement: name, parameters: numbers }))
    // At the end of `Bind` are four bytes on the format of the columns; before them the numbers, each behind its length.
    this.slots = numbers.map((_, index) => bind.length - 8 - 12 * (parameters - 1 - index) - 4)
    this.execute = Buffer.concat([bind, PgProtocol.encodeExecute({ portal: "", maxRows: 0 }), PgProtocol.encodeSync()])
    this.parse = Buffer.concat([
      PgProtocol.encodeClose({ target: "statement", name }),
      encoded(PgProtocol.encodeParse({ name, query: sql, parameterTypes: numbers.map(() => int8) }))
    ])
  }

  /** What is sent to carry it out; `known`: the session has parsed it. */
  frame(numbers: ReadonlyArray<bigint>, known: boolean): Buffer {
    const frame = Buffer.from(this.execute)
    for (let index = 0; index < this.slots.length; index++) {
      frame.writeBigInt64BE(numbers[index] ?? 0n, this.slots[index])
    }
    return known ? frame : Buffer.concat([this.parse, frame])
  }
}

const encoded = (message: Result.Result<Uint8Array, PgProtocol.EncodeError>): Uint8Array => Result.getOrThrow(message)
