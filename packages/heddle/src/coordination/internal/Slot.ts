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

  readonly await: Effect.Effect<A> = Effect.withFiber((fiber) => {
    if (this.given !== undefined) return Effect.succeed(this.given)
    return Effect.callback<A>((resume) => {
      this.resume = () => fiber.currentDispatcher.scheduleTask(() => resume(this.await), 0)
      return Effect.sync(() => {
        this.resume = undefined
      })
    })
  })
}
