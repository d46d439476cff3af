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

/** Someone who waits for a key. */
class Waiter implements Place<Waiter> {
  before: Waiter | undefined = undefined
  behind: Waiter | undefined = undefined
  line: Line<Waiter> | undefined = undefined
  /** It has the key and may not know it yet. */
  has = false
  readonly resume: () => void
  constructor(resume: () => void) {
    this.resume = resume
  }
}

/**
 * A line for each key that is locked.
 *
 * Invariant: a key has a line as long as exactly one effect has it, who passes it on to the first in the line or removes the line.
 */
export class KeyedLines<K> {
  private readonly lines = new Map<K, Line<Waiter>>()
  private readonly dispatcher: Scheduler.SchedulerDispatcher
  private readonly deliver: (call: () => void) => void
  private readonly metrics: ReturnType<typeof metricsOf.of>
  private waiters = 0
  constructor(context: Context.Context<never>, name: string | undefined) {
    const scheduler = Context.get(context, Scheduler.Scheduler)
    this.dispatcher = scheduler.makeDispatcher()
    this.deliver = shallow(scheduler)
    this.metrics = metricsOf.of(context, { name })
  }

  get held(): number {
    return this.lines.size
  }

  get waiting(): number {
    return this.waiters
  }

  /** Takes the key if nobody has it. */
  take(key: K): boolean {
    if (this.lines.has(key)) return false
    this.lines.set(key, new Line())
    this.metrics.counts.active++
    return true
  }

  /** Waits in line until the key is passed on to it. An interruption leaves the line, and passes on what was just got. */
  wait(key: K): Effect.Effect<void> {
    return Effect.callback((resume) => {
      const { latency } = this.metrics
      const since = latency?.now() ?? 0
      const waiter = new Waiter(() => {
        latency?.took(latency.now() - since)
        resume(Effect.void)
      })
      const line = this.lines.get(key)
      if (line === undefined) {
        // It has become free meanwhile. Who resumes at once cannot say what an interruption in that step does.
        this.take(key)
        waiter.has = true
        this.dispatcher.scheduleTask(waiter.resume, 0)
      } else {
        line.push(waiter)
        this.count(1)
      }
      return Effect.sync(() => {
        if (waiter.has) return this.pass(key)
        line?.remove(waiter)
        this.count(-1)
      })
    })
  }

  /** Whoever has the key gives it to the first in line. */
  pass(key: K): void {
    const waiter = this.lines.get(key)?.shift()
    if (waiter === undefined) {
      this.lines.delete(key)
      this.metrics.counts.active--
      return
    }
    this.count(-1)
    waiter.has = true
    this.deliver(waiter.resume)
  }

  private count(change: number): void {
    this.waiters += change
    this.metrics.counts.waiting += change
  }
}
