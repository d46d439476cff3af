import type { Effect } from "effect"
import { Deadline } from "heddle/resilience"
import { expectTypeOf, test } from "vitest"

declare const work: Effect.Effect<number, "mine", "service">

test("a deadline adds its own error, and a header one more", () => {
  expectTypeOf(Deadline.within("1 second")(work)).toEqualTypeOf<
    Effect.Effect<number, "mine" | Deadline.DeadlineExceeded, "service">
  >()
  expectTypeOf(Deadline.serve({})(work)).toEqualTypeOf<
    Effect.Effect<number, "mine" | Deadline.DeadlineExceeded | Deadline.MalformedDeadline, "service">
  >()
})
