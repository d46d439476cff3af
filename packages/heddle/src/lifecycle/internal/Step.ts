import * as Deferred from "effect/Deferred"
import type * as Effect from "effect/Effect"
import type { Phase } from "../ShutdownReport.ts"

export const stages = ["stop", "drain", "release", "close", "end"] as const

export interface Plan {
  readonly name: string
  readonly phase: Phase | "end"
  /** Milliseconds. */
  readonly timeout: number
  readonly holds: Effect.Effect<string> | undefined
  readonly run: Effect.Effect<unknown, unknown>
}

/** A step that was registered. `waitsFor` also holds those that said they come before it. */
export class Step {
  readonly plan: Plan
  readonly waitsFor: Set<Step>
  readonly done = Deferred.makeUnsafe<void>()
  state: "waits" | "runs" | "ended" | "gone" = "waits"
  constructor(plan: Plan, waitsFor: Set<Step>) {
    this.plan = plan
    this.waitsFor = waitsFor
  }
}

/** Whether `to` must end before `from` begins, and by which names, `from` first; undefined if it need not. */
const path = (from: Step, to: Step): ReadonlyArray<string> | undefined => {
  if (from === to) return [from.plan.name]
  for (const step of from.waitsFor) {
    const rest = path(step, to)
    if (rest !== undefined) return [from.plan.name, ...rest]
  }
  return undefined
}

export interface Refusal {
  readonly reason: "duplicate" | "unknown" | "cycle"
  readonly names: ReadonlyArray<string>
}

/**
 * The step among those that there are, or why it cannot be. No two steps of `steps` wait for each other, so a circle can only
 * go through the new one: out by something that it waits for, and back by something that waits for it.
 */
export const place = (
  steps: ReadonlyMap<string, Step>,
  plan: Plan,
  after: ReadonlyArray<string>,
  before: ReadonlyArray<string>
): { readonly step: Step; readonly followers: ReadonlyArray<Step> } | Refusal => {
  const { name } = plan
  if (steps.has(name)) return { reason: "duplicate", names: [name] }
  const named = [...after, ...before]
  if (named.includes(name)) return { reason: "cycle", names: [name, name] }
  const unknown = named.filter((other) => !steps.has(other))
  if (unknown.length > 0) return { reason: "unknown", names: unknown }
  const of = (names: ReadonlyArray<string>) => names.flatMap((other) => steps.get(other) ?? [])
  const [leaders, followers] = [of(after), of(before)]
  const stage = ({ phase }: Plan) => stages.indexOf(phase)
  const turned = [
    ...leaders.filter((leader) => stage(leader.plan) > stage(plan)),
    ...followers.filter((follower) => stage(follower.plan) < stage(plan))
  ]
  if (turned[0] !== undefined) return { reason: "cycle", names: [name, turned[0].plan.name, name] }
  for (const leader of leaders) {
    for (const follower of followers) {
      const between = path(leader, follower)
      if (between !== undefined) return { reason: "cycle", names: [name, ...between, name] }
    }
  }
  return { step: new Step(plan, new Set(leaders)), followers }
}
