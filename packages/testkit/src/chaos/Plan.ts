import * as Arr from "effect/Array"
import type { Fault } from "../Chaos.ts"
import { Dice } from "./Dice.ts"

/** One harm: it begins so long after the one before has ended, and lasts. Milliseconds. */
export interface Strike {
  readonly after: number
  readonly fault: string
  readonly lasts: number
}

/** What a round does to its world. Strikes of one lane come one after another, the lanes run beside each other. */
export interface Plan {
  /** For how long, in milliseconds. */
  readonly duration: number
  /** Whether the servers lose their data in this round. */
  readonly forgets: boolean
  readonly lanes: ReadonlyArray<ReadonlyArray<Strike>>
}

/** The shortest and the longest pause between two strikes of a lane, in milliseconds. */
const pauses = { servers: [200, 1800], network: [20, 500], delays: [100, 1000], processes: [200, 1500] } as const

const lanes = ["servers", "network", "delays", "processes"] as const

/** How the seed's round goes on a world with these faults. */
export const planOf = (seed: number, duration: number, faults: ReadonlyArray<Fault>): Plan => {
  const forgets = faults.some((fault) => fault.forgets === true) && new Dice(seed, "forgets").chance(0.25)
  const possible = faults.filter((fault) => forgets || fault.forgets !== true)
  return {
    duration,
    forgets,
    lanes: lanes.map((lane) =>
      strikes(new Dice(seed, lane), duration, pauses[lane], possible.filter((fault) => fault.lane === lane))
    )
  }
}

const strikes = (
  dice: Dice,
  duration: number,
  [shortest, longest]: readonly [number, number],
  faults: ReadonlyArray<Fault>
): ReadonlyArray<Strike> => {
  const all: Array<Strike> = []
  if (!Arr.isReadonlyArrayNonEmpty(faults)) return all
  for (let now = 0;;) {
    const after = dice.between(shortest, longest)
    const lasts = dice.pick([0, 100, 400, 1000, 2500]) + dice.between(0, 100)
    now += after + lasts
    if (now > duration) return all
    all.push({ after, fault: dice.pick(faults).name, lasts })
  }
}
