/**
 * A round of chaos as a test.
 *
 * @since 0.1.0
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Chaos from "./Chaos.ts"

/**
 * Registers one round of `Chaos` with a seed of its own, which is in the title: about ten seconds.
 *
 * @category laws
 * @since 0.1.0
 */
export const chaosLaws = (subject: Chaos.Subject, options: Pick<Chaos.Options, "duration"> = {}): void => {
  const seed = Math.floor(Math.random() * 2 ** 32)
  describe(`${subject.name} under chaos`, () => {
    it.live(
      `keeps what it promises in the round of seed ${seed}`,
      () =>
        Effect.map(
          Chaos.run(subject, { ...options, seed }),
          ({ violations }) => assert.deepStrictEqual(violations, [])
        ),
      { timeout: 300_000 }
    )
  })
}
