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
 *   last `per`: each of them with a limit up to 32, so that a turn comes back at its moment; with a larger one those of a 32nd of `per`
 *   together, as of the last of them, so that a key is small, and a turn comes back by a 32nd of `per` too late at most, never too early.
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
  private readonly isWindow: boolean
  /** How much time one turn stands for. */
  private readonly interval: number
  /** How much time one entry stands for. Times are told to a microsecond, as stores do. */
  private readonly slice: number
  /** For `gcra`: when all that was granted has been worked off (the theoretical arrival time). */
  private busy = -Infinity
  /** For `window`: what was granted, oldest first, one for each slice of time. */
  private readonly grants: Array<Grants> = []
  /** The cost of all of `grants`. */
  private held = 0
  constructor(rule: Rule) {
    this.rule = rule
    this.isWindow = rule.algorithm === "window"
    this.interval = rule.per / rule.limit
    this.slice = rule.limit <= slices ? 0.001 : rule.per / slices
  }

  /** Takes a turn that is at most `patience` away, behind all that were taken before. */
  reserve(now: number, cost: number, patience: number): Decision {
    const at = this.next(now, cost)
    const wait = at - now
    if (wait > patience) return { _tag: "Refused", retryAfter: wait }
    this.grant(now, at, cost)
    return { _tag: "Granted", at, wait }
  }

  /** Takes a turn now and answers 0, or takes none and answers how long until there is one. */
  take(now: number, cost: number): number {
    const at = this.next(now, cost)
    if (at > now) return at - now
    this.grant(now, at, cost)
    return 0
  }

  /** How much may go at this instant, in one or several turns. */
  available(now: number): number {
    const { algorithm, burst, limit, per } = this.rule
    if (algorithm === "gcra") return Math.max(0, Math.floor(burst - Math.max(this.busy - now, 0) / this.interval))
    // Nobody overtakes who waits.
    if ((this.grants.at(-1)?.at ?? now) > now) return 0
    return this.grants.reduce((left, { at, cost }) => at <= now - per ? left : left - cost, limit)
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
    const slice = Math.floor(at / this.slice)
    const index = this.grants.findIndex((grant) => grant.slice === slice)
    const grant = this.grants[index]
    if (grant === undefined || grant.cost < cost) return
    grant.cost -= cost
    this.held -= cost
    if (grant.cost === 0) this.grants.splice(index, 1)
  }

  /** Whether it has nothing to remember. */
  isIdle(now: number): boolean {
    if (this.rule.algorithm === "gcra") return this.busy <= now
    return (this.grants.at(-1)?.at ?? -Infinity) <= now - this.rule.per
  }

  private next(now: number, cost: number): number {
    return this.isWindow ? this.windowAt(now, cost) : this.gcraAt(now, cost)
  }

  private grant(now: number, at: number, cost: number): void {
    if (this.isWindow) this.keep(at, cost)
    else this.busy = Math.max(this.busy, now) + cost * this.interval
  }

  private keep(at: number, cost: number): void {
    this.held += cost
    const slice = Math.floor(at / this.slice)
    const last = this.grants[this.grants.length - 1]
    if (last === undefined || last.slice !== slice) {
      this.grants.push({ slice, at, cost })
      return
    }
    last.at = at
    last.cost += cost
  }

  private forget(until: number): void {
    let gone = 0
    for (let grant = this.grants[0]; grant !== undefined && grant.at <= until; grant = this.grants[++gone]) {
      this.held -= grant.cost
    }
    this.grants.splice(0, gone)
  }

  private gcraAt(now: number, cost: number): number {
    const at = Math.max(this.busy, now) + (cost - this.rule.burst) * this.interval
    // The last of a burst waits for nothing, which by rounding may be a little more.
    return at - now <= Math.min(0.002, this.interval / 2) ? now : at
  }

  private windowAt(now: number, cost: number): number {
    const { grants, rule: { limit, per } } = this
    const first = grants[0]
    if (first === undefined) return now
    if (first.at <= now - per) this.forget(now - per)
    const last = grants[grants.length - 1]
    const soonest = last === undefined || last.at < now ? now : last.at
    let over = this.held + cost - limit
    if (over <= 0) return soonest
    for (const grant of grants) {
      over -= grant.cost
      // This one must have left the window by then, and all that are older have.
      if (over <= 0) return Math.max(soonest, grant.at + per)
    }
    return soonest
  }
}

/** What was granted in one slice of time, `at` the last. */
interface Grants {
  readonly slice: number
  at: number
  cost: number
}

/** How many entries a window has, about. */
const slices = 32
