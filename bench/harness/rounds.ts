/** Rounds: each task once for each contender, in an order that rotates, so that a noisy moment hits all alike. */
import * as Effect from "effect/Effect"
import type { Crew, CrewFailed } from "./Crew.ts"
import type { Report, Task } from "./Task.ts"

export interface Plan {
  readonly crews: ReadonlyArray<Crew>
  readonly tasks: Readonly<Record<string, Omit<Task, "startAt" | "key" | "millis">>>
  readonly millis: number
  readonly rounds: number
}

/** Reports by task, then by contender, one for each round. */
export type Results = ReadonlyMap<string, ReadonlyMap<string, ReadonlyArray<Report>>>

export const run = (title: string, plan: Plan): Effect.Effect<Results, CrewFailed> =>
  Effect.gen(function*() {
    const tasks = Object.entries(plan.tasks)
    const results = new Map(
      tasks.map(([task]) => [task, new Map(plan.crews.map(({ name }) => [name, new Array<Report>()]))])
    )
    for (let round = 0; round <= plan.rounds; round++) {
      process.stderr.write(`${title}: ${round === 0 ? "warm-up" : `round ${round} of ${plan.rounds}`}\n`)
      for (const [name, task] of tasks) {
        for (let turn = 0; turn < plan.crews.length; turn++) {
          const crew = plan.crews[(turn + round) % plan.crews.length]
          if (crew === undefined) continue
          const key = `${name}:${round}`.replaceAll(" ", "-")
          const timed = { ...task, key: `${crew.name}:${key}`, millis: plan.millis }
          const report = yield* crew.perform(round > 0 ? timed : warmed(timed, crew.size))
          if (round > 0) results.get(name)?.get(crew.name)?.push(report)
        }
      }
    }
    return results
  })

/**
 * Round 0, for the compiler, which knows no section of a process that has run few: two seconds of processor time for each
 * process on two processors, and where a timer would leave them idle, without one.
 */
const warmed = (task: Omit<Task, "startAt">, processes: number): Omit<Task, "startAt"> => ({
  ...task,
  ...(task.hold === "millisecond" ? { hold: "none", keys: "own", pause: 0 } as const : {}),
  millis: Math.min(4 * task.millis, 2000) * Math.max(1, processes / 2)
})
