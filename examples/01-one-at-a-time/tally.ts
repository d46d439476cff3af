/** How often each name occurs. */
export type Tally = Map<string, number>

/** Counts the identifiers of TypeScript source, outside comments and quoted strings. */
export const of = (source: string): Tally => {
  const tally: Tally = new Map()
  for (const [word] of source.matchAll(words)) {
    if (/^[\w$]/.test(word) && !reserved.has(word)) tally.set(word, (tally.get(word) ?? 0) + 1)
  }
  return tally
}

/** Adds the second to the first, and gives back the first. */
export const add = (sum: Tally, more: Iterable<readonly [string, number]>): Tally => {
  for (const [name, count] of more) sum.set(name, (sum.get(name) ?? 0) + count)
  return sum
}

export const equals = (left: Tally, right: Tally): boolean =>
  left.size === right.size && [...left].every(([name, count]) => right.get(name) === count)

/** The most used names, the most used first. */
export const top = (tally: Tally, count: number): ReadonlyArray<readonly [string, number]> =>
  [...tally].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, count)

// Comments and strings are matched as one word each, so that nothing inside them is taken for a name.
const words = /\/\*[^]*?\*\/|\/\/.*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|(?:[A-Za-z_]|\$(?!\{))(?:\w|\$(?!\{))*/g

const reserved = new Set(
  `as async await break case catch class const continue declare default delete do else export extends false finally for
  from function if implements import in infer instanceof interface is keyof let new null of readonly return satisfies
  static super switch this throw true try type typeof undefined unique void while with yield any bigint boolean never
  number object string symbol unknown`.split(/\s+/)
)
