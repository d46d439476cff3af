import type { Linearizable } from "@heddle/testkit"

export const expectedOf = (action: Linearizable.Action): bigint | undefined =>
  "expected" in action ? action.expected : undefined

/** The judgement of `Linearizable.check` on one key, by trying every order, every choice of what happened, every revision. */
export const bruteForce = (operations: ReadonlyArray<Linearizable.Operation>): boolean => {
  const mentioned = operations.flatMap(({ action, result }) => [
    ...(expectedOf(action) === undefined ? [] : [Number(expectedOf(action))]),
    ...("revision" in result && result.revision !== undefined ? [Number(result.revision)] : []),
    ...("actual" in result ? [Number(result.actual)] : [])
  ])
  const between = Array.from({ length: operations.length + 1 }, (_, n) => n / (operations.length + 1))
  const revisions = [...new Set([0, ...mentioned])].flatMap((one) => between.map((part) => one + part))

  const go = (
    left: ReadonlyArray<Linearizable.Operation>,
    value: string | undefined,
    revision: number,
    last: number
  ) => {
    if (left.every(({ result }) => result._tag === "Unknown")) return true
    for (const one of left) {
      const precedes = (other: Linearizable.Operation) =>
        other !== one && other.result._tag !== "Unknown" && other.returned < one.invoked
      if (left.some(precedes)) continue
      const rest = left.filter((other) => other !== one)
      for (const [after, now, highest] of outcomes(one, value, revision, last)) {
        if (go(rest, after, now, highest)) return true
      }
    }
    return false
  }

  const outcomes = (
    { action, result }: Linearizable.Operation,
    value: string | undefined,
    revision: number,
    last: number
  ): ReadonlyArray<readonly [string | undefined, number, number]> => {
    const same = [[value, revision, last] as const]
    const expected = expectedOf(action)
    const met = expected === undefined || Number(expected) === revision
    switch (result._tag) {
      case "Found":
        return value === result.value && revision === Number(result.revision) ? same : []
      case "Absent":
        return value === undefined ? same : []
      case "Conflict":
        return !met && revision === Number(result.actual) ? same : []
      case "Done":
      case "Unknown": {
        if (!met) return []
        if (action._tag === "Expire") return value === action.value ? [[undefined, 0, last]] : []
        if (action._tag === "Delete") return value === undefined ? [] : [[undefined, 0, last]]
        if (action._tag !== "Put") return same
        const told = result._tag === "Done" ? result.revision : undefined
        const news = told === undefined ? revisions : [Number(told)]
        return news.filter((one) => one > last).map((one) => [action.value, one, one])
      }
    }
  }

  return go(operations, undefined, 0, 0)
}
