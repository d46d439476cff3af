import * as Effect from "effect/Effect"

/**
 * One value for one waiting fiber. The fiber goes on from its own scheduler, not inside the giver's call: a long line
 * of waiters that each serve the next would otherwise nest until the stack ends.
 */
export class Slot<A> {
  given: A | undefined
  private resume: (() => void) | undefined

  give(value: A): void {
    this.given = value
    this.resume?.()
  }

  readonly await: Effect.Effect<A> = Effect.withFiber((fiber) =>
    Effect.callback((resume) => {
      // The value may have come after the fiber decided to wait and before it does: one look decides both.
      const look = () => {
        if (this.given !== undefined) resume(Effect.succeed(this.given))
      }
      this.resume = () => fiber.currentDispatcher.scheduleTask(look, 0)
      look()
      return Effect.sync(() => {
        this.resume = undefined
      })
    })
  )
}
