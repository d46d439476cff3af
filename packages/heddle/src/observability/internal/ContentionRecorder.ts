import type * as Fiber from "effect/Fiber"
import type { Contended, Observer, Turn } from "../../internal/Contended.ts"
import { nameOf } from "./FiberInfo.ts"
import { LogHistogram } from "./LogHistogram.ts"
import { spanRows } from "./spanRows.ts"

type AnyFiber = Fiber.Fiber<unknown, unknown>

/** What is known of one name, from one place in the program. */
export class Series {
  readonly kind: string
  readonly name: string
  readonly site: string
  /** Where the first who waited was. */
  readonly place: string | undefined
  readonly wait = new LogHistogram()
  readonly hold = new LogHistogram()
  gaveUp = 0
  waiting = 0
  holding = 0
  constructor(kind: string, name: string, site: string, place: string | undefined) {
    this.kind = kind
    this.name = name
    this.site = site
    this.place = place
  }
}

/** Those who wait for one thing, in order of arrival, and those who have it. */
export interface Line {
  readonly waiting: Set<ObservedTurn>
  readonly holding: Set<ObservedTurn>
}

/** A wait, then a hold, then nothing: `state` only goes that way. */
export class ObservedTurn implements Turn {
  state: "waiting" | "holding" | "over" = "waiting"
  readonly what: Contended
  readonly fiber: number
  readonly who: string
  readonly parent: ObservedTurn | undefined
  readonly line: Line
  since: number
  private readonly series: Series
  private readonly recorder: ContentionRecorder
  constructor(recorder: ContentionRecorder, what: Contended, fiber: AnyFiber, parent: ObservedTurn | undefined) {
    this.recorder = recorder
    this.what = what
    this.fiber = fiber.id
    const frame = frameOf(fiber)
    const site = siteOf(fiber, frame)
    // A section runs in a fiber of its own: it is still they who went in.
    this.who = parent?.who ?? `${site}#${fiber.id}`
    this.parent = parent
    this.series = recorder.seriesOf(what, site, frame)
    this.line = recorder.lineOf(what)
    this.since = recorder.now()
    this.line.waiting.add(this)
    this.series.waiting++
  }

  entered(): void {
    if (this.state !== "waiting") return
    this.endWait()
    this.state = "holding"
    this.line.holding.add(this)
    this.series.holding++
  }

  gaveUp(): void {
    if (this.state !== "waiting") return
    this.endWait()
    this.series.gaveUp++
    this.recorder.forget(this)
  }

  left(): void {
    if (this.state !== "holding") return this.gaveUp()
    this.series.hold.add(this.recorder.now() - this.since)
    this.series.holding--
    this.line.holding.delete(this)
    this.state = "over"
    this.recorder.forget(this)
  }

  private endWait(): void {
    const now = this.recorder.now()
    this.series.wait.add(now - this.since)
    this.series.waiting--
    this.line.waiting.delete(this)
    this.state = "over"
    this.since = now
    this.recorder.goesOn(this)
  }
}

/** No more series than a reader takes in: what comes later is one of `others`. */
const most = 500

/** Keeps what a report tells. What is over leaves its times and nothing else. */
export class ContentionRecorder implements Observer {
  readonly now: () => number
  readonly loop = new LogHistogram()
  readonly series: Array<Series> = []
  /** By kind, name and site. */
  private readonly known = new Map<string, Map<string, Map<string, Series>>>()
  private readonly others = new Map<string, Series>()
  private readonly lines = new Map<object, Map<unknown, Line>>()
  private readonly waits = new Map<number, ObservedTurn>()
  constructor(now: () => number) {
    this.now = now
  }

  readonly wait = (what: Contended, fiber: AnyFiber, parent: Turn | undefined): Turn => {
    const turn = new ObservedTurn(this, what, fiber, parent instanceof ObservedTurn ? parent : undefined)
    this.waits.set(fiber.id, turn)
    return turn
  }

  readonly waitOf = (fiber: AnyFiber): string | undefined => {
    const turn = this.waits.get(fiber.id)
    return turn === undefined ? undefined : `${turn.what.kind} ${turn.what.name}`
  }

  get open(): ReadonlyArray<Line> {
    return Array.from(this.lines.values()).flatMap((lines) => Array.from(lines.values()))
  }

  goesOn(turn: ObservedTurn): void {
    if (this.waits.get(turn.fiber) === turn) this.waits.delete(turn.fiber)
  }

  /** Nobody is left in a line: it is made again for the next. */
  forget({ line, what: { key, owner } }: ObservedTurn): void {
    if (line.waiting.size + line.holding.size > 0) return
    const lines = this.lines.get(owner)
    if (lines?.get(key) === line) lines.delete(key)
    if (lines?.size === 0) this.lines.delete(owner)
  }

  lineOf({ key, owner }: Contended): Line {
    let lines = this.lines.get(owner)
    if (lines === undefined) this.lines.set(owner, lines = new Map())
    let line = lines.get(key)
    if (line === undefined) lines.set(key, line = { waiting: new Set(), holding: new Set() })
    return line
  }

  seriesOf({ kind, name }: Contended, site: string, frame: Frame | undefined): Series {
    const found = this.known.get(kind)?.get(name)?.get(site) ??
      (this.series.length >= most ? this.others.get(kind) : undefined)
    if (found !== undefined) return found
    const full = this.series.length >= most
    const made = full
      ? new Series(kind, "others", "", undefined)
      : new Series(kind, name, site, frame?.stack()?.trim())
    this.series.push(made)
    if (full) this.others.set(kind, made)
    else within(within(this.known, kind), name).set(site, made)
    return made
  }
}

const within = <K, K2, V>(all: Map<K, Map<K2, V>>, key: K): Map<K2, V> => {
  let found = all.get(key)
  if (found === undefined) all.set(key, found = new Map())
  return found
}

const own: ReadonlySet<string> = new Set(spanRows.map(({ name }) => name))

type Frame = NonNullable<AnyFiber["cache"]["stackFrame"]>

/** The innermost function or span of the program around a wait: not the span of the pattern itself. */
const frameOf = (fiber: AnyFiber): Frame | undefined => {
  let frame = fiber.cache.stackFrame
  while (frame !== undefined && own.has(frame.name)) frame = frame.parent
  return frame
}

const siteOf = (fiber: AnyFiber, frame: Frame | undefined): string => {
  const name = frame?.name ?? nameOf(fiber)
  return own.has(name) ? "unnamed" : name
}
