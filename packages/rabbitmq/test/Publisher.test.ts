import { afterAll, assert, describe, it } from "@effect/vitest"
import { Servers } from "@heddle/testkit"
import { connect, type ConsumeMessage } from "amqplib"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Publisher, Unroutable } from "../src/internal/Publisher.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const server = await Effect.runPromise(Scope.provide(Servers.rabbitmq, scope))

/** What publishes, and a channel of a client that knows nothing of Heddle, with a queue of its own. */
const make = Effect.acquireRelease(
  Effect.promise(async () => {
    const connection = await connect(server.url)
    const [publishing, reading] = [await connection.createConfirmChannel(), await connection.createChannel()]
    const { queue } = await reading.assertQueue("", { exclusive: true })
    return { connection, publishing, publisher: new Publisher(publishing), reading, queue }
  }),
  ({ connection }) => Effect.promise(() => connection.close())
)

describe("Publisher", () => {
  it.live("messages of all sizes arrive as they were sent, in their order, and each is confirmed once", () =>
    Effect.gen(function*() {
      const { publisher, queue, reading } = yield* make
      // Around the size of a frame (131,072) and of what is sent at once (65,536).
      const sizes = [0, 1, 65_000, 65_500, 131_063, 131_064, 131_065, 262_128, 262_129, 1_000_000, 3]
      const contents = sizes.map((size, at) => Buffer.alloc(size, at + 1))
      const confirmed: Array<number> = []
      const arrived = new Promise<ReadonlyArray<ConsumeMessage>>((resolve) => {
        const all: Array<ConsumeMessage> = []
        void reading.consume(queue, (message) => {
          if (message !== null && all.push(message) === contents.length) resolve(all)
        }, { noAck: true })
      })
      const over = Promise.all(contents.map((content, at) => {
        const headers = { place: `${at}`, name: "Zoë 京都", empty: "" }
        const properties = {
          headers,
          persistent: at % 2 === 0,
          messageId: `ü ${at}`,
          timestamp: 1_764_288_000_123 + at
        }
        return new Promise<void>((resolve, reject) =>
          publisher.publish({ exchange: "", key: queue, mandatory: at % 3 === 0 }, properties, content, (error) => {
            confirmed.push(at)
            if (error === undefined) resolve()
            else reject(error)
          })
        )
      }))
      yield* Effect.promise(() => over)
      const all = yield* Effect.promise(() => arrived)
      all.forEach(({ content, properties }, at) => {
        assert.isTrue(content.equals(contents[at] ?? Buffer.alloc(0)), `the content of ${sizes[at]} bytes`)
        assert.deepStrictEqual(properties.headers, { place: `${at}`, name: "Zoë 京都", empty: "" })
        assert.strictEqual(properties.messageId, `ü ${at}`)
        assert.strictEqual(properties.timestamp, 1_764_288_000_123 + at)
        assert.strictEqual(properties.deliveryMode, at % 2 === 0 ? 2 : undefined)
      })
      assert.deepStrictEqual(confirmed.toSorted((one, other) => one - other), [...contents.keys()])
    }).pipe(Effect.scoped))

  it.live("tells which of them no queue has taken, and all that the channel leaves open", () =>
    Effect.gen(function*() {
      const { publisher, publishing, queue } = yield* make
      const told: Array<Error | undefined> = []
      const send = (key: string, at: number) =>
        new Promise<void>((resolve) =>
          publisher.publish({ exchange: "", key, mandatory: true }, {}, Buffer.from("a"), (error) => {
            told[at] = error
            resolve()
          })
        )
      yield* Effect.promise(() => Promise.all([queue, "nobody", queue, "nobody either"].map(send)))
      assert.deepStrictEqual(told.map((error) => error instanceof Unroutable), [false, true, false, true])
      assert.deepStrictEqual([told[0], told[2]], [undefined, undefined])
      publishing.on("error", () => {})
      publisher.publish({ exchange: "nowhere", key: "", mandatory: true }, {}, Buffer.from("a"), () => {})
      yield* Effect.promise(() => Promise.all([send(queue, 4), send(queue, 5)]))
      assert.deepStrictEqual([told[4]?.message, told[5]?.message], ["channel closed", "channel closed"])
    }).pipe(Effect.scoped))

  it.live("ends when the server has told of all, and takes nothing after that", () =>
    Effect.gen(function*() {
      const { publisher, queue } = yield* make
      const told: Array<string | undefined> = []
      const send = () =>
        publisher.publish({ exchange: "", key: queue, mandatory: true }, {}, Buffer.from("a"), (error) => {
          told.push(error?.message)
        })
      send()
      yield* publisher.end
      assert.deepStrictEqual(told, [undefined])
      send()
      assert.deepStrictEqual(told, [undefined, "channel closed"])
    }).pipe(Effect.scoped))
})
