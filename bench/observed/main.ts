/** What metrics, `Contention`, and being off add to an operation of each pattern. */
import * as Effect from "effect/Effect"
import { type Wish, Work } from "../harness/Work.ts"
import { paired } from "./paired.ts"
import { areas } from "./scenes.ts"

/** Runs each scene. */
export const observed = (wish: Wish) =>
  Effect.gen(function*() {
    const work = new Work("observed", wish, import.meta.url)
    for (const [area, scenes] of Object.entries(areas)) {
      yield* work.part(`What it costs to be observed, ${area}`, paired(scenes, wish.quick ? 1 : 3))
    }
    yield* work.save
  })
