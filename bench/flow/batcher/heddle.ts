/** Heddle's batcher. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { Batcher } from "heddle/flow"
import type { Open } from "../../harness/Load.ts"
import { double, effects } from "./effects.ts"

export const open: Open = () => {
  const run = (ids: ReadonlyArray<number>) => Effect.map(double(ids), (all) => all.map((one) => Exit.succeed(one)))
  const make = Batcher.make({ run, maxSize: 100, concurrency: Infinity })
  return Effect.runPromise(Effect.map(Scope.provide(make, Scope.makeUnsafe()), ({ submit }) => effects(submit)))
}
