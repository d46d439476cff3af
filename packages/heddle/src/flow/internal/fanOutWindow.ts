import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type { Outcome } from "../FanOut.ts"
import { type Lanes, outcomes } from "./fanOutLanes.ts"
import { Waiters } from "./Waiters.ts"

/**
 * Outcomes between lanes and a consumer. Always: `begun <= consumed + workers + buffer`, where an outcome is consumed when the
 * consumer has it in hand; of those that are handed over together it has the first in hand, the others are still buffered.
 */
export class Window<A, B, E, SE> {
  private readonly early = new Map<number, Outcome<A, B, E>>()
  private ready: Array<Outcome<A, B, E>> = []
  private next = 0
  private handed = 0
  private end: Exit.Exit<void, SE> | undefined
  private readonly consumer = new Waiters()
  private readonly inOrder: boolean
  private readonly buffer: number
  private readonly workers: number

  constructor(options: { readonly inOrder: boolean; readonly buffer: number; readonly workers: number }) {
    this.inOrder = options.inOrder
    this.buffer = options.buffer
    this.workers = options.workers
  }

  /** How many may be begun before anything is consumed. */
  get first(): number {
    return this.workers + this.buffer
  }

  private readonly record = (outcome: Outcome<A, B, E>): void => {
    const { index } = outcome
    if (!this.inOrder) this.ready.push(outcome)
    else {
      this.early.set(index, outcome)
      for (let found = this.early.get(this.next); found !== undefined; found = this.early.get(this.next)) {
        this.early.delete(this.next++)
        this.ready.push(found)
      }
    }
    if (this.ready.length > 0) this.consumer.wakeAll()
  }

  private readonly over = (exit: Exit.Exit<void, SE>): void => {
    this.end = exit
    this.consumer.wakeAll()
  }

  /** What the lanes tell. */
  readonly told = { ...outcomes(this.record), over: this.over }

  /** What the consumer asks for the next outcomes. */
  pull<R>(lanes: Lanes<A, B, E, R, SE>): Pull.Pull<NonEmptyReadonlyArray<Outcome<A, B, E>>, SE> {
    return Effect.suspend(() => {
      lanes.raise(this.handed + this.first)
      return Effect.andThen(
        this.consumer.until(() => this.end !== undefined || this.ready.length > 0),
        Effect.suspend(() => {
          const outcomes = this.ready.splice(0, this.buffer + 1)
          if (!Arr.isReadonlyArrayNonEmpty(outcomes)) return Effect.andThen(this.end ?? Exit.void, Cause.done())
          lanes.raise(this.handed + 1 + this.first)
          this.handed += outcomes.length
          return Effect.succeed(outcomes)
        })
      )
    })
  }
}
