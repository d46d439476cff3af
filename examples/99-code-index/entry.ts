import * as Tally from "../01-one-at-a-time/tally.ts"

/** What the index holds of some files: how often each name occurs, and how many exports there are of each kind. */
export interface Entry {
  readonly names: Tally.Tally
  readonly kinds: Tally.Tally
}

export const empty = (): Entry => ({ names: new Map(), kinds: new Map() })

/** Adds the second to the first, and gives back the first. */
export const add = (sum: Entry, more: Entry): Entry => {
  Tally.add(sum.names, more.names)
  Tally.add(sum.kinds, more.kinds)
  return sum
}

export const equals = (left: Entry, right: Entry): boolean =>
  Tally.equals(left.names, right.names) && Tally.equals(left.kinds, right.kinds)

/** How many exports of each kind a source has. */
export const kindsOf = (source: string): Tally.Tally => {
  const kinds: Tally.Tally = new Map()
  for (const [, kind = ""] of source.matchAll(/^export (?:declare |abstract )?(\w+)/gm)) {
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  return kinds
}
