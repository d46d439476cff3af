/**
 * When a call may go so that no more go than a rule allows: the two algorithms, as pure state that is told the time.
 *
 * The memory store runs it; a backend's tests run it beside the backend's script and compare.
 *
 * @since 0.1.0
 */

/**
 * How many may go.
 *
 * - `window`: never more than `limit` in any span of `per`, wherever it begins (a sliding-window log). It remembers the grants of the
 *   last `per`; those of a 32nd of it together, as of the last of them. So a key is small, and a turn comes back by a 32nd of `per` too
 *   late at most, never too early.
 * - `gcra`: `limit` in each `per` on average, evenly, and `burst` more at once after a rest (the generic cell rate algorithm of ATM,
 *   ITU-T I.371). It remembers one number. In a span of `per` there may be `limit + burst`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  readonly algorithm: "window" | "gcra"
  readonly limit: number
  /** Milliseconds. */
  readonly per: number
  /** For `gcra`. */
  readonly burst: number
}

/**
 * What was decided. `at`: when it may go, on the store's clock; `wait`: how many milliseconds from now that is.
 *
 * @category models
 * @since 0.1.0
 */
export type Decision =
  | { readonly _tag: "Granted"; readonly at: number; readonly wait: number }
  | { readonly _tag: "Refused"; readonly retryAfter: number }

/**
 * The most that one call may cost.
 *
 * @category models
 * @since 0.1.0
 */
export const mostCost = ({ algorithm, burst, limit }: Rule): number => algorithm === "window" ? limit : burst

/**
 * The state of one key. Times are milliseconds of one clock.
 *
 * @category models
 * @since 0.1.0
 */
export class RateMachine {
  private readonly rule: Rule
  /** For `gcra`: when all that was granted has been worked off (the theoretical arrival time). */
  private busy = -Infinity
  /** For `window`: what was granted, oldest first, one for each slice of time. `at` is that of the last in it. */
  private readonly grants: Array<{ at: number; cost: number }> = []
  constructor(rule: Rule) {
    this.rule = rule
  }

  /** Takes a turn that is at most `patience` away, behind all that were taken before. */
  reserve(now: number, cost: number, patience: number): Decision {
    const at = this.rule.algorithm === "window" ? this.windowAt(now, cost) : this.gcraAt(now, cost)
    const wait = at - now
    if (wait > patience) return { _tag: "Refused", retryAfter: wait }
    if (this.rule.algorithm === "window") this.keep(at, cost)
    else this.busy = Math.max(this.busy, now) + cost * this.interval
    return { _tag: "Granted", at, wait }
  }

  /**
   * Gives a turn back that was not used. With `gcra` only the last that waits: those behind it count on it, and without it too many
   * would go at once.
   */
  refund(at: number, cost: number): void {
    if (this.rule.algorithm === "gcra") {
      if (Math.abs(this.busy - this.rule.burst * this.interval - at) <= 0.002) this.busy -= cost * this.interval
      return
    }
    const grant = this.grants.find((grant) => this.slice(grant.at) === this.slice(at))
    if (grant !== undefined && grant.cost >= cost) grant.cost -= cost
  }

  /** Whether it has nothing to remember. */
  isIdle(now: number): boolean {
    if (this.rule.algorithm === "gcra") return this.busy <= now
    return (this.grants.at(-1)?.at ?? -Infinity) <= now - this.rule.per
  }

  private get interval(): number {
    return this.rule.per / this.rule.limit
  }

  private slice(at: number): number {
    return Math.floor(at / (this.rule.per / 32))
  }

  private keep(at: number, cost: number): void {
    const last = this.grants.at(-1)
    if (last === undefined || this.slice(last.at) !== this.slice(at)) {
      this.grants.push({ at, cost })
      return
    }
    last.at = at
    last.cost += cost
  }

  private gcraAt(now: number, cost: number): number {
    return Math.max(now, Math.max(this.busy, now) + (cost - this.rule.burst) * this.interval)
  }

  private windowAt(now: number, cost: number): number {
    const { limit, per } = this.rule
    let gone = 0
    while ((this.grants[gone]?.at ?? Infinity) <= now - per) gone++
    if (gone > 0) this.grants.splice(0, gone)
    let sum = cost
    for (let index = this.grants.length - 1; index >= 0; index--) {
      const grant = this.grants[index]
      if (grant === undefined) break
      sum += grant.cost
      // This one must have left the window by then, and all that are older have.
      if (sum > limit) return Math.max(now, grant.at + per, this.grants.at(-1)?.at ?? now)
    }
    return Math.max(now, this.grants.at(-1)?.at ?? now)
  }
}
