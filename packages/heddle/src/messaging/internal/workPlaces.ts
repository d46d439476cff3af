import * as Effect from "effect/Effect"
import { Line, type Place } from "../../internal/Line.ts"

/** A job that was claimed ahead, until there is a place for its handler. */
class Ahead implements Place<Ahead> {
  before: Ahead | undefined = undefined
  behind: Ahead | undefined = undefined
  line: Line<Ahead> | undefined = undefined
  readonly begin: () => void
  readonly turnAway: () => void
  constructor(begin: () => void, turnAway: () => void) {
    this.begin = begin
    this.turnAway = turnAway
  }
}

/** Places for so many handlers at once; those of jobs that were claimed ahead wait for one, in the order they came. */
export class Places {
  private free: number
  private passing = false
  private readonly line = new Line<Ahead>()
  constructor(count: number) {
    this.free = count
  }

  /** How many wait. */
  get ahead(): number {
    return this.line.size
  }

  /** Takes a place, where one is free and nobody waits. */
  take(): boolean {
    if (this.free === 0 || this.line.size > 0) return false
    this.free--
    return true
  }

  /** Waits for a place; `begun` is called in the moment that it is given. Interrupted by `turnAway`. */
  wait(begun: () => void): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const ahead = new Ahead(() => {
        begun()
        resume(Effect.void)
      }, () => resume(Effect.interrupt))
      this.line.push(ahead)
      return Effect.sync(() => ahead.line?.remove(ahead))
    })
  }

  /** Gives a place back. Those to whom it goes may end at once, so it is a loop and not one call in the other. */
  leave(): void {
    this.free++
    if (this.passing) return
    this.passing = true
    while (this.free > 0) {
      const next = this.line.shift()
      if (next === undefined) break
      this.free--
      next.begin()
    }
    this.passing = false
  }

  /** Interrupts all that wait. */
  turnAway(): void {
    this.line.drain((ahead) => ahead.turnAway())
  }
}
