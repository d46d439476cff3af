/** Rounds: each task once for each contender, in an order that rotates, so that a noisy moment hits all alike. */
import * as Effect from "effect/Effect"
import type { Crew, CrewFailed } from "./Crew.ts"
import { cpuEach, round as rounded } from "./stats.ts"
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
          if (round === 0) yield* warmUp(crew, name, timed)
          else results.get(name)?.get(crew.name)?.push(yield* crew.perform(timed))
        }
      }
    }
    return results
  })

/** The most turns of a warm-up. */
const most = 12

/**
 * Round 0, for the compiler, which knows no section of a process that has run few: turns until two in a row do not bring the
 * least processor time of an operation down by a twentieth, because whoever has more code needs more of them.
 */
const warmUp = (crew: Crew, name: string, task: Omit<Task, "startAt">): Effect.Effect<void, CrewFailed> =>
  Effect.gen(function*() {
    const turn = warmed(task, crew.size)
    const costs: Array<number> = []
    let least = Infinity
    let idle = 0
    while (idle < 2 && costs.length < most) {
      const cost = cpuEach(yield* crew.perform(turn))
      costs.push(cost)
      idle = cost < 0.95 * least ? 0 : idle + 1
      least = Math.min(least, cost)
    }
    const told = costs.map((cost) => rounded(cost)).join(", ")
    process.stderr.write(`  ${crew.name}, ${name}: ${idle < 2 ? "not steady" : "steady"} at CPU µs ${told}\n`)
  })

/**
 * A turn of the warm-up: half a second of processor time for each process on two processors, and where a timer would leave them
 * idle, without one.
 */
const warmed = (task: Omit<Task, "startAt">, processes: number): Omit<Task, "startAt"> => ({
  ...task,
  ...(task.hold === "millisecond" ? { hold: "none", keys: "own", pause: 0 } as const : {}),
  millis: Math.min(task.millis, 500) * Math.max(1, processes / 2)
})
