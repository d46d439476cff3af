import { type Model, type Point, search, type Timed } from "./wgl.ts"

/** Few operations that no order explains, and what came before them. */
export interface Counterexample<S, O> {
  /** All states that the object can have been in. */
  readonly before: ReadonlyArray<S>
  /** The last operations that led there. */
  readonly context: ReadonlyArray<O>
  readonly operations: ReadonlyArray<O>
}

/** How a history can be told with less, so that it stays possible if it was. */
export interface Weaker<O> {
  /** It changes nothing: without it, the others are as possible as with it. */
  readonly onlyLooks: (operation: O) => boolean
  /** The same operation without its answer. */
  readonly unanswered: (operation: O) => O
}

/**
 * Makes a history that is impossible smaller, as long as it is: ends it with the first return that no order explains, begins
 * it at the last instant before that at which nothing was under way, and leaves out reads that are not needed.
 */
export const counterexampleOf = <S, O extends Timed>(
  modelOf: (operations: ReadonlyArray<O>) => Model<S, O>,
  operations: ReadonlyArray<O>,
  beginning: ReadonlyArray<Point<S, O>>,
  budget: number,
  weaker: Weaker<O>
): Counterexample<S, O> => {
  const fails = (all: ReadonlyArray<O>, from = beginning, before: ReadonlyArray<O> = []) =>
    search(modelOf([...before, ...all]), all, from, { budget }).answer === "no"

  const until = (instant: number): ReadonlyArray<O> =>
    operations.flatMap((one) => {
      if (one.invoked > instant) return []
      if (one.returned <= instant || one.returned === Infinity) return [one]
      return weaker.onlyLooks(one) ? [] : [weaker.unanswered(one)]
    })

  const first = (): ReadonlyArray<O> => {
    const returns = operations.map((one) => one.returned).filter(isFinite).sort((one, other) => one - other)
    let low = 0
    let high = returns.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (fails(until(returns[middle] ?? 0))) high = middle
      else low = middle + 1
    }
    const shortest = until(returns[low] ?? 0)
    return fails(shortest) ? shortest : operations
  }

  const all = first()
  const open = all.filter((one) => one.returned === Infinity)
  const certain = all.filter((one) => one.returned < Infinity).sort((one, other) => one.invoked - other.invoked)
  const start = lastQuiet(certain)
  const model = modelOf(all)
  const earlier = certain.slice(0, start)
  const past = search(model, [...earlier, ...open], beginning, { budget, every: true })
  const known = past.answer === "yes"
  const before = known ? past.ends : beginning
  let kept = known ? certain.slice(start) : certain
  for (const one of [...kept].reverse()) {
    const fewer = kept.filter((other) => other !== one)
    if (weaker.onlyLooks(one) && fails([...fewer, ...open], before, known ? earlier : [])) kept = fewer
  }
  const states = new Map(before.map(({ state }) => [model.key(state), state]))
  return {
    before: [...states.values()],
    context: known ? earlier.slice(-3) : [],
    operations: [...kept, ...open.filter((one) => before.some(({ happened }) => !happened.has(one)))]
  }
}

/** Where the last operations begin before which all others had returned. */
const lastQuiet = (sorted: ReadonlyArray<Timed>): number => {
  let quiet = 0
  let busy = -Infinity
  for (const [at, { invoked, returned }] of sorted.entries()) {
    if (invoked > busy) quiet = at
    busy = Math.max(busy, returned)
  }
  return quiet
}
