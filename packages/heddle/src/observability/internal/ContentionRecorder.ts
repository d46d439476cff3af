import type * as Fiber from "effect/Fiber"
import type { Contended, Observer, Turn } from "../../internal/Contended.ts"
import { Line, type Place } from "../../internal/Line.ts"
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

/** A wait, then a hold, then nothing: `state` only goes that way. Until then it stands in the recorder's line. */
export class ObservedTurn implements Turn, Place<ObservedTurn> {
  before: ObservedTurn | undefined = undefined
  behind: ObservedTurn | undefined = undefined
  line: Line<ObservedTurn> | undefined = undefined
  state: "waiting" | "holding" | "over" = "waiting"
  since: number
  readonly what: Contended
  readonly fiber: number
  readonly parent: ObservedTurn | undefined
  private readonly series: Series
  private readonly recorder: ContentionRecorder
  constructor(recorder: ContentionRecorder, what: Contended, fiber: AnyFiber, parent: ObservedTurn | undefined) {
    this.recorder = recorder
    this.what = what
    this.fiber = fiber.id
    this.parent = parent
    const frame = frameOf(fiber)
    this.series = recorder.seriesOf(what, siteOf(fiber, frame), frame)
    this.series.waiting++
    this.since = recorder.now()
  }

  /** A section runs in a fiber of its own: it is still they who went in. */
  get who(): string {
    return this.parent?.who ?? `${this.series.site}#${this.fiber}`
  }

  entered(): void {
    if (this.state !== "waiting") return
    this.endWait("holding")
    this.series.holding++
  }

  gaveUp(): void {
    if (this.state !== "waiting") return
    this.endWait("over")
    this.series.gaveUp++
    this.recorder.open.remove(this)
  }

  left(): void {
    if (this.state !== "holding") return this.gaveUp()
    this.series.hold.add(this.recorder.now() - this.since)
    this.series.holding--
    this.state = "over"
    this.recorder.open.remove(this)
  }

  private endWait(state: "holding" | "over"): void {
    const now = this.recorder.now()
    this.series.wait.add(now - this.since)
    this.series.waiting--
    this.since = now
    this.state = state
    this.recorder.changed()
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
  /** All who wait or hold, in order of arrival: a report finds out who is in whose way. */
  readonly open = new Line<ObservedTurn>()
  /** That of the last wait, which is often that of the next. */
  private last: Series | undefined
  private waits: ReadonlyMap<number, ObservedTurn> | undefined
  constructor(now: () => number) {
    this.now = now
  }

  readonly wait = (what: Contended, fiber: AnyFiber, parent: Turn | undefined): Turn => {
    const turn = new ObservedTurn(this, what, fiber, parent instanceof ObservedTurn ? parent : undefined)
    this.open.push(turn)
    this.changed()
    return turn
  }

  readonly waitOf = (fiber: AnyFiber): string | undefined => {
    this.waits ??= new Map(
      Array.from(this.open).filter(({ state }) => state === "waiting").map((turn) => [turn.fiber, turn])
    )
    const turn = this.waits.get(fiber.id)
    return turn === undefined ? undefined : `${turn.what.kind} ${turn.what.name}`
  }

  /** What was found out of waits holds no more. */
  changed(): void {
    this.waits = undefined
  }

  seriesOf({ kind, name }: Contended, site: string, frame: Frame | undefined): Series {
    const { last } = this
    if (last?.name === name && last.site === site && last.kind === kind) return last
    return this.last = this.find(kind, name, site, frame)
  }

  private find(kind: string, name: string, site: string, frame: Frame | undefined): Series {
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
  if (frame !== undefined) return frame.name
  const name = nameOf(fiber)
  return own.has(name) ? "unnamed" : name
}
