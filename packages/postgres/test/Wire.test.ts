import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { SqlError } from "effect/sql/SqlError"
import { Duplex } from "node:stream"
import { Statement } from "../src/internal/Statement.ts"
import { codeOf } from "../src/internal/unavailable.ts"
import { Wire } from "../src/internal/Wire.ts"

/** A socket whose server says what the test says. */
class Line extends Duplex {
  readonly sent: Array<Buffer> = []
  override _read() {}
  override _write(chunk: Buffer, _: string, done: () => void) {
    this.sent.push(chunk)
    done()
  }
}

const lines = (together: boolean) => {
  const line = new Line()
  line.on("data", () => assert.fail("the first reader still reads"))
  const heard: Array<string> = []
  const wire = Wire.takeOver(line, together) ?? assert.fail()
  const ask = (statement: Statement, ...numbers: ReadonlyArray<bigint>) =>
    wire.run(statement, numbers, (number) => heard.push(String(number)), (error: SqlError) => {
      heard.push(codeOf(error) === "" ? error.reason._tag : codeOf(error))
    })
  return { line, heard, ask }
}

const wait = new Statement("wait", "select pg_advisory_lock($1)::text, nextval('fence')", 1, 1)
const take = new Statement("take", "select case when pg_try_advisory_lock($1) then nextval('fence') end", 1, 0)
const give = new Statement("give", "select pg_advisory_unlock($1)", 1)

const message = (type: string, ...parts: ReadonlyArray<Buffer | string>) => {
  const body = Buffer.concat(parts.map((part) => typeof part === "string" ? Buffer.from(part, "latin1") : part))
  const head = Buffer.alloc(5, type)
  head.writeUInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const column = (value: Buffer | undefined) => {
  const length = Buffer.alloc(4)
  length.writeInt32BE(value?.length ?? -1)
  return value === undefined ? length : Buffer.concat([length, value])
}
const int8 = (number: bigint) => {
  const value = Buffer.alloc(8)
  value.writeBigInt64BE(number)
  return value
}
const row = (...values: ReadonlyArray<Buffer | undefined>) =>
  message("D", Buffer.from([0, values.length]), ...values.map(column))
const ready = message("Z", "I")
const parsed = [message("3"), message("1")]
const done = [message("C", "SELECT 1\0"), ready]
const refusal = message("E", "SERROR\0", "C57014\0", "Mcanceled\0", "\0")

/** What is sent to parse a statement anew, and to carry it out. */
const parses = (sent: Buffer | undefined) => sent?.toString("latin1").startsWith("C") === true

describe("the wire of a session", () => {
  it("reads answers however they are cut into pieces", () => {
    const answers = Buffer.concat([
      message("N", "Snotice\0\0"),
      ...parsed,
      message("2"),
      row(Buffer.alloc(0), int8(-7n)),
      ...done,
      ...parsed,
      message("2"),
      row(undefined),
      ...done,
      refusal,
      ready,
      message("2"),
      row(int8(2n ** 40n)),
      ...done
    ])
    const hear = (pieces: ReadonlyArray<Buffer>) => {
      const { ask, heard, line } = lines(false)
      ask(wait, 1n)
      ask(take, 2n)
      ask(give, 3n)
      ask(take, 4n)
      for (const piece of pieces) line.emit("data", piece)
      return heard
    }
    const all = ["-7", "undefined", "57014", String(2n ** 40n)]
    assert.deepStrictEqual(hear(Array.from(answers, (byte) => Buffer.from([byte]))), all)
    for (let cut = 0; cut <= answers.length; cut++) {
      assert.deepStrictEqual(hear([answers.subarray(0, cut), answers.subarray(cut)]), all)
    }
  })

  it("has a statement parsed until it was, and anew after it failed", () => {
    const { ask, line } = lines(false)
    ask(take, 1n)
    ask(take, 2n)
    line.emit("data", Buffer.concat([...parsed, row(int8(1n)), ...done]))
    ask(take, 3n)
    line.emit("data", Buffer.concat([refusal, ready, refusal, ready]))
    ask(take, 4n)
    assert.deepStrictEqual(line.sent.map(parses), [true, true, false, true])
  })

  it.effect("sends statements of one tick together where it is told so, and else each at once", () =>
    Effect.gen(function*() {
      const [each, all] = [lines(false), lines(true)]
      for (const { ask } of [each, all]) {
        ask(take, 1n)
        ask(give, 2n)
      }
      assert.deepStrictEqual([each.line.sent.length, all.line.sent.length], [2, 0])
      yield* Effect.promise(() => Promise.resolve())
      assert.deepStrictEqual(all.line.sent, [Buffer.concat(each.line.sent)])
    }))

  it.effect("fails what was asked when the connection ends, and what is asked after it", () =>
    Effect.gen(function*() {
      const { ask, heard, line } = lines(false)
      ask(wait, 1n)
      ask(give, 1n)
      line.emit("data", message("E", "SFATAL\0", "C57P01\0", "Mterminated\0", "\0"))
      yield* Effect.callback<void>((resume) => {
        line.once("close", () => resume(Effect.void)).destroy()
      })
      ask(take, 1n)
      assert.deepStrictEqual(heard, Array.from({ length: 3 }, () => "ConnectionError"))
    }))

  it("leaves a socket alone that nobody reads: what it brings is read elsewhere", () => {
    assert.isUndefined(Wire.takeOver(new Line(), false))
  })
})
