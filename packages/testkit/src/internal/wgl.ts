/** A step of a sequential object: the state after an operation, or undefined where its result cannot be. */
export interface Model<S, O> {
  readonly step: (state: S, operation: O) => S | undefined
  /** Equal for states that no operation can tell apart. */
  readonly key: (state: S) => string
  /** Equal for operations without a return that have the same effect: of those the first asked is the first to happen. */
  readonly kind: (operation: O) => string
  /** Whether the state says that the operation has had its time, happened or not: then it does not matter which. */
  readonly once: (operation: O) => boolean
}

/** When an operation was under way. One that never `returned` (Infinity) took place at any time after, or never. */
export interface Timed {
  readonly invoked: number
  readonly returned: number
}

/** Where a search begins or ends: a state, and the operations without a return that have taken place by then. */
export interface Point<S, O> {
  readonly state: S
  readonly happened: ReadonlySet<O>
}

export interface Search<S, O> {
  /** `no`: no order explains the results. `undecided`: the budget was used up before there was an answer. */
  readonly answer: "yes" | "no" | "undecided"
  /** Where the operations can have led to: all places for `every`, else the first that was found. */
  readonly ends: ReadonlyArray<Point<S, O>>
  readonly steps: number
}

interface Node<S, O> extends Point<S, O> {
  /** How many of the operations that returned, in order of invocation, have all taken place. */
  readonly low: number
  /** Those behind `low` that have taken place as well, by their place. */
  readonly ahead: ReadonlyArray<number>
  /** The state before the last operation, if that one never returned. */
  readonly without: S | undefined
}

/**
 * Looks for an order of the operations that explains all results and keeps the order of those that did not overlap.
 *
 * The search is Wing and Gong's ("Testing and Verifying Concurrent Objects", 1993): take an operation that none of the
 * others preceded, try it on the state, go on with the rest, and back when stuck. Lowe's addition ("Testing for
 * linearizability", 2017) keeps it short: a set of operations done and the state they led to are looked at once.
 *
 * An operation without a return is tried only where the next one needs it: it may as well not have happened where the next
 * one has the same result and leads to the same state without it. Of several with the same effect only the first is tried.
 */
export const search = <S, O extends Timed>(
  model: Model<S, O>,
  operations: ReadonlyArray<O>,
  from: ReadonlyArray<Point<S, O>>,
  options: { readonly budget: number; readonly every?: boolean }
): Search<S, O> => {
  const sorted = [...operations].sort((one, other) => one.invoked - other.invoked)
  const certain = sorted.filter((operation) => operation.returned < Infinity)
  const open = sorted.filter((operation) => operation.returned === Infinity)
  const stack = from.map(({ happened, state }): Node<S, O> => ({
    state,
    happened,
    low: 0,
    ahead: [],
    without: undefined
  }))
  const seen = new Map<string, ReadonlyArray<ReadonlySet<O>>>()
  const ends: Array<Point<S, O>> = []
  let steps = 0

  /** Whether a node was there from which as much is possible: with no operation done that is not done here as well. */
  const wasSeen = ({ ahead, happened, low, state, without }: Node<S, O>): boolean => {
    const key = `${low};${ahead.join()};${without === undefined ? "" : model.key(without)};${model.key(state)}`
    const spent = new Set([...happened].filter((one) => !model.once(one)))
    const known = seen.get(key) ?? []
    if (known.some((fewer) => isWithin(fewer, spent))) return true
    seen.set(key, [...known, spent])
    return false
  }

  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (wasSeen(node)) continue
    if (node.low === certain.length) {
      ends.push(node)
      if (options.every !== true) return { answer: "yes", ends, steps }
      continue
    }

    const { ahead, happened, low, state, without } = node
    const after = (operation: O): S | undefined => {
      steps++
      const next = model.step(state, operation)
      if (next === undefined || without === undefined) return next
      const same = model.step(without, operation)
      return same !== undefined && model.key(same) === model.key(next) ? undefined : next
    }

    // Nothing that began after another's return can come before it.
    let firstReturn = Infinity
    const found: Array<Node<S, O>> = []
    for (let at = low; at < certain.length; at++) {
      const operation = certain[at]
      if (operation === undefined || operation.invoked > firstReturn) break
      if (ahead.includes(at)) continue
      firstReturn = Math.min(firstReturn, operation.returned)
      const next = after(operation)
      if (next !== undefined) found.push({ state: next, happened, without: undefined, ...advance(low, ahead, at) })
    }
    const kinds = new Set<string>()
    for (const operation of open) {
      if (operation.invoked > firstReturn) break
      const kind = model.kind(operation)
      if (happened.has(operation) || kinds.has(kind)) continue
      kinds.add(kind)
      const next = after(operation)
      if (next !== undefined) {
        found.push({ state: next, happened: new Set(happened).add(operation), low, ahead, without: state })
      }
    }
    // The last one in is looked at first: those that returned, in their order, then the others.
    stack.push(...found.reverse())
    if (steps > options.budget) return { answer: "undecided", ends, steps }
  }
  return { answer: ends.length > 0 ? "yes" : "no", ends, steps }
}

const isWithin = <O>(some: ReadonlySet<O>, all: ReadonlySet<O>): boolean =>
  some.size <= all.size && [...some].every((one) => all.has(one))

const ascending = (one: number, other: number): number => one - other

const advance = (low: number, ahead: ReadonlyArray<number>, at: number) => {
  const done = [...ahead, at].sort(ascending)
  let next = low
  while (done[0] === next) {
    done.shift()
    next++
  }
  return { low: next, ahead: done }
}
