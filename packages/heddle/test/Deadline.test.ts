import { assert, describe, it } from "@effect/vitest"
import { InterruptSweep } from "@heddle/testkit"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { DistributedLock, LeaseStore } from "heddle/coordination"
import { Deadline } from "heddle/resilience"

/** Runs it while time passes, and answers how it ended and when. */
const timed = <A, E>(program: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const fiber = yield* Effect.forkChild(Effect.exit(program), { startImmediately: true })
    let millis = 0
    while (fiber.pollUnsafe() === undefined) {
      yield* TestClock.adjust(10)
      millis += 10
    }
    return { exit: yield* Fiber.join(fiber), millis }
  })

const dependencies = [150, 450, 250].map((millis, index) =>
  Deadline.within("500 millis", `dependency ${index}`)(Effect.sleep(millis))
)

describe("a deadline", () => {
  it.effect("AC-13.1 a request whose parts run at once ends in time, one whose parts run one by one does not", () =>
    Effect.gen(function*() {
      const request = (concurrency: number) =>
        Deadline.within("800 millis", "request")(Effect.all(dependencies, { concurrency }))
      const parallel = yield* timed(request(3))
      assert.deepStrictEqual([Exit.isSuccess(parallel.exit), parallel.millis], [true, 450])
      const sequential = yield* timed(request(1))
      assert.deepStrictEqual([Exit.isSuccess(sequential.exit), sequential.millis], [false, 800])
    }))

  it.effect("AC-13.2 leaves at each hop what is left of the caller's, or the hop's own, whichever is less", () =>
    Effect.gen(function*() {
      const left = Deadline.remaining
      const seen = yield* Deadline.within(1000)(Effect.all([
        left,
        Deadline.within(300)(left),
        Deadline.within(2000)(left),
        Deadline.within(2000)(Deadline.within(400)(left)),
        Deadline.reserve(100)(left),
        Deadline.reserve(100)(Deadline.reserve(50)(left))
      ]))
      assert.deepStrictEqual(seen, [1000, 300, 1000, 400, 900, 850])
      assert.deepStrictEqual([yield* left, yield* Deadline.reserve(100)(left)], [Infinity, Infinity])
      const later = yield* timed(
        Deadline.within(1000)(Effect.andThen(
          Effect.sleep(750),
          Effect.all([left, Deadline.within(300)(left), Deadline.within(200)(Effect.andThen(Effect.sleep(150), left))])
        ))
      )
      assert.deepStrictEqual(later.exit, Exit.succeed([250, 250, 50]))
      const ended = new Array<string>()
      const works = (name: string) => Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended.push(name)))
      const forks = Effect.andThen(Effect.forkChild(works("fork"), { startImmediately: true }), works("child"))
      const child = yield* timed(Deadline.within(50)(Deadline.within(500)(forks)))
      assert.strictEqual(child.millis, 50)
      assert.sameMembers(ended, ["child", "fork"])
    }))

  it.effect("AC-13.3 is over on time, names the hops that it was at, and interrupts everything below", () =>
    Effect.gen(function*() {
      const ended = new Array<string>()
      const hangs = (name: string) => Effect.onInterrupt(Effect.never, () => Effect.sync(() => ended.push(name)))
      const database = Deadline.within("2 seconds", "database")(
        Effect.all([hangs("one"), hangs("two")], { concurrency: 2 })
      )
      const gateway = Deadline.within("300 millis", "gateway")(
        Effect.andThen(Deadline.within("1 second", "cache")(Effect.sleep(100)), database)
      )
      const { exit, millis } = yield* timed(Effect.flip(gateway))
      assert.strictEqual(millis, 300)
      assert.deepStrictEqual(ended, ["one", "two"])
      const error = yield* exit
      assert.deepInclude(error, { _tag: "DeadlineExceeded", budget: 300, hops: ["gateway", "database"] })
      assert.include(error.message, "gateway > database")
    }))

  it.effect("AC-13.4 is known at every hop beside the request id and the trace, which nobody passes by hand", () =>
    Effect.gen(function*() {
      const RequestId = Context.Reference("RequestId", { defaultValue: () => "none" })
      const span = Effect.orDie(Effect.currentSpan)
      const seen = new Array<readonly [hop: string, id: string, left: number, trace: string]>()
      /** A service that says what it knows of the request, and calls others at once, none of which it hands anything. */
      const service = (name: string, ...calls: ReadonlyArray<Effect.Effect<unknown, unknown>>) =>
        Effect.gen(function*() {
          seen.push([name, yield* RequestId, yield* Deadline.remaining, (yield* span).traceId])
          const fibers = yield* Effect.forEach(calls, (call) => Effect.forkChild(call))
          yield* Effect.forEach(fibers, Fiber.join)
        }).pipe(Deadline.within(2000, name), Effect.withSpan(name))
      const edge = yield* Effect.andThen(
        service("a", service("b", service("d"), service("e")), service("c", service("e"))),
        span
      ).pipe(Deadline.within(700, "edge"), Effect.provideService(RequestId, "r-1"), Effect.withSpan("request"))
      assert.deepStrictEqual(seen.map(([hop]) => hop).toSorted(), ["a", "b", "c", "d", "e", "e"])
      for (const [, ...known] of seen) assert.deepStrictEqual(known, ["r-1", 700, edge.traceId])
    }))

  it.effect("refuses at once what cannot end in time", () =>
    Effect.gen(function*() {
      const never = Effect.die("it began")
      const within = (millis: number) => Effect.flip(Deadline.within(millis, "hop")(never))
      assert.deepStrictEqual((yield* within(0)).hops, ["hop"])
      assert.deepStrictEqual((yield* within(-1)).hops, ["hop"])
      assert.deepStrictEqual((yield* within(NaN)).hops, ["hop"])
      yield* Effect.flip(Deadline.within(100)(Deadline.needs(101)(never)))
      yield* Effect.flip(Deadline.within(100)(Deadline.reserve(100)(never)))
      assert.strictEqual(yield* Deadline.within(100)(Deadline.needs(100)(Effect.succeed(1))), 1)
      assert.strictEqual(yield* Deadline.needs(Infinity)(Effect.succeed(1)), 1)
      assert.strictEqual(yield* Deadline.within(Infinity)(Effect.succeed(1)), 1)
    }))

  it.effect("waits until what it interrupted has ended", () =>
    Effect.gen(function*() {
      const slow = Effect.onInterrupt(Effect.never, () => Effect.sleep(200))
      assert.strictEqual((yield* timed(Deadline.within(100)(slow))).millis, 300)
    }))

  it.effect("ends a wait in line, and the place comes free", () =>
    Effect.gen(function*() {
      const holder = yield* Effect.forkChild(DistributedLock.withLock("k")(Effect.never), { startImmediately: true })
      yield* TestClock.adjust(1)
      const waiting = Deadline.within(100, "lock")(DistributedLock.withLock("k")(Effect.die("it has the lock")))
      const waiter = yield* Effect.forkChild(Effect.flip(waiting), { startImmediately: true })
      yield* TestClock.adjust(100)
      assert.strictEqual((yield* Fiber.join(waiter))._tag, "DeadlineExceeded")
      assert.strictEqual((yield* DistributedLock.inspect("k")).waiters.length, 0)
      yield* Fiber.interrupt(holder)
    }).pipe(Effect.provide(LeaseStore.layerMemory)))
})

describe("a deadline between processes", () => {
  it.effect("travels as the time that is left", () =>
    Effect.gen(function*() {
      const both = Effect.all([Deadline.headers, Deadline.grpcHeaders])
      const sent = yield* timed(Deadline.within(1000)(Effect.andThen(Effect.sleep(250), both)))
      assert.deepStrictEqual(sent.exit, Exit.succeed([{ "heddle-timeout": "750" }, { "grpc-timeout": "750m" }]))
      assert.deepStrictEqual(yield* both, [{}, {}])
      assert.deepStrictEqual(yield* Deadline.within(10.9)(Deadline.headers), { "heddle-timeout": "10" })
      const long = Deadline.within("40 days")(Deadline.grpcHeaders)
      assert.deepStrictEqual(yield* long, { "grpc-timeout": "3456000S" })
    }))

  it.effect("holds for whoever serves it, the earlier of two", () =>
    Effect.gen(function*() {
      const left = (headers: Deadline.Headers) => Deadline.serve(headers, "server")(Deadline.remaining)
      assert.strictEqual(yield* left({ "heddle-timeout": "750" }), 750)
      assert.strictEqual(yield* left({ "grpc-timeout": "2S", "heddle-timeout": ["900", "800"] }), 800)
      assert.strictEqual(yield* left({}), Infinity)
      const units = ["1H", "1M", "1S", "1m", "1000u", "1000000n"]
      assert.deepStrictEqual(yield* Effect.forEach(units, (value) => left({ "grpc-timeout": value })), [
        3_600_000,
        60_000,
        1000,
        1,
        1,
        1
      ])
      assert.strictEqual((yield* Effect.flip(left({ "heddle-timeout": "0" })))._tag, "DeadlineExceeded")
    }))

  it.effect("is refused where a header holds no time", () =>
    Effect.gen(function*() {
      const wrong = (headers: Deadline.Headers) => Effect.flip(Deadline.serve(headers)(Effect.die("it began")))
      for (const value of ["", "-1", "1.5", "1e3", "soon", "9999999999999999"]) {
        assert.deepInclude(yield* wrong({ "heddle-timeout": value }), {
          _tag: "MalformedDeadline",
          header: "heddle-timeout",
          value
        })
      }
      for (const value of ["1", "1x", "123456789S", " 1S"]) {
        assert.strictEqual((yield* wrong({ "grpc-timeout": value }))._tag, "MalformedDeadline")
      }
    }))
})

it.live("leaves nothing behind wherever it is interrupted", () =>
  InterruptSweep.run({
    setup: Effect.sync(() => ({ running: 0 })),
    program: (world) => {
      const work = Effect.acquireUseRelease(
        Effect.sync(() => world.running++),
        () => Effect.sleep(20),
        () => Effect.sync(() => world.running--)
      )
      return Effect.exit(Deadline.within(15, "a")(Deadline.within(30, "b")(work)))
    },
    invariant: (world) => world.running === 0 ? Effect.void : Effect.die("it still runs"),
    target: "all"
  }))
