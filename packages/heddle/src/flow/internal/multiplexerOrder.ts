/** A source with elements that wait, as an order sees it. */
export interface Standing {
  /** Its priority, or its weight. */
  readonly rank: number
  /** The place of its oldest element in the order of arrival over all sources. */
  readonly arrival: number
  /** What its oldest element is due by. */
  readonly due: number
  /** How much it has had, as the order counts it. */
  served: number
}

/** Which of the sources that have something goes next. */
export interface Order {
  /** What an element of a source is due by that arrives now. */
  readonly due: (rank: number, now: number) => number
  readonly before: (one: Standing, other: Standing) => boolean
  /** An element joins a source of which nothing waited. */
  readonly awoken: (source: Standing) => void
  /** An element of a source is taken out. */
  readonly taken: (source: Standing) => void
}

/** The highest priority, and of those that have it the element that came first. */
export const strict: Order = {
  due: () => 0,
  before: (one, other) => one.rank > other.rank || (one.rank === other.rank && one.arrival < other.arrival),
  awoken: () => {},
  taken: () => {}
}

/** Earliest due first, where an element is due the later the lower its priority: each `every` of waiting makes up for one. */
export const aging = (every: number): Order => ({
  ...strict,
  due: (rank, now) => now - rank * every,
  before: (one, other) => one.due < other.due || (one.due === other.due && strict.before(one, other))
})

/**
 * Stride scheduling: each delivery moves a source on by the inverse of its weight, and who is least far is next. A source of
 * which nothing waited starts where the others are, so that it does not make up for what it did not ask for.
 *
 * Waldspurger, Weihl: Stride Scheduling: Deterministic Proportional-Share Resource Management, MIT 1995.
 */
export const weighted = (): Order => {
  let reached = 0
  return {
    due: () => 0,
    before: (one, other) => one.served < other.served || (one.served === other.served && one.arrival < other.arrival),
    awoken: (source) => {
      source.served = Math.max(source.served, reached)
    },
    taken: (source) => {
      reached = source.served
      source.served += 1 / source.rank
    }
  }
}
