import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { scene } from "./main.ts"

it.live(
  "a task that never ends and one that takes all memory cost a thread each, and no other task",
  () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* scene, {
        numbers: [55, 6765, 75_025],
        refused: "TooLarge",
        endless: "None",
        crashed: "ThreadCrashed",
        after: 610,
        restarted: 2
      })
    })
)
