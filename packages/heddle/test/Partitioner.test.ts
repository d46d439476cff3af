import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { Partitioner } from "heddle/flow"

interface Item {
  readonly key: string
  readonly step: number
}

const item = (key: string, step = 0): Item => ({ key, step })
const key = ({ key }: Item) => key
const all = { concurrency: "unbounded" } as const

/** A handler that notes what it starts, and ends an item when it is told to. */
const gated = () => {
  const started: Array<string> = []
  const gates = new Map<string, Deferred.Deferred<void>>()
  const name = ({ key, step }: Item) => `${key}${step}`
  const gate = (which: string) => {
    let found = gates.get(which)
    if (found === undefined) gates.set(which, found = Deferred.makeUnsafe<void>())
    return found
  }
  return {
    started,
    open: (which: string) => Deferred.succeed(gate(which), undefined),
    handle: (item: Item) =>
      Effect.andThen(
        Effect.sync(() => started.push(name(item))),
        Effect.as(Deferred.await(gate(name(item))), name(item))
      )
  }
}

/** Lets everybody go on who can. */
const settle = TestClock.adjust(1)

describe("Partitioner", () => {
  it.effect("AC-44.1 the end of the scope runs every item that was taken, in order by key", () =>
    Effect.gen(function*() {
      const done: Array<Item> = []
      const items = Array.from({ length: 93 }, (_, at) => item(`k${at % 7}`, at))
      yield* Effect.scoped(Effect.gen(function*() {
        const partitioner = yield* Partitioner.make({
          key,
          handle: (one) => Effect.andThen(Effect.yieldNow, Effect.sync(() => done.push(one))),
          concurrency: 3
        })
        yield* Effect.forEach(items, partitioner.enqueue)
      }))
      assert.strictEqual(done.length, 93)
      for (let at = 0; at < 7; at++) {
        const ofKey = (list: ReadonlyArray<Item>) => list.filter(({ key }) => key === `k${at}`)
        assert.deepStrictEqual(ofKey(done), ofKey(items))
      }
    }))

  it.effect("AC-44.1 a shutdown says what did not run when its time is over", () =>
    Effect.gen(function*() {
      const { handle, open, started } = gated()
      const partitioner = yield* Partitioner.make({ key, handle, concurrency: 10 })
      const outcomes = yield* Effect.forEach([item("a", 1), item("a", 2), item("b", 1)], partitioner.enqueue)
      yield* open("b1")
      const shutdown = yield* Effect.forkChild(partitioner.shutdown("10 seconds"))
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(shutdown.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const left = yield* Fiber.join(shutdown)
      assert.deepStrictEqual(left, { notRun: [item("a", 2)], interrupted: [item("a", 1)] })
      assert.deepStrictEqual(started, ["a1", "b1"])
      const refused = yield* Effect.forEach(outcomes.slice(0, 2), Effect.flip)
      assert.deepStrictEqual(refused.map(({ started }) => started), [true, false])
      assert.strictEqual(yield* outcomes[2] ?? Effect.succeed(""), "b1")
    }))

  it.effect("AC-44.1 a handler that cannot be interrupted is waited for 5 seconds, and told of", () =>
    Effect.gen(function*() {
      const { handle } = gated()
      const scope = yield* Scope.make()
      const partitioner = yield* Scope.provide(
        Partitioner.make({ key, handle: (one) => Effect.uninterruptible(handle(one)), concurrency: 1, drainFor: 0 }),
        scope
      )
      yield* partitioner.enqueue(item("a", 1))
      yield* settle
      const shutdown = yield* Effect.forkChild(partitioner.shutdown(0))
      const close = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(close.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual((yield* Fiber.join(shutdown)).interrupted, [item("a", 1)])
      yield* Fiber.join(close)
    }))

  it.effect("an item that is left in its first step is interrupted", () =>
    Effect.gen(function*() {
      let submitter: Fiber.Fiber<never, unknown> | undefined
      const partitioner = yield* Partitioner.make({
        key,
        handle: () => Effect.andThen(Effect.sync(() => submitter?.interruptUnsafe()), Effect.never),
        concurrency: 1
      })
      submitter = yield* Effect.forkChild(partitioner.submit(item("a")))
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(submitter)))
      assert.deepStrictEqual(yield* partitioner.stats, { keys: 0, waiting: 0, queued: 0, active: 0 })
    }))

  it.effect("AC-44.2 who submits gets the outcome of the item, and a typed refusal after the end", () =>
    Effect.gen(function*() {
      const partitioner = yield* Partitioner.make({
        key,
        handle: ({ step }) => step === 0 ? Effect.fail("no" as const) : Effect.succeed(step),
        concurrency: 2
      })
      assert.strictEqual(yield* partitioner.submit(item("a", 7)), 7)
      assert.strictEqual(yield* Effect.flip(partitioner.submit(item("a", 0))), "no")
      const handle = yield* partitioner.enqueue(item("a", 8))
      assert.deepStrictEqual(yield* Effect.all([handle, handle], all), [8, 8])
      yield* partitioner.shutdown()
      assert.strictEqual(yield* handle, 8)
      for (const late of [partitioner.submit(item("a")), partitioner.enqueue(item("a"))]) {
        const error = yield* Effect.flip<unknown, unknown, never>(late)
        assert.deepInclude(error, { _tag: "PartitionerClosed", started: false })
        assert.match(String(error), /bring it elsewhere/)
      }
      assert.deepStrictEqual(yield* partitioner.shutdown(), { notRun: [], interrupted: [] })
    }))

  it.effect("AC-44.3 an item that fails, dies or is interrupted does not stop its key", () =>
    Effect.gen(function*() {
      const ends: ReadonlyArray<Effect.Effect<string, string>> = [
        Effect.fail("fails"),
        Effect.die("dies"),
        Effect.interrupt,
        Effect.withFiber((fiber) => {
          fiber.interruptUnsafe()
          return Effect.never
        }),
        Effect.succeed("fine")
      ]
      const partitioner = yield* Partitioner.make({
        key,
        handle: ({ step }) => {
          const end = ends[step]
          if (end === undefined) throw new Error("throws")
          return end
        },
        concurrency: 1
      })
      const outcomes = yield* Effect.forEach([0, 1, 2, 3, 5, 4], (step) => partitioner.enqueue(item("a", step)))
      const exits = yield* Effect.forEach(outcomes, (outcome) => Effect.exit(outcome))
      const kind = (exit: Exit.Exit<string, unknown>) =>
        Exit.isSuccess(exit) ? exit.value : String(exit.cause.reasons[0]?._tag)
      assert.deepStrictEqual(exits.map(kind), ["Fail", "Die", "Interrupt", "Interrupt", "Die", "fine"])
    }))

  it.effect("AC-44.4 a stuck key holds up only itself, and its submitters only once it is full", () =>
    Effect.gen(function*() {
      const { handle, open, started } = gated()
      const partitioner = yield* Partitioner.make({ key, handle, concurrency: 2, perKey: 2, capacity: 3 })
      yield* partitioner.enqueue(item("stuck", 1))
      yield* partitioner.enqueue(item("stuck", 2))
      const third = yield* Effect.forkChild(partitioner.enqueue(item("stuck", 3)))
      for (const step of [1, 2, 3]) {
        yield* open(`other${step}`)
        assert.strictEqual(yield* partitioner.submit(item("other", step)), `other${step}`)
      }
      assert.isUndefined(third.pollUnsafe())
      assert.deepStrictEqual(yield* partitioner.stats, { keys: 1, waiting: 1, queued: 1, active: 1 })
      yield* open("stuck1")
      yield* Fiber.join(third)
      yield* settle
      assert.deepStrictEqual(started, ["stuck1", "other1", "other2", "other3", "stuck2"])
      yield* Effect.all([open("stuck2"), open("stuck3")])
    }))

  it.effect("AC-44.5 a key has always the same lane, none is negative, and 10,000 keys spread over 10 within 20 %", () =>
    Effect.gen(function*() {
      const lane = yield* Partitioner.lanes(10)
      for (const name of ["user:", "", "0000000000"]) {
        const counts = Array.from({ length: 10 }, () => 0)
        for (let at = 0; at < 10_000; at++) {
          const of = lane(`${name}${at}`)
          assert.strictEqual(of, lane(`${name}${at}`))
          counts[of] = (counts[of] ?? NaN) + 1
        }
        assert.strictEqual(counts.length, 10)
        for (const count of counts) assert.closeTo(count, 1000, 200)
      }
      assert.strictEqual((yield* Partitioner.lanes(1))("any"), 0)
      for (const count of [0, -1, 1.5, NaN, Infinity]) {
        assert.deepInclude(yield* Effect.flip(Partitioner.lanes(count)), { _tag: "InvalidOption", option: "count" })
      }
    }))

  it.effect("AC-44.6 items of a key do not meet, and each submitter's keep their order", () =>
    Effect.gen(function*() {
      const seen: Array<number> = []
      let inside = 0
      const partitioner = yield* Partitioner.make({
        key: () => "one",
        handle: (at: number) =>
          Effect.gen(function*() {
            assert.strictEqual(++inside, 1)
            yield* Effect.yieldNow
            seen.push(at)
            inside--
          }),
        concurrency: 10,
        perKey: 3
      })
      const submitter = (who: number) =>
        Effect.forEach(Array.from({ length: 20 }, (_, at) => who * 100 + at), partitioner.enqueue)
      const outcomes = yield* Effect.forEach([1, 2, 3, 4, 5], submitter, all)
      yield* Effect.all(outcomes.flat())
      assert.strictEqual(seen.length, 100)
      for (const who of [1, 2, 3, 4, 5]) {
        const own = seen.filter((at) => Math.floor(at / 100) === who)
        assert.deepStrictEqual(own, [...own].sort((a, b) => a - b))
      }
    }))

  it.effect("keys take turns: a busy one does not keep the others waiting", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const partitioner = yield* Partitioner.make({
        key,
        handle: ({ key }) => Effect.andThen(Effect.yieldNow, Effect.sync(() => order.push(key))),
        concurrency: 1
      })
      const brought = ["hot", "hot", "hot", "hot", "cold", "hot"]
      const outcomes = yield* Effect.forEach(brought, (name) => partitioner.enqueue(item(name)))
      yield* Effect.all(outcomes, all)
      assert.isAtMost(order.indexOf("cold"), 2)
    }))

  it.effect("no more keys run at a time than allowed, and all that are allowed", () =>
    Effect.gen(function*() {
      const { handle, open, started } = gated()
      const partitioner = yield* Partitioner.make({ key, handle, concurrency: 2 })
      yield* Effect.forEach(["a", "b", "c"], (name) => partitioner.enqueue(item(name)))
      yield* settle
      assert.deepStrictEqual(started, ["a0", "b0"])
      yield* open("b0")
      yield* settle
      assert.deepStrictEqual(started, ["a0", "b0", "c0"])
      yield* Effect.all([open("a0"), open("c0")])
    }))

  it.effect("an interrupted submitter takes a queued item out, and a running one is interrupted before the next starts", () =>
    Effect.gen(function*() {
      const events: Array<string> = []
      const partitioner = yield* Partitioner.make({
        key,
        handle: ({ step }) =>
          Effect.onInterrupt(
            Effect.andThen(Effect.sync(() => events.push(`start ${step}`)), step === 3 ? Effect.void : Effect.never),
            () => Effect.delay(Effect.sync(() => events.push(`clean ${step}`)), 1000)
          ),
        concurrency: 5
      })
      const fibers = yield* Effect.forEach([1, 2, 3], (step) => Effect.forkChild(partitioner.submit(item("a", step))))
      yield* settle
      const [running, queued, last] = fibers
      assert.isDefined(running)
      assert.isDefined(queued)
      yield* Fiber.interrupt(queued)
      assert.deepStrictEqual(yield* partitioner.stats, { keys: 1, waiting: 0, queued: 1, active: 1 })
      const interrupt = yield* Effect.forkChild(Fiber.interrupt(running))
      yield* settle
      assert.isUndefined(interrupt.pollUnsafe())
      assert.deepStrictEqual(events, ["start 1"])
      yield* TestClock.adjust(1000)
      yield* Fiber.join(interrupt)
      if (last !== undefined) yield* Fiber.join(last)
      assert.deepStrictEqual(events, ["start 1", "clean 1", "start 3"])
    }))

  it.effect("an interrupted enqueue leaves nothing behind, wherever it waited", () =>
    Effect.gen(function*() {
      const { handle, open, started } = gated()
      const partitioner = yield* Partitioner.make({ key, handle, concurrency: 3, perKey: 1, capacity: 1 })
      yield* partitioner.enqueue(item("a", 1))
      const lane = yield* Effect.forkChild(partitioner.enqueue(item("a", 2)))
      const whole = yield* Effect.forkChild(partitioner.enqueue(item("b", 1)))
      const behind = yield* Effect.forkChild(partitioner.enqueue(item("b", 2)))
      yield* settle
      assert.deepStrictEqual(yield* partitioner.stats, { keys: 2, waiting: 3, queued: 0, active: 1 })
      yield* Effect.all([Fiber.interrupt(lane), Fiber.interrupt(whole)])
      assert.strictEqual((yield* partitioner.stats).waiting, 1)
      yield* open("a1")
      yield* Fiber.join(behind)
      yield* settle
      assert.deepStrictEqual(started, ["a1", "b2"])
      yield* open("b2")
    }))

  it.effect("who waits for an outcome may stop waiting: the item goes on", () =>
    Effect.gen(function*() {
      const { handle, open } = gated()
      const partitioner = yield* Partitioner.make({ key, handle, concurrency: 3 })
      const outcome = yield* partitioner.enqueue(item("a", 1))
      const waits = yield* Effect.forkChild(outcome)
      yield* settle
      yield* Fiber.interrupt(waits)
      yield* open("a1")
      assert.strictEqual(yield* outcome, "a1")
    }))

  it.effect("a retry holds its key", () =>
    Effect.gen(function*() {
      const order: Array<number> = []
      let failures = 2
      const partitioner = yield* Partitioner.make({
        key,
        handle: ({ step }) =>
          Effect.retry(
            Effect.suspend(() => {
              order.push(step)
              return step === 1 && failures-- > 0 ? Effect.fail("again") : Effect.void
            }),
            { times: 3 }
          ),
        concurrency: 3
      })
      const outcomes = yield* Effect.forEach([1, 2], (step) => partitioner.enqueue(item("a", step)))
      yield* Effect.all(outcomes)
      assert.deepStrictEqual(order, [1, 1, 1, 2])
    }))

  it.effect("there is no state for idle keys, after a hundred thousand of them", () =>
    Effect.gen(function*() {
      const partitioner = yield* Partitioner.make({ key: (at: number) => at, handle: Effect.succeed, concurrency: 100 })
      for (let at = 0; at < 100_000; at += 10_000) {
        const outcomes = yield* Effect.forEach(
          Array.from({ length: 10_000 }, (_, more) => at + more),
          partitioner.enqueue
        )
        yield* Effect.all(outcomes, { discard: true })
      }
      assert.deepStrictEqual(yield* partitioner.stats, { keys: 0, waiting: 0, queued: 0, active: 0 })
    }))

  it.effect("a chain of items that wait for each other does not grow the stack", () =>
    Effect.gen(function*() {
      const length = 20_000
      const partitioner: Partitioner.Partitioner<number, number, never> = yield* Partitioner.make({
        key: (at: number) => at,
        handle: (at): Effect.Effect<number> =>
          at === length ? Effect.succeed(at) : Effect.orDie(Effect.suspend(() => partitioner.submit(at + 1))),
        concurrency: Infinity,
        capacity: Infinity
      })
      assert.strictEqual(yield* partitioner.submit(0), length)
    }))

  it.effect("an option that cannot mean anything is refused by its name", () =>
    Effect.gen(function*() {
      const good = { key, handle: Effect.succeed<Item>, concurrency: 1 }
      for (const option of ["concurrency", "perKey", "capacity"]) {
        for (const count of [0, -1, 1.5, NaN]) {
          const error = yield* Effect.flip(Partitioner.make({ ...good, [option]: count }))
          assert.deepInclude(error, { _tag: "InvalidOption", option })
        }
      }
      for (const drainFor of [-1, NaN]) {
        const error = yield* Effect.flip(Partitioner.make({ ...good, drainFor }))
        assert.deepInclude(error, { _tag: "InvalidOption", option: "drainFor" })
      }
      const partitioner = yield* Partitioner.make(good)
      assert.deepInclude(yield* Effect.flip(partitioner.shutdown(NaN)), { _tag: "InvalidOption", option: "within" })
      yield* partitioner.submit(item("still open"))
    }))

  it.effect("what is taken is counted, by how it ended; latency is kept of what has a name", () =>
    Effect.gen(function*() {
      const { handle, open } = gated()
      const partitioner = yield* Partitioner.make({
        key,
        handle: (one) => one.step < 0 ? Effect.fail("no") : handle(one),
        concurrency: 1,
        perKey: 2,
        name: "accounts"
      })
      const series = Effect.map(Metric.snapshot, (all) =>
        Object.fromEntries(
          all.filter(({ attributes, id }) =>
            id.startsWith("heddle_partitioner_") && attributes?.["name"] === "accounts"
          )
            .map((
              { id, state }
            ) => [
              id.slice("heddle_partitioner_".length),
              "value" in state ? state.value : "count" in state ? state.count : NaN
            ])
        ))
      yield* Effect.flip(partitioner.submit(item("a", -1)))
      yield* Effect.forEach([1, 2], (step) => partitioner.enqueue(item("a", step)))
      const third = yield* Effect.forkChild(partitioner.submit(item("a", 3)))
      yield* settle
      const now = { depth: 1, waiting: 1, active: 1, completed_total: 0, failed_total: 1, dropped_total: 0 }
      assert.deepStrictEqual(yield* series, { ...now, latency_seconds: 1 })
      yield* open("a1")
      yield* settle
      yield* Fiber.interrupt(third)
      yield* partitioner.shutdown(0)
      const end = { depth: 0, waiting: 0, active: 0, completed_total: 1, failed_total: 1, dropped_total: 2 }
      assert.deepStrictEqual(yield* series, { ...end, latency_seconds: 3 })
    }))

  it.effect("a key that throws is the caller's defect, and nobody else's", () =>
    Effect.gen(function*() {
      const partitioner = yield* Partitioner.make({
        key: ({ step }: Item) => {
          if (step === 0) throw new Error("no key")
          return step
        },
        handle: Effect.succeed,
        concurrency: 1
      })
      const exit = yield* Effect.exit(partitioner.submit(item("a", 0)))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.deepStrictEqual(yield* partitioner.submit(item("a", 1)), item("a", 1))
    }))
})
