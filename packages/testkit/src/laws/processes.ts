import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { start, stops, type WorkerProcess } from "../internal/WorkerProcess.ts"
import { type Event, monotonic } from "../internal/workerProtocol.ts"
import type { Abilities } from "../LeaseStoreLaws.ts"
import { having, inTime, type Law, seen, standInLine, type Store } from "./Stage.ts"
import { violations } from "./visits.ts"

const hour = 3_600_000

interface HoldOptions {
  readonly ttl?: number
  readonly steps?: number
}

const hold = (worker: WorkerProcess, resource: string, name: string, options: HoldOptions = {}) =>
  worker.tell({ _tag: "Hold", name, resource, ttl: hour, waitFor: hour, ...options })

const entered = (worker: WorkerProcess, name: string) =>
  worker.told(
    `${name} entered`,
    (event): event is Extract<Event, { _tag: "Entered" }> => event._tag === "Entered" && event.name === name
  )

const ended = (worker: WorkerProcess, name: string) =>
  worker.told(
    `${name} ended`,
    (event): event is Extract<Event, { _tag: "Ended" }> => event._tag === "Ended" && event.name === name
  )

/** Waits until so many stand in line. */
const line = (store: Store, resource: string, length: number) =>
  seen(store, resource, `${length} stand in line`, ({ waiters }) => waiters.length === length)

export const processLaws = (law: Law, { fair, worker: spec }: Abilities): void => {
  const fairLaw = having(law, fair)
  if (spec === undefined) return

  const several = (count: number) =>
    inTime(
      "the workers start",
      Effect.forEach(Array.from({ length: count }), () => start(spec), { concurrency: count })
    )

  law(
    "100 tasks in 4 processes are never two inside, and enter in order of token (AC-06.1)",
    ({ resource }) =>
      Effect.gen(function*() {
        const workers = yield* several(4)
        const tasks = workers.flatMap((worker) =>
          Array.from({ length: 25 }, (_, index) => ({ worker, name: `${index}` }))
        )
        for (const { name, worker } of tasks) yield* hold(worker, resource, name, { steps: 2 })
        const visits = yield* Effect.forEach(tasks, ({ name, worker }) => ended(worker, name))
        assert.deepStrictEqual(visits.filter((visit) => visit.how !== "done"), [])
        assert.deepStrictEqual(violations(visits), [])
      })
  )

  fairLaw("processes are served in order of arrival", ({ resource, store }) =>
    Effect.gen(function*() {
      const workers = yield* several(3)
      const holder = yield* store.claim({ resource, ttl: hour })
      const tasks = Array.from({ length: 9 }, (_, turn) => ({ worker: workers[turn % 3], name: `${turn}` }))
      for (const [turn, { name, worker }] of tasks.entries()) {
        if (worker === undefined) return
        yield* hold(worker, resource, name, { steps: 1 })
        yield* line(store, resource, turn + 1)
      }
      yield* holder.release
      const visits = []
      for (const { name, worker } of tasks) if (worker !== undefined) visits.push(yield* ended(worker, name))
      assert.deepStrictEqual(visits.map((visit) => visit.name), tasks.map((task) => task.name))
      assert.deepStrictEqual(visits, [...visits].sort((a, b) => Number(a.token - b.token)))
      assert.deepStrictEqual(violations(visits), [])
    }))

  fairLaw("a waiter that was killed does not block the line", ({ resource, store }) =>
    Effect.gen(function*() {
      const [doomed, next] = yield* several(2)
      if (doomed === undefined || next === undefined) return
      const holder = yield* store.claim({ resource, ttl: hour })
      yield* hold(doomed, resource, "doomed", { ttl: 2000 })
      yield* line(store, resource, 1)
      yield* hold(next, resource, "next", { steps: 1 })
      yield* line(store, resource, 2)
      yield* doomed.signal("SIGKILL")
      assert.strictEqual(yield* doomed.ended, "SIGKILL")
      yield* holder.release
      assert.strictEqual((yield* ended(next, "next")).how, "done")
    }))

  law(
    "a holder that was killed makes way when its ttl ends (AC-06.10)",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const [doomed] = yield* several(1)
        if (doomed === undefined) return
        yield* hold(doomed, resource, "doomed", { ttl: 2000 })
        const { token } = yield* entered(doomed, "doomed")
        const waiter = yield* standInLine(store, { resource })
        yield* doomed.signal("SIGKILL")
        const lease = yield* inTime("the waiter is served", Fiber.join(waiter))
        assert.isAbove(Number(lease.token - token), 0)
        yield* lease.release
      })
  )

  law(
    "a holder that was stopped past its ttl takes not one more step and sees LeaseLost (AC-06.4)",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const [holder] = yield* several(1)
        if (holder === undefined) return
        yield* hold(holder, resource, "holder", { ttl: 1000 })
        const { token } = yield* entered(holder, "holder")
        const waiter = yield* standInLine(store, { resource })
        yield* holder.tell({ _tag: "Stop" })
        const lease = yield* inTime("the waiter is served", Fiber.join(waiter))
        const granted = monotonic()
        assert.isAbove(Number(lease.token - token), 0)
        yield* stops(holder)
        yield* holder.signal("SIGCONT")
        const end = yield* ended(holder, "holder")
        assert.strictEqual(end.how, "LeaseLost")
        assert.isBelow(Number(end.left - granted), 0)
        assert.isTrue(lease.isAlive())
        yield* lease.release
      })
  )

  law(
    "a holder that blocks its thread past its ttl takes not one more step",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const [holder] = yield* several(1)
        if (holder === undefined) return
        yield* hold(holder, resource, "holder", { ttl: 1000 })
        const { token } = yield* entered(holder, "holder")
        const waiter = yield* standInLine(store, { resource })
        yield* holder.tell({ _tag: "Block", name: "holder", millis: 6000 })
        const lease = yield* inTime("the waiter is served", Fiber.join(waiter))
        const granted = monotonic()
        assert.isAbove(Number(lease.token - token), 0)
        const end = yield* ended(holder, "holder")
        assert.strictEqual(end.how, "LeaseLost")
        assert.isBelow(Number(end.left - granted), 0)
        yield* lease.release
      })
  )

  law(
    "a process that ends gives back what it held, and nothing keeps it alive (AC-06.10, AC-42.7)",
    ({ resource, store }) =>
      Effect.gen(function*() {
        const [worker] = yield* several(1)
        if (worker === undefined) return
        for (const name of ["a", "b", "c"]) {
          yield* hold(worker, `${resource}-${name}`, name)
          yield* entered(worker, name)
        }
        const waiter = yield* standInLine(store, { resource: `${resource}-a` })
        yield* worker.tell({ _tag: "Exit" })
        assert.strictEqual(yield* inTime("the process ends", worker.ended), 0)
        const first = yield* inTime("the waiter is served", Fiber.join(waiter))
        const leases = [first]
        for (const name of ["b", "c"]) {
          leases.push(yield* inTime(`${name} is free`, store.claim({ resource: `${resource}-${name}` })))
        }
        for (const lease of leases) yield* lease.release
      })
  )
}
