import type { Event, Step } from "./historyEvent.ts"

/**
 * One try of one actor to get into one key, from asking to its end. The numbers are places in the history, Infinity for
 * what did not happen.
 */
export interface Attempt {
  readonly process: string
  readonly actor: string
  readonly key: string
  readonly events: Array<Step>
  asked: number
  queued: number
  entered: number
  /** From here on it is not inside: it left, or it was stopped and never did anything inside again. */
  out: number
  paused: number
  ended: boolean
  permits: number
  token: bigint | undefined
}

export interface Attempts {
  readonly all: ReadonlyArray<Attempt>
  /** Events that the actor cannot have done at that point. */
  readonly impossible: ReadonlyArray<Step>
}

/**
 * Groups a history, in order of time, by attempts.
 */
export const attemptsOf = (events: ReadonlyArray<Event>): Attempts => {
  const all: Array<Attempt> = []
  const impossible: Array<Step> = []
  const open = new Map<string, Attempt>()

  const end = (id: string, attempt: Attempt, place: number, kind: Event["kind"]): void => {
    open.delete(id)
    attempt.ended = true
    attempt.out = kind === "leave" ? place : Math.min(place, attempt.paused)
  }

  for (const [place, event] of events.entries()) {
    if (!("key" in event)) {
      for (const [id, attempt] of open) {
        if (attempt.process !== event.process) continue
        if (event.kind === "died") end(id, attempt, place, event.kind)
        else attempt.out = attempt.paused = Math.min(place, attempt.paused)
      }
      continue
    }
    const id = JSON.stringify([event.process, event.actor, event.key])
    const known = open.get(id)
    const attempt = known ?? begin(event)
    const inside = attempt.entered < Infinity
    const possible = event.kind === "ask"
      ? known === undefined
      : event.kind === "leave" || event.kind === "lost"
      ? inside
      : !inside
    if (!possible) {
      impossible.push(event)
      continue
    }
    if (known === undefined) {
      all.push(attempt)
      open.set(id, attempt)
    }
    attempt.events.push(event)
    switch (event.kind) {
      case "ask":
        attempt.asked = place
        break
      case "queued":
        attempt.queued = place
        break
      case "enter":
        attempt.entered = place
        attempt.permits = event.permits ?? 1
        attempt.token = event.token
        attempt.paused = attempt.out = Infinity
        break
      default:
        end(id, attempt, place, event.kind)
    }
  }
  return { all, impossible }
}

const begin = ({ actor, key, process }: Step): Attempt => ({
  process,
  actor,
  key,
  events: [],
  asked: Infinity,
  queued: Infinity,
  entered: Infinity,
  out: Infinity,
  paused: Infinity,
  ended: false,
  permits: 1,
  token: undefined
})
