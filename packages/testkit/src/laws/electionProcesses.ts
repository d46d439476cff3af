import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { LeaderElection } from "heddle/coordination"
import { start, stops, type WorkerProcess } from "../internal/WorkerProcess.ts"
import { type Event, monotonic } from "../internal/workerProtocol.ts"
import type { ElectionAbilities } from "../LeaderElectionLaws.ts"
import { type ElectionLaw, free, observing, waits } from "./electionStage.ts"
import { inTime } from "./Stage.ts"

/** The first term of a process above another. */
const leads = (worker: WorkerProcess, name: string, above = 0n) =>
  worker.told(
    `${name} leads`,
    (event): event is Extract<Event, { _tag: "Entered" }> =>
      event._tag === "Entered" && event.name === name && event.token > above
  )

const ended = (worker: WorkerProcess, name: string) =>
  worker.told(
    `${name} ends its term`,
    (event): event is Extract<Event, { _tag: "Ended" }> => event._tag === "Ended" && event.name === name
  )

export const electionProcessLaws = (law: ElectionLaw, { worker: spec }: ElectionAbilities): void => {
  if (spec === undefined) return
  const worker = inTime("the worker starts", start(spec))

  law(
    "AC-07.4 when a leader was killed the next leads after its ttl, in a higher term",
    ({ here, name, there }) =>
      Effect.gen(function*() {
        const [doomed, heir] = yield* Effect.all([worker, worker], { concurrency: 2 })
        const { heard, terms, until } = yield* there(observing(name))
        yield* until("nobody")
        yield* doomed.tell({ _tag: "Lead", name: "doomed", election: name, ttl: 1000 })
        const { token } = yield* leads(doomed, "doomed")
        yield* until("doomed:")
        yield* heir.tell({ _tag: "Lead", name: "heir", election: name, ttl: 1000 })
        yield* here(waits(name, 1))
        yield* doomed.signal("SIGKILL")
        const next = yield* leads(heir, "heir")
        assert.isTrue(next.token > token)
        yield* until("heir:")
        assert.deepStrictEqual(heard.filter((now) => now !== "nobody"), ["doomed:", "heir:"])
        assert.deepStrictEqual(terms, [token, next.token])
        yield* heir.tell({ _tag: "Leave", name: "heir" })
        assert.strictEqual((yield* ended(heir, "heir")).how, "done")
        yield* here(free(name))
      })
  )

  law(
    "AC-07.1 a leader that was stopped past its ttl takes not one more step, and campaigns again",
    ({ here, name }) =>
      Effect.gen(function*() {
        const stopped = yield* worker
        yield* stopped.tell({ _tag: "Lead", name: "stopped", election: name, ttl: 1000 })
        const { token } = yield* leads(stopped, "stopped")
        const next = yield* Effect.forkScoped(here(LeaderElection.campaign(name)))
        yield* here(waits(name, 1))
        yield* stopped.tell({ _tag: "Stop" })
        const mine = yield* inTime("the next leads", Fiber.join(next))
        const since = monotonic()
        assert.isTrue(mine.term > token)
        yield* stops(stopped)
        yield* stopped.signal("SIGCONT")
        const end = yield* ended(stopped, "stopped")
        assert.strictEqual(end.how, "interrupted")
        assert.isTrue(end.left < since)
        yield* here(waits(name, 1))
        assert.isTrue(mine.isLeader())
        yield* mine.resign
        yield* leads(stopped, "stopped", mine.term)
        yield* stopped.tell({ _tag: "Exit" })
        assert.strictEqual(yield* inTime("the process ends", stopped.ended), 0)
        yield* here(free(name))
      })
  )
}
