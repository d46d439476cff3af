import { assert, describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Semaphore from "effect/Semaphore"

interface World {
  held: number
}

const setup = Effect.sync((): World => ({ held: 0 }))
const acquire = (world: World) => Effect.sync(() => void world.held++)
const release = (world: World) => Effect.sync(() => void world.held--)
const use = Effect.andThen(Effect.yieldNow, Effect.sleep("1 second"))
const nothingHeld = (world: World) => world.held === 0 ? Effect.void : Effect.fail(`${world.held} held`)

const unmasked = (world: World) => Effect.flatMap(acquire(world), () => Effect.ensuring(use, release(world)))

/** A lock with a line of waiters. The hasty one forgets that a waiter may be interrupted after it was granted. */
const lineLock = (care: "hasty" | "careful") => {
  let taken = false
  const line: Array<Deferred.Deferred<void>> = []
  const unlock = Effect.suspend(() => {
    const next = line.shift()
    taken = next !== undefined
    return next === undefined ? Effect.void : Deferred.succeed(next, undefined)
  })
  const wait = (turn: Deferred.Deferred<void>) =>
    Effect.onInterrupt(Effect.interruptible(Deferred.await(turn)), () =>
      Effect.suspend(() => {
        const place = line.indexOf(turn)
        if (place >= 0) line.splice(place, 1)
        return place < 0 && care === "careful" ? unlock : Effect.void
      }))
  const lock = Effect.suspend(() => {
    if (taken) {
      const turn = Deferred.makeUnsafe<void>()
      line.push(turn)
      return wait(turn)
    }
    taken = true
    return Effect.void
  })
  return {
    withLock: <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.uninterruptibleMask((restore) => Effect.andThen(lock, Effect.ensuring(restore(effect), unlock)))
  }
}

const besideHolder = (care: "hasty" | "careful") => ({
  setup: Effect.gen(function*() {
    const lock = lineLock(care)
    yield* Effect.forkScoped(Explore.label("holder")(lock.withLock(Effect.sleep("1 second"))))
    yield* Effect.yieldNow
    return lock
  }),
  program: (lock: ReturnType<typeof lineLock>) => lock.withLock(Effect.void),
  invariant: (lock: ReturnType<typeof lineLock>) => lock.withLock(Effect.void)
})

describe("InterruptSweep", () => {
  it.effect("finds what is taken and not given back when nothing masks the step between", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(InterruptSweep.run({ setup, program: unmasked, invariant: nothingHeld }))
      assert.strictEqual(failure.kind, "invariant")
      assert.isAbove(failure.point, 1)
      assert.include(failure.message, "1 held")
      assert.include(failure.message, `interrupted at point ${failure.point} of ${failure.points}`)
      assert.strictEqual(failure.trace.filter((line) => line.includes("main#2 is interrupted")).length, 1)
    }))

  it.effect("is content with acquireUseRelease, and makes one run for each point", () =>
    Effect.gen(function*() {
      let worlds = 0
      const report = yield* InterruptSweep.run({
        setup: Effect.tap(setup, () => Effect.sync(() => worlds++)),
        program: (world) => Effect.acquireUseRelease(acquire(world), () => use, () => release(world)),
        invariant: nothingHeld
      })
      assert.isAbove(report.points, 10)
      assert.strictEqual(report.runs, report.points + 1)
      assert.strictEqual(worlds, report.runs)
    }))

  it.effect("is content with a program that cannot be interrupted", () =>
    Effect.gen(function*() {
      const ends = new Set<string>()
      yield* InterruptSweep.run({
        setup,
        program: (world) => Effect.uninterruptible(unmasked(world)),
        invariant: (world, exit) => Effect.andThen(Effect.sync(() => ends.add(exit._tag)), nothingHeld(world))
      })
      assert.deepStrictEqual([...ends].sort(), ["Failure", "Success"])
    }))

  it.effect("interrupts every step: each write but the last is once the last", () =>
    Effect.gen(function*() {
      const seen = new Set<string>()
      yield* InterruptSweep.run({
        setup: Effect.sync((): Array<number> => []),
        program: (writes) => Effect.forEach([1, 2, 3], (n) => Effect.sync(() => writes.push(n)), { discard: true }),
        invariant: (writes, exit) => Effect.sync(() => seen.add(`${Exit.isSuccess(exit)} ${writes.join("")}`))
      })
      for (const end of ["false ", "false 1", "false 12", "true 123"]) assert.isTrue(seen.has(end), end)
    }))

  it.effect("finds a grant that is lost between the giver and the waiter", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(InterruptSweep.run(besideHolder("hasty")))
      assert.deepStrictEqual([failure.kind, failure.exit], ["invariant", undefined])
      assert.isTrue(failure.waiting.some((line) => line.endsWith("waits for a Deferred")), failure.message)
      yield* InterruptSweep.run(besideHolder("careful"))
    }))

  it.effect("finds a finalizer that hangs", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(InterruptSweep.run({
        setup,
        program: () => Effect.onInterrupt(Effect.sleep("1 second"), () => Effect.never),
        invariant: nothingHeld
      }))
      assert.deepStrictEqual([failure.kind, failure.exit], ["hang", undefined])
      assert.isAbove(failure.point, 0)
      assert.strictEqual(failure.waiting.length, 1)
    }))

  it.effect("finds a fiber left behind, if leaks are looked for; those of the setup are at home", () =>
    Effect.gen(function*() {
      const options = {
        setup: Effect.tap(
          setup,
          () => Effect.andThen(Effect.forkScoped(Effect.never), Effect.forkDetach(Effect.never))
        ),
        program: () => Effect.onInterrupt(Effect.sleep(1), () => Effect.forkDetach(Effect.sleep("1 second"))),
        invariant: nothingHeld
      }
      const failure = yield* Effect.flip(InterruptSweep.run(options))
      assert.strictEqual(failure.kind, "leak")
      assert.isAbove(failure.point, 0)
      yield* InterruptSweep.run({ ...options, leaks: false })
    }))

  it.effect("a fiber that the program starts in the world's scope is not left behind", () =>
    InterruptSweep.run({
      setup: Effect.scope,
      program: (scope) => Effect.andThen(Effect.forkIn(Effect.never, scope), Effect.yieldNow),
      invariant: () => Effect.void
    }))

  it.effect("a fiber that only has to finish is not left behind", () =>
    InterruptSweep.run({
      setup,
      program: (world) =>
        Effect.acquireUseRelease(acquire(world), () => use, () => Effect.forkDetach(Effect.delay(release(world), 0))),
      invariant: nothingHeld
    }))

  it.effect("target all finds who waits for a fiber that was interrupted", () =>
    Effect.gen(function*() {
      const options = {
        setup: Effect.sync(() => Deferred.makeUnsafe<void>()),
        program: (done: Deferred.Deferred<void>) =>
          Effect.andThen(
            Effect.forkChild(Effect.andThen(Effect.sleep(1), Deferred.succeed(done, undefined))),
            Deferred.await(done)
          ),
        invariant: () => Effect.void
      }
      yield* InterruptSweep.run(options)
      const failure = yield* Effect.flip(InterruptSweep.run({ ...options, target: "all" }))
      assert.strictEqual(failure.kind, "hang")
    }))

  it.effect("a program that breaks without interruption breaks at point 0", () =>
    Effect.gen(function*() {
      const broken = { setup, program: acquire, invariant: nothingHeld }
      const failure = yield* Effect.flip(InterruptSweep.run(broken))
      assert.deepStrictEqual([failure.kind, failure.point], ["invariant", 0])
      const noSetup = { setup: Effect.fail("no world"), program: () => Effect.void, invariant: () => Effect.void }
      const setupFailure = yield* Effect.flip(InterruptSweep.run(noSetup))
      assert.deepStrictEqual([setupFailure.kind, setupFailure.point], ["setup", 0])
    }))

  it.effect("a world's scope is closed after the invariant, in virtual time", () =>
    Effect.gen(function*() {
      let open = 0
      yield* InterruptSweep.run({
        setup: Effect.acquireRelease(
          Effect.sync(() => ++open),
          () => Effect.andThen(Effect.sleep("1 day"), Effect.sync(() => --open))
        ),
        program: () => Effect.yieldNow,
        invariant: (mine) => mine === 1 && open === 1 ? Effect.void : Effect.fail(`${open} open`)
      })
      assert.strictEqual(open, 0)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
    }))

  it.effect("Effect's semaphore gives its permit back wherever a holder or a waiter is interrupted", () =>
    InterruptSweep.run({
      setup: Semaphore.make(1),
      program: (semaphore) =>
        Effect.all([semaphore.withPermit(use), semaphore.withPermit(use)], { concurrency: "unbounded" }),
      invariant: (semaphore) => semaphore.withPermit(Effect.void),
      target: "all"
    }))
})
