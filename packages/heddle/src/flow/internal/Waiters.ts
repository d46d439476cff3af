import * as Effect from "effect/Effect"

/**
 * Fibers that wait for something to change. Whoever changes it wakes them, and each looks again for itself.
 *
 * A woken fiber goes on by its own dispatcher, not on the stack of who woke it: chains of hand-overs grow no stack.
 */
export class Waiters {
  private waiting: Array<() => void> = []

  /** Waits to be woken, unless it is so already: that is looked at in the step that joins the line, so no wake is missed. */
  until(ready: () => boolean): Effect.Effect<void> {
    return Effect.withFiber((fiber) =>
      Effect.callback<void>((resume) => {
        if (ready()) return resume(Effect.void)
        const wake = () => fiber.currentDispatcher.scheduleTask(() => resume(Effect.void), 0)
        this.waiting.push(wake)
        return Effect.sync(() => {
          const at = this.waiting.indexOf(wake)
          if (at >= 0) this.waiting.splice(at, 1)
        })
      })
    )
  }

  /** The one who has waited for longest, where what has changed is enough for one. */
  wakeOne(): void {
    this.waiting.shift()?.()
  }

  wakeAll(): void {
    if (this.waiting.length === 0) return
    const woken = this.waiting
    this.waiting = []
    for (const wake of woken) wake()
  }
}
