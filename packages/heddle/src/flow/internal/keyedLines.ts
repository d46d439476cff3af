import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Scheduler from "effect/Scheduler"
import { Line, type Place } from "../../internal/Line.ts"
import { family } from "./flowMetrics.ts"
import { shallowly } from "./shallow.ts"

const metricsOf = family("keyed_mutex", {
  active: "Keys that are locked",
  waiting: "Effects that wait for their key"
}, "From asking for a key to having it")

/** Someone who wants a key: stands in line, has it, or neither. */
interface Wanting extends Place<Wanting> {
  /** It has the key and may not know it yet. */
  has: boolean
  /** When it joined the line, if that is asked for. */
  since: number
  /** Goes on with its work, if it waits to be told. */
  readonly goOn: () => void
}

/** As an effect it waits for its key, if it must, and goes on with its work. */
export class Turn<K, A, E, R> extends Effectable.Class<A, E, R> implements Wanting {
  before: Wanting | undefined = undefined
  behind: Wanting | undefined = undefined
  line: Line<Wanting> | undefined = undefined
  has = false
  private lock: Line<Wanting> | undefined = undefined
  private resume: ((work: Effect.Effect<A, E, R>) => void) | undefined = undefined
  since = 0
  private readonly lines: KeyedLines<K>
  private readonly key: K
  private readonly work: Effect.Effect<A, E, R>
  constructor(lines: KeyedLines<K>, key: K, work: Effect.Effect<A, E, R>) {
    super()
    this.lines = lines
    this.key = key
    this.work = work
  }

  override asEffect(): Effect.Effect<A, E, R> {
    this.lock = this.lines.enter(this, this.key)
    if (this.has) return this.work
    return Effect.callback((resume) => {
      this.resume = resume
      if (this.has) this.goOn()
    })
  }

  goOn(): void {
    this.resume?.(this.work)
  }

  /** Out of the line, or with the key, which is then given to the first in line. */
  leave(): void {
    if (this.lock === undefined) return
    if (this.has) this.lines.pass(this.key, this.lock)
    else this.lines.quit(this, this.lock)
  }
}

/**
 * A line for each key that somebody has.
 *
 * Invariant: a key is in `lines` if and only if somebody has it, and whoever has it passes it on to the first in line.
 */
export class KeyedLines<K> {
  private readonly lines = new Map<K, Line<Wanting>>()
  private readonly deliver: (next: Wanting) => void
  private readonly metrics: ReturnType<typeof metricsOf.of>
  private waiters = 0
  constructor(context: Context.Context<never>, name: string | undefined) {
    this.deliver = shallowly(Context.get(context, Scheduler.Scheduler), (next) => next.goOn())
    this.metrics = metricsOf.of(context, { name })
  }

  get held(): number {
    return this.lines.size
  }

  get waiting(): number {
    return this.waiters
  }

  isHeld(key: K): boolean {
    return this.lines.has(key)
  }

  /** Takes the key if nobody has it, or stands in its line. */
  enter(turn: Wanting, key: K): Line<Wanting> {
    const line = this.lines.get(key)
    if (line === undefined) {
      const made = new Line<Wanting>()
      this.lines.set(key, made)
      turn.has = true
      this.metrics.counts.active++
      return made
    }
    const { latency } = this.metrics
    if (latency !== undefined) turn.since = latency.now()
    line.push(turn)
    this.count(1)
    return line
  }

  quit(turn: Wanting, line: Line<Wanting>): void {
    line.remove(turn)
    this.count(-1)
  }

  pass(key: K, line: Line<Wanting>): void {
    const next = line.shift()
    if (next === undefined) {
      this.lines.delete(key)
      this.metrics.counts.active--
      return
    }
    this.count(-1)
    next.has = true
    const { latency } = this.metrics
    latency?.took(latency.now() - next.since)
    this.deliver(next)
  }

  private count(change: number): void {
    this.waiters += change
    this.metrics.counts.waiting += change
  }
}
