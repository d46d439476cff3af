import type { Effect, Scope, Stream } from "effect"
import { type InvalidOption, type PoolError, WorkerPool } from "heddle/flow"
import { expectTypeOf, test } from "vitest"

declare const task: Effect.Effect<number, "mine", "service">

const makeWaiting = WorkerPool.make({ size: 2 })
const makeRejecting = WorkerPool.make({ size: { min: 1, max: 4 }, whenFull: "reject" })
declare const waiting: Effect.Success<typeof makeWaiting>
declare const rejecting: Effect.Success<typeof makeRejecting>

test("a pool whose submitters wait for room never says that it is full", () => {
  expectTypeOf(makeWaiting).toEqualTypeOf<
    Effect.Effect<WorkerPool.WorkerPool<never>, InvalidOption, Scope.Scope>
  >()
  expectTypeOf(WorkerPool.make({ size: 2, whenFull: "wait" })).toEqualTypeOf<typeof makeWaiting>()
  expectTypeOf(waiting.submit(task)).toEqualTypeOf<
    Effect.Effect<number, "mine" | PoolError.PoolClosed, "service">
  >()
})

test("one that rejects, drops, or waits so long only does", () => {
  expectTypeOf(makeRejecting).toEqualTypeOf<Effect.Effect<WorkerPool.WorkerPool, InvalidOption, Scope.Scope>>()
  expectTypeOf(WorkerPool.make({ size: 2, whenFull: "drop" })).toEqualTypeOf<typeof makeRejecting>()
  expectTypeOf(WorkerPool.make({ size: 2, whenFull: { waitFor: 5 } })).toEqualTypeOf<typeof makeRejecting>()
  expectTypeOf(rejecting.submit(task, { priority: 9 })).toEqualTypeOf<
    Effect.Effect<number, "mine" | PoolError.PoolClosed | PoolError.PoolFull, "service">
  >()
  expectTypeOf(waiting).toExtend<WorkerPool.WorkerPool>()
  expectTypeOf(rejecting).not.toExtend<WorkerPool.WorkerPool<never>>()
})

test("only a task with a deadline can be too late", () => {
  expectTypeOf(waiting.submit(task, { deadline: "1 second", priority: 0 })).toEqualTypeOf<
    Effect.Effect<number, "mine" | PoolError.PoolClosed | PoolError.TaskTimeout, "service">
  >()
})

test("a priority is one of ten, and a size is needed", () => {
  expectTypeOf<10>().not.toExtend<WorkerPool.Priority>()
  expectTypeOf<{ readonly queue: 5 }>().not.toExtend<WorkerPool.Options>()
  expectTypeOf<{ readonly min: 1 }>().not.toExtend<WorkerPool.Sizing>()
})

test("changes tell each kind of change, and never fail", () => {
  expectTypeOf(waiting.changes).toEqualTypeOf<Stream.Stream<WorkerPool.Change>>()
  expectTypeOf<WorkerPool.Change["_tag"]>().toEqualTypeOf<"Resized" | "Paused" | "Resumed" | "Closing" | "Closed">()
})
