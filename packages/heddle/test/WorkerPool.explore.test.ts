import { describe, it } from "@effect/vitest"
import { Explore, InterruptSweep } from "@heddle/testkit"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { WorkerPool } from "heddle/flow"

/** What tasks do in a world, and what must be true of it. */
class World {
  most = Infinity
  private running = 0
  readonly ran = new Map<number, number>()

  /** A task that notes that it ran, and dies if too many do. */
  task(id: number, steps: number): Effect.Effect<number> {
    const begin = Effect.suspend(() => {
      this.ran.set(id, (this.ran.get(id) ?? 0) + 1)
      return ++this.running > this.most ? Effect.die("too many run") : Effect.void
    })
    return Effect.acquireUseRelease(
      begin,
      () => Effect.as(Effect.repeat(Effect.yieldNow, { times: steps }), id),
      () => Effect.sync(() => this.running--)
    )
  }

  /** The answer of a task says the truth about whether it ran. */
  check(id: number, exit: Exit.Exit<number, { readonly _tag: string; readonly started?: boolean }>) {
    const times = this.ran.get(id) ?? 0
    if (times > 1) return Effect.die(`${id} ran ${times} times`)
    if (Exit.isSuccess(exit)) return exit.value === id && times === 1 ? Effect.void : Effect.die("another one's answer")
    if (Cause.hasDies(exit.cause)) return Effect.failCause(Cause.die(Cause.pretty(exit.cause)))
    for (const reason of exit.cause.reasons) {
      if (Cause.isFailReason(reason) && times === 1 && reason.error.started !== true) {
        return Effect.die(`${id} ran and says ${reason.error._tag}`)
      }
    }
    return Effect.void
  }

  get left(): number {
    return this.running
  }
}

const conserved = ({ accepted, active, queued, waiting, ...stats }: WorkerPool.Stats) => {
  const { completed, cut, dropped, failed, interrupted, notRun, timedOut } = stats
  if (active !== 0 || queued !== 0 || waiting !== 0) return Effect.die(`left: ${active}, ${queued}, ${waiting}`)
  const ended = completed + failed + interrupted + timedOut + dropped + cut + notRun
  return accepted === ended ? Effect.void : Effect.die(`${accepted} accepted, ${ended} ended`)
}

/** Nobody stands at the door while there is room in the queue. */
const roomTaken = (queue: number, { queued, waiting }: WorkerPool.Stats) =>
  waiting > 0 && queued < queue
    ? Effect.die(`${waiting} wait at a queue of ${queued}, which holds ${queue}`)
    : Effect.void

/** A program of submitters, some of which leave or are late, beside somebody who turns every knob. */
const program = (seed: number) => {
  let state = seed
  const pick = (below: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(state / 2 ** 32 * below)
  }
  const queue = pick(3)
  const options: WorkerPool.Options = {
    size: 1 + pick(2),
    queue,
    whenFull: (["wait", "reject", "drop", { waitFor: 3 }] as const)[pick(4)]
  }
  const submitters = Array.from({ length: 5 }, (_, id) => ({
    id,
    steps: pick(3),
    priority: ([3, 5, 8] as const)[pick(3)],
    deadline: pick(3) === 0 ? 1 + pick(4) : Infinity,
    leaves: pick(4) === 0
  }))
  const knobs = Array.from({ length: 4 }, () => pick(6))
  const within = [0, 2, Infinity][pick(3)]
  return Effect.gen(function*() {
    const world = new World()
    const pool = yield* WorkerPool.make(options)
    world.most = 2
    const fibers = yield* Effect.forEach(submitters, ({ id, leaves, steps, ...how }) =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(Effect.exit(pool.submit(world.task(id, steps), how)))
        if (leaves) yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        if (Exit.isSuccess(exit)) yield* world.check(id, exit.value)
      }).pipe(Effect.forkChild))
    for (const knob of knobs) {
      if (knob === 0) yield* pool.pause
      if (knob === 1) yield* pool.resume
      if (knob === 2) yield* pool.resize(1)
      if (knob === 3) yield* pool.resize(2)
      if (knob === 4) yield* Effect.sleep(1)
      if (knob === 5) yield* Effect.yieldNow
      yield* roomTaken(queue, yield* pool.stats)
    }
    const reports = yield* Effect.all([pool.shutdown(within), pool.shutdown(within)], { concurrency: 2 })
    yield* Fiber.joinAll(fibers)
    yield* conserved(yield* pool.stats)
    const [one, other] = reports.map((report) => JSON.stringify(report))
    if (one !== other) return yield* Effect.die(`two shutdowns: ${one} and ${other}`)
    if (world.left !== 0) return yield* Effect.die("it was shut down before its tasks had ended")
  }).pipe(Effect.scoped)
}

describe("a pool, under every kind of interleaving", () => {
  it.live(
    "AC-04.1 AC-04.2 answers every submitter once, runs no task twice, and accounts for all",
    () =>
      Effect.gen(function*() {
        for (let seed = 1; seed <= 150; seed++) {
          yield* Explore.run(program(seed), { runs: 15, seed, leaks: true })
          yield* Explore.run(program(seed), { runs: 5, seed, leaks: true, strategy: Explore.pct() })
        }
      }),
    120_000
  )

  it.live(
    "AC-04.1 submits that race with shutdowns are accepted and answered, or told that it is closed",
    () =>
      Effect.gen(function*() {
        const race = Effect.gen(function*() {
          const world = new World()
          const pool = yield* WorkerPool.make({ size: 2, queue: 1 })
          const submits = Effect.forEach(
            [1, 2, 3, 4],
            (id) => Effect.flatMap(Effect.exit(pool.submit(world.task(id, 1))), (exit) => world.check(id, exit)),
            {
              concurrency: "unbounded"
            }
          )
          yield* Effect.all([submits, pool.shutdown(), pool.shutdown(5), pool.shutdown(0)], {
            concurrency: "unbounded"
          })
          yield* conserved(yield* pool.stats)
        }).pipe(Effect.scoped)
        yield* Explore.run(race, { runs: 1000, leaks: true })
        yield* Explore.run(race, { runs: 500, leaks: true, strategy: Explore.pct() })
      }),
    120_000
  )

  it.live("grows and shrinks within its bounds, and what it says is what runs", () =>
    Effect.gen(function*() {
      const program = Effect.gen(function*() {
        const world = new World()
        world.most = 3
        const pool = yield* WorkerPool.make({ size: { min: 1, max: 3, interval: 2, cooldown: 2 } })
        const work = (id: number) =>
          Effect.andThen(Effect.sleep(id % 3), Effect.delay(pool.submit(Effect.delay(world.task(id, 1), 3)), id))
        yield* Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], work, { concurrency: "unbounded", discard: true })
        yield* Effect.sleep(20)
        const stats = yield* pool.stats
        if (stats.size !== 1) yield* Effect.die(`${stats.size} workers are left`)
        yield* conserved(stats)
      }).pipe(Effect.scoped)
      yield* Explore.run(program, { runs: 500 })
    }), 120_000)
})

describe("a pool, interrupted at any step", () => {
  const setup = Effect.gen(function*() {
    const pool = yield* WorkerPool.make({ size: 1, queue: 1, whenFull: { waitFor: 50 }, drainFor: 100 })
    return { pool, world: new World() }
  })
  type Setup = Effect.Success<typeof setup>

  const submitAll = ({ pool, world }: Setup) =>
    Effect.forEach([1, 2, 3], (id) => pool.submit(world.task(id, 1), { deadline: 1000 }), { concurrency: 3 })

  const whole = ({ pool, world }: Setup) =>
    Effect.gen(function*() {
      yield* conserved(yield* pool.stats)
      if (world.left !== 0) return yield* Effect.die("a task goes on")
      // The pool works as before.
      if ((yield* pool.submit(Effect.succeed("works"))) !== "works") return yield* Effect.die("another answer")
    })

  it.live(
    "by its submitter, loses no worker and leaves no task behind",
    () => InterruptSweep.run({ setup, program: submitAll, invariant: whole })
  )

  it.live(
    "or by anybody who runs in it, loses no worker and leaves no task behind",
    () => InterruptSweep.run({ setup, program: submitAll, invariant: whole, target: "all" }),
    120_000
  )

  it.live("of its shutdown, is still closed and leaves nothing behind when its scope ends", () =>
    InterruptSweep.run({
      setup: Effect.succeed(new World()),
      program: (world: World) =>
        Effect.scoped(Effect.gen(function*() {
          const pool = yield* WorkerPool.make({ size: 1, drainFor: 10 })
          yield* Effect.forkChild(Effect.forEach([1, 2], (id) => pool.submit(world.task(id, 2)), { concurrency: 2 }), {
            startImmediately: true
          })
          yield* pool.shutdown()
        })),
      invariant: (world) => world.left === 0 ? Effect.void : Effect.die("a task goes on")
    }))
})
