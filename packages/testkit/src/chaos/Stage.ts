import * as Arr from "effect/Array"
import type { Ledger, Resource } from "./Ledger.ts"

/** What all who take part in a round share. */
export interface Stage {
  readonly seed: number
  readonly ledger: Ledger
  /** What all keys begin with. */
  readonly prefix: string
  readonly keys: Arr.NonEmptyReadonlyArray<string>
  /** Resources for one at a time. */
  readonly locks: Arr.NonEmptyReadonlyArray<Resource>
  /** The locks, and a resource for several. */
  readonly resources: Arr.NonEmptyReadonlyArray<Resource>
  /** Whether holders say something of themselves. */
  readonly described: boolean
}

/** Keys and resources that no other round uses. */
export const stageOf = (seed: number, ledger: Ledger, exclusive: boolean): Stage => {
  const prefix = `chaos-${seed}/`
  const locks: Arr.NonEmptyReadonlyArray<Resource> = [
    { name: `${prefix}first`, limit: 1 },
    { name: `${prefix}second`, limit: 1 }
  ]
  return {
    seed,
    ledger,
    prefix,
    keys: Arr.map(Arr.make("a", "b", "c", "d"), (key) => `${prefix}${key}`),
    locks,
    resources: exclusive ? locks : Arr.append(locks, { name: `${prefix}several`, limit: 3 }),
    described: !exclusive
  }
}
