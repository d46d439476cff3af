import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Tracer from "effect/Tracer"
import type { Actor, Interleaver } from "./Interleaver.ts"
import { describe } from "./words.ts"

/**
 * The name a program gave to the part that runs.
 */
export const Label = Context.Reference<string | undefined>("@heddle/testkit/Explore/Label", {
  defaultValue: () => undefined
})

interface Turn {
  readonly actor: Actor | undefined
  readonly at: number
  readonly did: Array<string>
}

interface Seen {
  label: string | undefined
  span: string | undefined
  /** The last two things it did. */
  last: ReadonlyArray<string>
}

const shown = 6

/**
 * Listens to every step of a run and tells it, one line for each turn of a fiber. It changes no choice, but is slow: only
 * a run that is already known to be of interest is recorded.
 */
export class Recorder implements Tracer.Tracer {
  private readonly interleaver: Interleaver
  private readonly turns: Array<Turn> = []
  private readonly titles = new Map<Actor, string>()
  private readonly seen = new Map<Actor, Seen>()

  constructor(interleaver: Interleaver) {
    this.interleaver = interleaver
  }

  span(options: Parameters<Tracer.Tracer["span"]>[0]): Tracer.Span {
    return new Tracer.NativeSpan(options)
  }

  context = <X>(primitive: Tracer.EffectPrimitive<X>, fiber: Fiber.Fiber<unknown, unknown>): X => {
    const actor = this.interleaver.actorOf(fiber)
    // The yield of a fiber that is being preempted is no act of the program.
    if (actor !== undefined && !this.interleaver.isParking(actor)) this.record(actor, fiber, primitive)
    return primitive["~effect/Effect/evaluate"](fiber)
  }

  get trace(): ReadonlyArray<string> {
    return this.turns.map(({ actor, at, did }, index) => {
      const hidden = did.length - shown
      const told = hidden > 0 ? [`(${hidden} more)`, ...did.slice(-shown)] : did
      const who = actor === undefined ? "" : ` ${this.name(actor)}`
      const when = at === 0 ? "" : ` at ${Math.round(at * 1000) / 1000} ms`
      return `${index + 1}.${who}${when}${who + when === "" ? "" : ":"} ${told.join("; ")}`
    })
  }

  /** Puts something that no fiber did into the trace. */
  note(text: string): void {
    this.turns.push({ actor: undefined, at: this.interleaver.clock.now, did: [text] })
  }

  get waiting(): ReadonlyArray<string> {
    return Array.from(this.interleaver.live, (actor) => {
      const frames: Array<string> = []
      for (let frame = actor.fiber?.cache.stackFrame; frame !== undefined; frame = frame.parent) frames.push(frame.name)
      const inside = frames.length === 0 ? "" : ` in ${frames.join(", in ")}`
      return `${this.name(actor)}${inside}: ${this.seen.get(actor)?.last.join("; ") ?? "has not begun"}`
    })
  }

  /** Names a fiber that the program cannot name. */
  entitle(fiber: Fiber.Fiber<unknown, unknown>, title: string): void {
    const actor = this.interleaver.actorOf(fiber)
    if (actor !== undefined) this.titles.set(actor, title)
  }

  name(actor: Actor): string {
    const seen = this.seen.get(actor)
    const name = this.titles.get(actor) ?? seen?.label ?? seen?.span ?? "fiber"
    return `${name}#${actor.order}`
  }

  private record(actor: Actor, fiber: Fiber.Fiber<unknown, unknown>, primitive: object): void {
    const seen = this.seen.get(actor) ?? { label: undefined, span: undefined, last: [] }
    this.seen.set(actor, seen)
    const span = fiber.cache.span
    seen.label = fiber.getRef(Label) ?? seen.label
    seen.span = (span?._tag === "Span" ? span.name : undefined) ?? fiber.cache.stackFrame?.name ?? seen.span
    const step = describe(primitive)
    const turn = this.turns.at(-1)
    // A failure passes every frame on its way up: once is enough.
    if (step === undefined || (Exit.isExit(primitive) && turn?.actor === actor && turn.did.at(-1) === step)) return
    seen.last = [...seen.last.slice(-1), step]
    if (turn?.actor === actor) {
      turn.did.push(step)
    } else {
      this.turns.push({ actor, at: this.interleaver.clock.now, did: [step] })
    }
  }
}
