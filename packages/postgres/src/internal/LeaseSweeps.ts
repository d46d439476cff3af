/** What the sweeps need of their surroundings. */
export interface Surroundings {
  readonly now: () => number
  /** Asks for a `look` at that instant. */
  readonly ring: (instant: number) => void
  readonly sweep: () => void
}

const period = 60_000
/** Sweeps shortly after each other are one, and the clocks of client and server do not run alike. */
const slack = 50

/**
 * When to remove what nobody needs any more. Releases remove their rows themselves, but some must stay for a while, and what
 * a dead process leaves is found by whoever looks: each store does, once in a while.
 */
export class LeaseSweeps {
  private readonly around: Surroundings
  private at: number
  constructor(around: Surroundings) {
    this.around = around
    // Those that start together do not look together.
    this.at = around.now() + period * Math.random()
    around.ring(this.at)
  }

  /** Something can be removed after so many ms. */
  after(delay: number): void {
    this.at = Math.min(this.at, this.around.now() + delay + slack)
    this.around.ring(this.at)
  }

  /** Sweeps if it is time, and answers when to look next. */
  look(): number {
    if (this.at > this.around.now()) return this.at
    this.at = this.around.now() + period
    this.around.sweep()
    return this.at
  }
}
