import { assert, describe, it } from "@effect/vitest"
import { Explore } from "@heddle/testkit"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import * as Ref from "effect/Ref"
import * as Scheduler from "effect/Scheduler"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { execute } from "../src/internal/execute.ts"
import { random } from "../src/internal/strategies.ts"

const strategies = [Explore.random, Explore.pct(), Explore.exhaustive({ preemptions: 3 })]

const both = <A, E, B, E2>(left: Effect.Effect<A, E>, right: Effect.Effect<B, E2>) =>
  Effect.all([Explore.label("left")(left), Explore.label("right")(right)], { concurrency: "unbounded" })

const expect = (value: unknown, wanted: unknown) => value === wanted ? Effect.void : Effect.fail(`got ${String(value)}`)

/** Two fibers count to 2; `increment` says how. */
const counting = (increment: (counter: Ref.Ref<number>) => Effect.Effect<void>) =>
  Effect.gen(function*() {
    const counter = yield* Ref.make(0)
    yield* both(increment(counter), increment(counter))
    yield* expect(yield* Ref.get(counter), 2)
  })

const readThenWrite = (counter: Ref.Ref<number>) => Effect.flatMap(Ref.get(counter), (n) => Ref.set(counter, n + 1))
const atomically = (counter: Ref.Ref<number>) => Ref.update(counter, (n) => n + 1)
const lostUpdate = counting(readThenWrite)
const noLostUpdate = counting(atomically)

/** Two fibers take two semaphores, the right one in the given order. */
const twoLocks = (order: "same" | "opposite") =>
  Effect.gen(function*() {
    const a = yield* Semaphore.make(1)
    const b = yield* Semaphore.make(1)
    const [first, second] = order === "same" ? [a, b] : [b, a]
    yield* both(a.withPermit(b.withPermit(Effect.void)), first.withPermit(second.withPermit(Effect.void)))
  })

/** A mutex by key. The buggy one deletes its entry on unlock though others hold on to the semaphore in it. */
const keyedMutex = (deletes: "on unlock" | "when unused") => {
  const entries = new Map<string, { readonly semaphore: Semaphore.Semaphore; users: number }>()
  return (key: string) => <A, E>(effect: Effect.Effect<A, E>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const entry = entries.get(key) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
        entries.set(key, entry)
        entry.users++
        return entry
      }),
      ({ semaphore }) => semaphore.withPermit(effect),
      (entry) =>
        Effect.sync(() => {
          entry.users--
          if (deletes === "on unlock" || entry.users === 0) entries.delete(key)
        })
    )
}

const oneInside = (deletes: "on unlock" | "when unused") =>
  Effect.suspend(() => {
    const lock = keyedMutex(deletes)("k")
    let inside = 0
    const section = lock(Effect.gen(function*() {
      if (++inside > 1) return yield* Effect.die(new Error("two inside"))
      yield* Effect.yieldNow
      inside--
    }))
    return Effect.all([section, section, section], { concurrency: "unbounded" })
  })

const found = <A, E>(program: Effect.Effect<A, E>, options?: Explore.Options<A, E>) =>
  Effect.flip(Explore.run(program, options))

describe("Explore", () => {
  for (const strategy of strategies) {
    describe(strategy._tag, () => {
      it.effect("finds a lost update, and none where the update is atomic", () =>
        Effect.gen(function*() {
          const failure = yield* found(lostUpdate, { strategy })
          assert.strictEqual(failure.kind, "failure")
          assert.isTrue(failure.exit !== undefined && Exit.isFailure(failure.exit))
          yield* Explore.run(noLostUpdate, { strategy })
        }))

      it.effect("preempts a fiber that runs by itself", () =>
        Effect.gen(function*() {
          const forked = (increment: (counter: Ref.Ref<number>) => Effect.Effect<void>) =>
            Effect.gen(function*() {
              const counter = yield* Ref.make(0)
              const left = yield* Effect.forkChild(increment(counter))
              const right = yield* Effect.forkChild(increment(counter))
              yield* Fiber.joinAll([left, right])
              yield* expect(yield* Ref.get(counter), 2)
            })
          const failure = yield* found(forked(readThenWrite), { strategy })
          assert.strictEqual(failure.kind, "failure")
          yield* Explore.run(forked(atomically), { strategy })
        }))

      it.effect("finds the deadlock of two locks taken in opposite orders, and none in the same order", () =>
        Effect.gen(function*() {
          const failure = yield* found(twoLocks("opposite"), { strategy })
          assert.strictEqual(failure.kind, "deadlock")
          assert.strictEqual(failure.exit, undefined)
          assert.deepStrictEqual(failure.waiting, [
            "main#1: Semaphore.make; runs parts in parallel",
            "left#2: asks a Semaphore; waits for a Semaphore",
            "right#3: asks a Semaphore; waits for a Semaphore"
          ])
          yield* Explore.run(twoLocks("same"), { strategy })
        }))

      it.effect("finds two inside a keyed mutex that forgets its waiters, and none if it counts them", () =>
        Effect.gen(function*() {
          const failure = yield* found(oneInside("on unlock"), { strategy })
          assert.strictEqual(failure.kind, "failure")
          assert.include(failure.message, "two inside")
          yield* Explore.run(oneInside("when unused"), { strategy })
        }))

      it.effect("replays what it found, step by step", () =>
        Effect.gen(function*() {
          const failure = yield* found(oneInside("on unlock"), { strategy })
          const again = yield* Effect.flip(Explore.replay(oneInside("on unlock"), failure.token))
          assert.deepStrictEqual(again.trace, failure.trace)
          assert.deepStrictEqual([again.kind, again.token], [failure.kind, failure.token])
          assert.isTrue(failure.reproducible)
        }))
    })
  }

  it.effect("tells who did what, in the fewest turns", () =>
    Effect.gen(function*() {
      const failure = yield* found(lostUpdate)
      assert.deepStrictEqual(failure.trace.map((line) => line.replace(/#\d/g, "")), [
        "1. main: Ref.make; runs parts in parallel",
        "2. left: Ref.get",
        "3. right: Ref.get; Ref.set",
        "4. left: Ref.set",
        "5. main: Ref.get; fails with got 1"
      ])
      for (const line of failure.trace) assert.include(failure.message, line)
      for (const seed of [100, 200, 300, 400]) assert.lengthOf((yield* found(lostUpdate, { seed })).trace, 5)
    }))

  it.effect("a replay that no longer fails gives its trace", () =>
    Effect.gen(function*() {
      const { token, trace } = yield* found(lostUpdate)
      const accepted = yield* Explore.replay(lostUpdate, token, { accept: () => true })
      assert.deepStrictEqual(accepted.trace, trace)
      assert.isTrue(Exit.isFailure(accepted.exit))
    }))

  it.effect("a text that is no token is a defect", () =>
    Effect.gen(function*() {
      for (const text of ["", "7", "7/1:", "7/1:1,", "7/1:1,,1:1", "?/"]) {
        const exit = yield* Effect.exit(Explore.replay(lostUpdate, text))
        assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause), text)
      }
    }))

  it.effect.prop("the same seed gives the same failure", [
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 }))
  ], ([seed]) =>
    Effect.gen(function*() {
      const options = { seed, runs: 2000 }
      const [one, two] = [yield* found(lostUpdate, options), yield* found(lostUpdate, options)]
      assert.deepStrictEqual([one.token, one.trace, one.runs], [two.token, two.trace, two.runs])
    }))

  it.effect("sleeping takes no time, and every clock agrees on the virtual one", () =>
    Explore.run(Effect.gen(function*() {
      yield* expect(yield* Clock.currentTimeMillis, 0)
      yield* both(Effect.sleep("1 day"), Effect.sleep("1500 micros"))
      yield* expect(yield* Clock.currentTimeMillis, 86_400_000)
      yield* expect(yield* Clock.currentTimeNanos, 86_400_000_000_000n)
      yield* expect(yield* Clock.monotonicTimeNanos, 86_400_000_000_000n)
      yield* expect((yield* Effect.timeoutOption(Effect.never, "1 minute"))._tag, "None")
      yield* expect(yield* Clock.currentTimeMillis, 86_460_000)
    })))

  it.effect("sleepers of one instant wake in any order, those of a later one after them", () =>
    Effect.gen(function*() {
      const orders = new Set<string>()
      const program = Effect.gen(function*() {
        const order: Array<string> = []
        const sleeper = (name: string, millis: number) =>
          Effect.andThen(Effect.sleep(millis), Effect.sync(() => order.push(name)))
        yield* Effect.all([sleeper("c", 20), sleeper("a", 10), sleeper("b", 10)], { concurrency: "unbounded" })
        orders.add(order.join(""))
      })
      const report = yield* Explore.run(program)
      assert.deepStrictEqual([...orders].sort(), ["abc", "bac"])
      assert.strictEqual(report.runs, 500)
    }))

  it("what was interrupted is not left in the line, nor asleep", () => {
    const program = Effect.gen(function*() {
      let started = 0
      const spin = Effect.whileLoop({ while: () => true, body: () => Effect.void, step: () => undefined })
      const start = Effect.sync(() => void started++)
      const busy = yield* Effect.forkChild(Effect.andThen(start, spin))
      const sleeper = yield* Effect.forkChild(Effect.andThen(start, Effect.sleep("1 hour")))
      while (started < 2) yield* Effect.yieldNow
      yield* Fiber.interruptAll([busy, sleeper])
    })
    const settings = { seed: 1, maxSteps: 1000, leaks: false }
    for (let seed = 0; seed < 50; seed++) {
      const { exit, interleaver } = execute(program, settings, random(seed), false)
      assert.isTrue(exit !== undefined && Exit.isSuccess(exit))
      assert.strictEqual(interleaver.clock.sleepers.size, 0)
      assert.isTrue(interleaver.quiet)
    }
  })

  it.effect("a fiber that is interrupted before it starts does not start all the same", () =>
    Effect.forEach(strategies, (strategy) =>
      Explore.run(
        Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(Effect.callback<never>(() => undefined))
          yield* Fiber.interrupt(fiber)
        }),
        { strategy }
      )))

  it.effect("a fiber resumed inline may go on at once, or after the one that resumed it", () =>
    Effect.gen(function*() {
      const orders = new Set<string>()
      const report = yield* Explore.run(
        Effect.gen(function*() {
          const order: Array<string> = []
          const signal = yield* Deferred.make<void>()
          const mark = (name: string) => Effect.sync(() => order.push(name))
          yield* both(
            Effect.andThen(Deferred.await(signal), mark("waiter")),
            Effect.andThen(Deferred.succeed(signal, undefined), mark("signaller"))
          )
          orders.add(order.join())
        }),
        { strategy: Explore.exhaustive() }
      )
      assert.deepStrictEqual([...orders].sort(), ["signaller,waiter", "waiter,signaller"])
      assert.isTrue(report.covered)
    }))

  it.effect("says whether everything was tried", () =>
    Effect.gen(function*() {
      const strategy = Explore.exhaustive()
      const whole = yield* Explore.run(noLostUpdate, { strategy })
      assert.isTrue(whole.covered)
      assert.isFalse((yield* Explore.run(noLostUpdate, { strategy, runs: whole.runs - 1 })).covered)
      assert.isFalse((yield* Explore.run(noLostUpdate, { runs: 2 })).covered)
    }))

  it.effect("a program that runs for ever is a livelock, one that waits for another by spinning is not", () =>
    Effect.gen(function*() {
      const spinning = (flag: boolean) =>
        Effect.suspend(() => {
          let ready = flag
          return both(
            Effect.whileLoop({ while: () => !ready, body: () => Effect.yieldNow, step: () => undefined }),
            flag ? Effect.void : Effect.sync(() => {
              ready = true
            })
          )
        })
      for (const strategy of strategies) yield* Explore.run(spinning(false), { strategy, runs: 50, maxSteps: 500 })
      const failure = yield* found(Effect.forever(Effect.yieldNow), { maxSteps: 500 })
      assert.strictEqual(failure.kind, "livelock")
      assert.strictEqual(failure.exit, undefined)
    }))

  it.live("a program that waits for something real is told from a deadlock", () =>
    Effect.gen(function*() {
      const settled = Effect.promise(() => Promise.resolve(1))
      const timer = Effect.callback<void>((resume) => {
        const handle = setTimeout(() => resume(Effect.void))
        handles.push(handle)
      })
      const handles: Array<NodeJS.Timeout> = []
      assert.strictEqual((yield* found(settled)).kind, "external")
      assert.strictEqual((yield* found(timer)).kind, "external")
      assert.strictEqual((yield* found(Effect.never)).kind, "deadlock")
      for (const handle of handles) clearTimeout(handle)
    }))

  it.effect("a fiber that outlives the program is a leak if asked for", () =>
    Effect.gen(function*() {
      const outliving = (rest: Effect.Effect<void>) => Effect.forkDetach(Explore.label("rest")(rest))
      yield* Explore.run(outliving(Effect.sleep("1 second")))
      yield* Explore.run(outliving(Effect.yieldNow), { leaks: true })
      const failure = yield* found(outliving(Effect.sleep("1 second")), { leaks: true })
      assert.strictEqual(failure.kind, "leak")
      assert.deepStrictEqual(failure.waiting, ["rest#2: sleeps"])
    }))

  it.effect("accept decides which ends are good", () =>
    Effect.gen(function*() {
      yield* Explore.run(Effect.fail("wanted"), { accept: Exit.isFailure })
      assert.strictEqual((yield* found(Effect.void, { accept: Exit.isFailure })).kind, "failure")
    }))

  it.effect("a failure that its choices do not bring back is told as such", () =>
    Effect.gen(function*() {
      let runs = 0
      const failure = yield* found(Effect.suspend(() => ++runs === 3 ? Effect.fail("third") : Effect.void))
      assert.deepStrictEqual([failure.kind, failure.runs, failure.reproducible], ["failure", 3, false])
    }))

  it.effect("Random is drawn from the seed", () =>
    Effect.gen(function*() {
      const drawn: Array<number> = []
      const draw = Effect.map(Random.next, (n) => void drawn.push(n))
      yield* Explore.run(draw, { runs: 2 })
      yield* Explore.run(draw, { runs: 2 })
      assert.deepStrictEqual(drawn.slice(0, 2), drawn.slice(2))
      assert.notStrictEqual(drawn[0], drawn[1])
    }))

  it.effect("a section under a scheduler of its own is interleaved with the rest", () =>
    Effect.gen(function*() {
      const guarded = <A, E>(section: Effect.Effect<A, E>) =>
        Effect.flatMap(Scheduler.Scheduler, (inner) => {
          let looked = 0
          const outer: Scheduler.Scheduler = {
            executionMode: inner.executionMode,
            makeDispatcher: () => inner.makeDispatcher(),
            shouldYield: (fiber) => ++looked % 5 === 0 || inner.shouldYield(fiber)
          }
          return Effect.provideService(section, Scheduler.Scheduler, outer)
        })
      for (const strategy of strategies) {
        const failure = yield* found(counting((counter) => guarded(readThenWrite(counter))), { strategy })
        assert.deepStrictEqual([failure.kind, failure.reproducible], ["failure", true])
        yield* Explore.run(counting((counter) => guarded(atomically(counter))), { strategy })
      }
    }))

  it.effect("the caller's clock and scheduler stay as they are", () =>
    Effect.gen(function*() {
      const before = yield* Scheduler.Scheduler
      yield* Explore.run(Effect.sleep("1 day"), { runs: 200 })
      assert.strictEqual(yield* Scheduler.Scheduler, before)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    }))
})
