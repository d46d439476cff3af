import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type LogEntry, LogMachine, LogStore } from "heddle/messaging"
import { bytes, numbers, texts } from "./logStage.ts"
import { unique } from "./Stage.ts"

const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
const names = Schema.Literals(["a", "b"])

const Order = Schema.TaggedUnion({
  Append: { count: int(0, 3) },
  Attach: { name: names },
  /** Which of the consumers so far, counted from the last; and which entry, counted from the first. There may be none. */
  Commit: { consumer: int(0, 3), entry: int(0, 12) },
  Position: { name: names },
  Read: { from: Schema.Literals(["oldest", "end", "last", "offset"]), n: int(1, 12) }
})
type Order = typeof Order.Type

const keepAll = { count: Infinity, age: Infinity }

/** What a machine and a store have in common is the number of an entry: their offsets are others. */
const compare = (store: LogStore.LogStore["Service"], log: string, orders: ReadonlyArray<Order>) =>
  Effect.gen(function*() {
    const machine = new LogMachine.LogMachine()
    const offsets: Array<bigint> = []
    const consumers: Array<{ readonly name: string; readonly token: bigint; readonly real: LogStore.Consumer }> = []
    /** How many entries are before an offset, or up to a position. */
    const before = (offset: bigint) => offsets.filter((one) => one < offset).length
    const upTo = (position: Option.Option<bigint>) =>
      Option.getOrUndefined(Option.map(position, (offset) => before(offset + 1n)))
    const perform = Order.match({
      Append: ({ count }) =>
        Effect.gen(function*() {
          const payloads = numbers(count, offsets.length).map(bytes)
          machine.append(0, payloads.map((payload) => ({ payload, headers: {} })), keepAll)
          offsets.push(...yield* store.append(log, payloads.map((payload) => ({ payload }))))
        }),
      Attach: ({ name }) =>
        Effect.gen(function*() {
          const { position, token } = machine.attach(name)
          const real = yield* store.attach(log, name)
          assert.strictEqual(upTo(real.position), position === undefined ? undefined : Number(position))
          const last = consumers.findLast((one) => one.name === name)
          assert.isTrue(last === undefined || real.token > last.real.token)
          consumers.push({ name, token, real })
        }),
      Commit: ({ consumer, entry }) =>
        Effect.gen(function*() {
          const found = consumers.at(-1 - consumer)
          const offset = offsets[entry]
          if (found === undefined || offset === undefined) return
          const made = machine.commit(found.name, found.token, BigInt(entry + 1))
          const real = yield* Effect.result(found.real.commit(offset))
          assert.strictEqual(Result.isSuccess(real), made)
          const position = machine.position(found.name)
          const answered = upTo(yield* store.position(log, found.name))
          assert.strictEqual(answered, position === undefined ? undefined : Number(position))
        }),
      Position: ({ name }) =>
        Effect.map(store.position(log, name), (found) => {
          const position = machine.position(name)
          assert.strictEqual(upTo(found), position === undefined ? undefined : Number(position))
        }),
      Read: ({ from, n }) =>
        Effect.gen(function*() {
          const last = (count: number): LogEntry.From => ({ last: count })
          const place = from === "offset"
            ? { offset: BigInt(Math.min(n, offsets.length + 1)) }
            : machine.place(from === "last" ? { last: n } : from)
          const skipped = Number(place.offset) - 1
          const offset = offsets[skipped] ?? (offsets.at(-1) ?? 0n) + 1n
          const reading = yield* store.read(log, from === "offset" ? { offset } : from === "last" ? last(n) : from)
          assert.strictEqual(before(reading.offset), skipped)
          const rest = offsets.length - skipped
          if (rest > 0) assert.deepStrictEqual(yield* texts(reading, rest), numbers(rest, skipped))
        })
    })
    for (const order of orders) yield* perform(order)
  })

/** A law of many orders: the store does what the machine does. */
export const logTwinLaw = <E>(layer: Layer.Layer<LogStore.LogStore, E>): void => {
  it.live.prop(
    "answers what the machine answers, order by order",
    [Schema.Array(Order)],
    ([orders]) =>
      Effect.flatMap(
        Layer.build(Layer.fresh(layer)),
        (services) => compare(Context.get(services, LogStore.LogStore), unique(), orders)
      ).pipe(Effect.scoped),
    { arbitrary: { runs: 20, size: 40 }, timeout: 120_000 }
  )
}
