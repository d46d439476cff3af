import { afterAll, assert, describe, it } from "@effect/vitest"
import { FaultProxy, Servers } from "@heddle/testkit"
import { jobStoreLaws } from "@heddle/testkit/laws"
import { connect, type Options } from "amqplib"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { JobStore, WorkQueue } from "heddle/messaging"
import { randomUUID } from "node:crypto"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { RabbitMqJobStore } from "../src/index.ts"

const scope = Scope.makeUnsafe()
afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))
const server = await Effect.runPromise(Scope.provide(Servers.rabbitmq, scope))
const proxy = await Effect.runPromise(Scope.provide(FaultProxy.make(server), scope))
const options = { servers: [`amqp://127.0.0.1:${proxy.port}`], commandTimeout: "2 seconds" } as const
const layer = RabbitMqJobStore.layer(options)

/** A channel of a client that knows nothing of Heddle. */
const client = Effect.map(
  Effect.acquireRelease(
    Effect.promise(async () => {
      const connection = await connect(server.url)
      return { connection, channel: await connection.createConfirmChannel() }
    }),
    ({ connection }) => Effect.promise(() => connection.close())
  ),
  ({ channel }) => channel
)

/**
 * A server that is killed in the second after it has made a quorum queue forgets that queue: until it has written the queue's name. It
 * writes them in turn.
 */
const written = Effect.scoped(Effect.gen(function*() {
  const name = randomUUID()
  const channel = yield* client
  yield* Effect.promise(() => channel.assertQueue(name, { arguments: { "x-queue-type": "quorum" } }))
  const data = yield* server.data
  yield* Effect.repeat(Effect.sync(() => globSync(join(data, "db/*/quorum/*/names.dets"))), {
    until: (files) => files.some((file) => readFileSync(file).includes(name)),
    schedule: Schedule.spaced(20)
  })
}))

jobStoreLaws("rabbitmq", layer, {
  delay: true,
  shared: true,
  leastTtl: 600,
  restart: Effect.andThen(written, server.restart()),
  cut: Effect.acquireRelease(proxy.cut("both"), () => proxy.heal)
})

const build = (layer: Layer.Layer<JobStore.JobStore, unknown>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), Context.get(JobStore.JobStore))
const direct = RabbitMqJobStore.layer({ ...options, servers: [server.url] })

const jobs = (...texts: ReadonlyArray<string>) => texts.map((text) => ({ payload: new TextEncoder().encode(text) }))
const text = ({ payload }: { readonly payload: Uint8Array }) => new TextDecoder().decode(payload)
const inTime = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.timeout(effect, "40 seconds")

const block = Effect.sync(() => {
  for (const from = performance.now(); performance.now() - from < 700;);
})

describe("a job store on RabbitMQ", () => {
  it.live("AC-36.1: what no queue takes is an error, and the queue is made anew", () =>
    Effect.gen(function*() {
      const [store, other] = [yield* build(direct), yield* client]
      yield* store.enqueue("gone", jobs("a"))
      yield* Effect.promise(() => other.deleteQueue("heddle.jobs|gone"))
      assert.match((yield* Effect.flip(store.enqueue("gone", jobs("b")))).message, /made anew/)
      yield* store.enqueue("gone", jobs("c"))
      assert.deepStrictEqual((yield* store.claim("gone")).map(text), ["c"])
    }).pipe(Effect.scoped))

  it.live("AC-36.2: two workers share twenty tasks in equal parts", () =>
    Effect.gen(function*() {
      const tasks = WorkQueue.make({ name: "shared-tasks", payload: Schema.Number })
      const done = [0, 0]
      const [one, two] = [yield* Layer.build(Layer.fresh(direct)), yield* Layer.build(Layer.fresh(direct))]
      for (const [worker, services] of [one, two].entries()) {
        yield* Effect.provideContext(
          tasks.process(() => Effect.delay(Effect.sync(() => done[worker] = (done[worker] ?? 0) + 1), 30), {
            concurrency: 1
          }),
          services
        )
      }
      yield* Effect.provideContext(tasks.enqueueAll(Array.from({ length: 20 }, (_, at) => at)), one)
      const sum = Effect.sync(() => done.reduce((sum, count) => sum + count, 0))
      yield* inTime(Effect.repeat(sum, { until: (sum) => sum === 20, schedule: Schedule.spaced(5) }))
      for (const count of done) assert.isTrue(count >= 8 && count <= 12, done.join(" and "))
    }).pipe(Effect.scoped))

  it.live("AC-36.3: what a worker had when its connection broke is done by another, counted, and fenced", () =>
    Effect.gen(function*() {
      const [broken, other] = [yield* build(layer), yield* build(direct)]
      yield* broken.enqueue("broken", jobs("a"))
      const [first] = yield* broken.claim("broken")
      if (first === undefined) return assert.fail("nothing to claim")
      const running = yield* Effect.forkScoped(Effect.flip(broken.keep(first, Effect.never)))
      yield* Effect.yieldNow
      yield* proxy.reset
      assert.strictEqual((yield* inTime(Fiber.join(running)))._tag, "LeaseLost")
      const [second] = yield* inTime(other.claim("broken", { waitFor: Infinity }))
      if (second === undefined) return assert.fail("nothing to claim")
      assert.deepStrictEqual([second.id, second.attempt], [first.id, 2])
      assert.isTrue(second.token > first.token)
      assert.strictEqual((yield* Effect.flip(broken.settle(first, { _tag: "Completed" })))._tag, "LeaseLost")
      assert.strictEqual(yield* other.settle(second, { _tag: "Completed" }), "Completed")
    }).pipe(Effect.scoped))

  it.live("a handler that blocks the process past its claim cannot complete", () =>
    Effect.gen(function*() {
      const store = yield* build(direct)
      yield* store.enqueue("blocked", jobs("a"))
      const [first] = yield* store.claim("blocked", { ttl: 600 })
      if (first === undefined) return assert.fail("nothing to claim")
      const ended = yield* Effect.flip(store.keep(
        first,
        Effect.andThen(
          block,
          store.settle(first, { _tag: "Completed" })
        )
      ))
      assert.strictEqual(ended._tag, "LeaseLost")
      const [second] = yield* inTime(store.claim("blocked", { ttl: 600, waitFor: Infinity }))
      if (second === undefined) return assert.fail("nothing to claim")
      assert.strictEqual(second.attempt, 2)
      // Also where nothing watches over it.
      yield* block
      assert.strictEqual((yield* Effect.flip(store.settle(second, { _tag: "Completed" })))._tag, "LeaseLost")
    }).pipe(Effect.scoped))

  it.live("what was fetched and not claimed goes to others, uncounted and in order", () =>
    Effect.gen(function*() {
      const [idle, other] = [yield* build(direct), yield* build(direct)]
      yield* idle.enqueue("fetched", jobs("0"))
      // It asks for eight, gets one, and is idle then.
      assert.strictEqual((yield* idle.claim("fetched", { max: 8 })).length, 1)
      yield* other.enqueue("fetched", jobs("1", "2", "3", "4", "5"))
      const seen: Array<string> = []
      while (seen.length < 5) {
        const [job] = yield* inTime(other.claim("fetched", { waitFor: Infinity }))
        if (job === undefined) return assert.fail("nothing to claim")
        assert.strictEqual(job.attempt, 1)
        seen.push(text(job))
        yield* other.settle(job, { _tag: "Completed" })
      }
      assert.deepStrictEqual(seen, ["1", "2", "3", "4", "5"])
    }).pipe(Effect.scoped))

  it.live("tokens of a job that was put elsewhere are above all of a copy that stayed behind", () =>
    Effect.gen(function*() {
      const store = yield* build(direct)
      yield* store.enqueue("copies", jobs("a"))
      const [first] = yield* store.claim("copies")
      if (first === undefined) return assert.fail("nothing to claim")
      yield* store.settle(first, { _tag: "Retry", delay: 0, failure: { cause: "no" } })
      const [second] = yield* inTime(store.claim("copies", { waitFor: Infinity }))
      // A copy may be taken back a thousand times, and handed back as often between.
      assert.isTrue((second?.token ?? 0n) > first.token + 1000n * 65_536n)
    }).pipe(Effect.scoped))

  it.live("a message of another client is a job", () =>
    Effect.gen(function*() {
      const [store, other] = [yield* build(direct), yield* client]
      yield* store.claim("foreign", { waitFor: 0 })
      const put = (options: Options.Publish) => other.sendToQueue("heddle.jobs|foreign", Buffer.from("hello"), options)
      put({ headers: { heddle: JSON.stringify({ headers: 7, lengths: 1 }) } })
      put({ headers: { heddle: { attempts: 3 } } })
      put({ headers: { heddle: "{" }, timestamp: Math.floor(Date.now() / 1000) - 3600 })
      yield* Effect.promise(() => other.waitForConfirms())
      for (const [least, most] of [[0, 60_000], [0, 60_000], [3_600_000, 3_660_000]] as const) {
        const [job] = yield* inTime(store.claim("foreign", { waitFor: Infinity }))
        assert.deepStrictEqual([job && text(job), job?.attempt, job?.maxAttempts], ["hello", 1, 10])
        assert.isTrue(job !== undefined && job.age >= least && job.age < most, `${job?.age} ms`)
      }
    }).pipe(Effect.scoped))

  it.live(
    "AC-36.4: whatever breaks, each job that was accepted is done or a dead letter",
    () =>
      Effect.gen(function*() {
        const queue = "kept"
        let seed = 7
        const dice = () => {
          seed = seed * 48_271 % 2_147_483_647
          return seed / 2_147_483_647
        }
        const [producer, ...workers] = [yield* build(layer), yield* build(layer), yield* build(layer)]
        const accepted = new Set<string>()
        const done = new Set<string>()
        const producing = yield* Effect.forkScoped(
          Effect.forEach(Array.from({ length: 60 }, (_, at) => at), (at) =>
            producer.enqueue(
              queue,
              jobs(...Array.from({ length: 5 }, (_, of) => `${at} ${of}`))
            ).pipe(
              Effect.tap((all) => Effect.sync(() => all.forEach(({ id }) => accepted.add(id)))),
              Effect.retry({ times: 200, schedule: Schedule.spaced(20) })
            ))
        )
        for (const store of workers) {
          const round = Effect.scoped(Effect.gen(function*() {
            for (const job of yield* store.claim(queue, { max: 5, waitFor: "1 second" })) {
              const thrown = dice()
              const end = thrown < 0.7
                ? { _tag: "Completed" } as const
                : thrown < 0.8
                ? { _tag: "HandedBack" } as const
                : thrown < 0.9
                ? { _tag: "Dead", failure: { cause: "dice" } } as const
                : { _tag: "Retry", delay: thrown < 0.95 ? 0 : 20, failure: { cause: "dice" } } as const
              const settled = yield* Effect.result(store.settle(job, end))
              // An answer that was lost leaves open whether the job is done.
              const perhaps = settled._tag === "Success" || settled.failure._tag === "StoreUnavailable"
              if (end._tag === "Completed" && perhaps) done.add(job.id)
            }
          }))
          yield* Effect.forkScoped(Effect.forever(round.pipe(Effect.catch(() => Effect.sleep(20)))))
        }
        for (let resets = 0; resets < 6; resets++) {
          yield* Effect.sleep(150)
          yield* proxy.reset
        }
        yield* inTime(Fiber.join(producing))
        const missing = Effect.gen(function*() {
          const dead = yield* producer.deadLetters(queue, { limit: 1000 })
          const all = new Set([...done, ...dead.map(({ id }) => id)])
          return [...accepted].filter((id) => !all.has(id)).length
        })
        yield* inTime(Effect.repeat(Effect.orElseSucceed(missing, () => -1), {
          until: (count) => count === 0,
          schedule: Schedule.spaced(100)
        }))
        assert.isAtLeast(accepted.size, 300)
      }).pipe(Effect.scoped),
    90_000
  )
})
