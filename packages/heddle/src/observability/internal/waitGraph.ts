import type { ObservedTurn } from "./ContentionRecorder.ts"

/** Someone who waits now. */
export interface Wait {
  readonly who: string
  readonly wants: string
  /** Milliseconds until now. */
  readonly waited: number
  /** What they have meanwhile, the last first. */
  readonly has: ReadonlyArray<string>
  /** Who has it. Nobody of this process: it is had elsewhere, or about to be given. */
  readonly heldBy: ReadonlyArray<string>
  /** Who is before them in the line. */
  readonly behind: string | undefined
}

const titleOf = ({ what }: ObservedTurn): string => `${what.kind} ${what.title}`

const holdsOf = (turn: ObservedTurn): ReadonlyArray<ObservedTurn> => {
  const holds: Array<ObservedTurn> = []
  for (let at = turn.parent; at !== undefined; at = at.parent) if (at.state === "holding") holds.push(at)
  return holds
}

/** Those who want one thing, in order of arrival, and those who have it. */
interface Queue {
  readonly waiting: Array<ObservedTurn>
  readonly holding: Array<ObservedTurn>
}

/** The queue of each, in order of arrival. */
const queuesOf = (open: Iterable<ObservedTurn>): ReadonlyMap<ObservedTurn, Queue> => {
  const owners = new Map<object, Map<unknown, Queue>>()
  const queues = new Map<ObservedTurn, Queue>()
  for (const turn of open) {
    const { key, owner } = turn.what
    let keys = owners.get(owner)
    if (keys === undefined) owners.set(owner, keys = new Map())
    let queue = keys.get(key)
    if (queue === undefined) keys.set(key, queue = { waiting: [], holding: [] })
    if (turn.state === "waiting") queue.waiting.push(turn)
    else queue.holding.push(turn)
    queues.set(turn, queue)
  }
  return queues
}

export const waitsOf = (open: Iterable<ObservedTurn>, now: number): ReadonlyArray<Wait> =>
  Array.from(new Set(queuesOf(open).values())).flatMap(({ holding, waiting }) => {
    let before: string | undefined
    return waiting.map((turn) => {
      const wait = {
        who: turn.who,
        wants: titleOf(turn),
        waited: now - turn.since,
        has: holdsOf(turn).map(titleOf),
        heldBy: holding.map(({ who }) => who),
        behind: before
      }
      before = turn.who
      return wait
    })
  })

/**
 * Those who wait for each other in a circle, each once, as sentences.
 *
 * The way goes from a wait to each who has what is wanted, and from their hold to the waits that are within it. Who is before one in a
 * line waits for the same holders, so that it adds no circle.
 */
export const cyclesOf = (open: Iterable<ObservedTurn>): ReadonlyArray<ReadonlyArray<string>> => {
  const queues = queuesOf(open)
  const waiting = Array.from(queues.keys()).filter(({ state }) => state === "waiting")
  const within = new Map<ObservedTurn, Array<ObservedTurn>>()
  for (const turn of waiting) {
    for (const hold of holdsOf(turn)) {
      const waits = within.get(hold)
      if (waits === undefined) within.set(hold, [turn])
      else waits.push(turn)
    }
  }
  const behind = (turn: ObservedTurn): ReadonlyArray<ObservedTurn> =>
    (queues.get(turn)?.holding ?? []).flatMap((holder) => within.get(holder) ?? [])
  return circlesIn(waiting, behind).map((circle) => circle.map(sentence))
}

/** At least one circle of each knot. Without recursion, as lines are long. */
const circlesIn = (
  all: ReadonlyArray<ObservedTurn>,
  after: (turn: ObservedTurn) => ReadonlyArray<ObservedTurn>
): ReadonlyArray<ReadonlyArray<ObservedTurn>> => {
  const done = new Set<ObservedTurn>()
  const circles: Array<ReadonlyArray<ObservedTurn>> = []
  for (const start of all) {
    const path: Array<ObservedTurn> = []
    const ways: Array<Array<ObservedTurn>> = [[start]]
    while (ways.length > 0) {
      const turn = ways.at(-1)?.pop()
      if (turn === undefined) {
        ways.pop()
        const left = path.pop()
        if (left !== undefined) done.add(left)
        continue
      }
      const at = path.indexOf(turn)
      if (at >= 0) circles.push(path.slice(at))
      else if (!done.has(turn)) {
        path.push(turn)
        ways.push([...after(turn)])
      }
    }
  }
  return circles
}

/** Whoever is in a circle has something, or they would be in nobody's way. */
const sentence = (turn: ObservedTurn): string =>
  `${turn.who} has ${holdsOf(turn).map(titleOf).join(", ")} and waits for ${titleOf(turn)}`
