import type { FiberInfo } from "./FiberInfo.ts"

/** How many fibers have one name. */
export interface NameCount {
  readonly name: string
  readonly count: number
}

/** By name, the most first. */
export const groupsOf = (fibers: ReadonlyArray<FiberInfo>): ReadonlyArray<NameCount> => {
  const groups = new Map<string, number>()
  for (const { name } of fibers) groups.set(name, (groups.get(name) ?? 0) + 1)
  return Array.from(groups, ([name, count]) => ({ name, count })).sort((one, other) => other.count - one.count)
}

/** One line for each fiber, those that it started below it. */
export const fiberTree = (fibers: ReadonlyArray<FiberInfo>): string => {
  const living = new Set(fibers.map(({ id }) => id))
  const below = new Map<number | undefined, Array<FiberInfo>>()
  for (const fiber of fibers) {
    const parent = fiber.parent !== undefined && living.has(fiber.parent) ? fiber.parent : undefined
    const siblings = below.get(parent)
    if (siblings === undefined) below.set(parent, [fiber])
    else siblings.push(fiber)
  }
  const lines: Array<string> = [`${fibers.length} fibers`]
  // Not by recursion: a chain of fibers may be long.
  const open = (below.get(undefined) ?? []).toReversed().map((fiber): readonly [FiberInfo, number] => [fiber, 0])
  for (let top = open.pop(); top !== undefined; top = open.pop()) {
    const [fiber, depth] = top
    lines.push(`${"  ".repeat(Math.min(depth, 40))}${lineOf(fiber)}`)
    for (const child of (below.get(fiber.id) ?? []).toReversed()) open.push([child, depth + 1])
  }
  return lines.join("\n")
}

const lineOf = ({ age, id, idle, name, path, waitsFor }: FiberInfo): string => {
  const waits = waitsFor === undefined ? "" : `, waits for ${waitsFor}`
  const place = path[0] === undefined ? "" : `  (${path[0]})`
  return `${name}#${id}  ${span(age)} old, still for ${span(idle)}${waits}${place}`
}

const span = (millis: number): string =>
  millis < 1000 ? `${Math.round(millis)} ms` : millis < 120_000 ? `${Math.round(millis / 100) / 10} s` : minutes(millis)

const minutes = (millis: number): string => `${Math.round(millis / 60_000)} min`
