import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Scheduler from "effect/Scheduler"
import { Line, type Place } from "../../internal/Line.ts"
import { family } from "./flowMetrics.ts"
import { shallow } from "./shallow.ts"

const metricsOf = family("keyed_mutex", {
  active: "Keys that are locked",
  waiting: "Effects that wait for their key"
}, "From asking for a key to having it")

/** Someone who wants a key: stands in line, has it, or neither. */
export class Turn<K> implements Place<Turn<K>> {
  before: Turn<K> | undefined = undefined
  behind: Turn<K> | undefined = undefined
  line: Line<Turn<K>> | undefined = undefined
  /** It has the key and may not know it yet. */
  has = false
  /** Tells it that it has the key. */
  resume: () => void = () => {}
  readonly key: K
  constructor(key: K) {
    this.key = key
  }
}

/**
 * A line for each key that somebody has.
 *
 * Invariant: a key is in `lines` if and only if somebody has it, and whoever has it passes it on to the first in line.
 */
export class KeyedLines<K> {
  private readonly lines = new Map<K, Line<Turn<K>>>()
  private readonly deliver: (call: () => void) => void
  private readonly metrics: ReturnType<typeof metricsOf.of>
  private waiters = 0
  constructor(context: Context.Context<never>, name: string | undefined) {
    this.deliver = shallow(Context.get(context, Scheduler.Scheduler))
    this.metrics = metricsOf.of(context, { name })
  }

  get held(): number {
    return this.lines.size
  }

  get waiting(): number {
    return this.waiters
  }

  /** Takes the key if nobody has it. */
  take(turn: Turn<K>): boolean {
    if (this.lines.has(turn.key)) return false
    this.lines.set(turn.key, new Line())
    turn.has = true
    this.metrics.counts.active++
    return true
  }

  /** Waits in line until the key is passed on to it. */
  wait(turn: Turn<K>): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const { latency } = this.metrics
      const since = latency?.now() ?? 0
      turn.resume = () => {
        latency?.took(latency.now() - since)
        resume(Effect.void)
      }
      const line = this.lines.get(turn.key)
      // It may have become free meanwhile.
      if (line === undefined) {
        this.take(turn)
        return turn.resume()
      }
      line.push(turn)
      this.count(1)
    })
  }

  /** Goes: out of the line, or with the key, which is then given to the first in line. */
  leave(turn: Turn<K>): void {
    if (turn.has) return this.pass(turn.key)
    if (turn.line === undefined) return
    turn.line.remove(turn)
    this.count(-1)
  }

  private pass(key: K): void {
    const next = this.lines.get(key)?.shift()
    if (next === undefined) {
      this.lines.delete(key)
      this.metrics.counts.active--
      return
    }
    this.count(-1)
    next.has = true
    this.deliver(next.resume)
  }

  private count(change: number): void {
    this.waiters += change
    this.metrics.counts.waiting += change
  }
}
