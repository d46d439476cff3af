import * as Effect from "effect/Effect"
import type { Any, Exchangeable, Layer, Policy } from "../Policy.ts"
import type { Composed } from "./policyTypes.ts"

type Run = (call: Effect.Effect<unknown, unknown, unknown>) => Effect.Effect<unknown, unknown, unknown>

/**
 * A policy whose types are stated and not followed from those of its layers: the compiler does not calculate with
 * types that are still open. `Policy.test-d.ts` holds them against each composition.
 */
export function typed<Adds, Removes, Accepts, Value, R>(
  layers: () => ReadonlyArray<Layer>,
  run: Run
): Policy<Adds, Removes, Accepts, Value, R>
export function typed(
  layers: () => ReadonlyArray<Layer>,
  run: Run
): { readonly layers: ReadonlyArray<Layer>; readonly run: Run } {
  return {
    get layers() {
      return layers()
    },
    run
  }
}

export function composed<Policies extends ReadonlyArray<Any>>(policies: Policies): Composed<Policies>
export function composed(policies: ReadonlyArray<Any & { readonly run: Run }>): Any & { readonly run: Run } {
  return typed(
    () => policies.flatMap(({ layers }) => layers),
    policies.reduceRight<Run>((inner, { run }) => (call) => run(inner(call)), (call) => call)
  )
}

export const hasTag = <Tag extends string>(tags: ReadonlyArray<Tag>, error: unknown): error is { readonly _tag: Tag } =>
  typeof error === "object" && error !== null && "_tag" in error && tags.some((tag) => tag === error._tag)

/** The time in which calls begin under one policy, and until the last of them ends. */
class Reign<P> {
  readonly policy: P
  private calls = 0
  private readonly waiting = new Set<() => void>()
  constructor(policy: P) {
    this.policy = policy
  }

  enter(): this {
    this.calls++
    return this
  }

  leave(): undefined {
    this.calls--
    if (this.calls > 0) return
    this.waiting.forEach((resume) => resume())
    this.waiting.clear()
  }

  /** Waits until no call is left; meant for when none begins any more. */
  readonly over: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.calls === 0) return resume(Effect.void)
    const done = () => resume(Effect.void)
    this.waiting.add(done)
    return Effect.sync(() => this.waiting.delete(done))
  })
}

export const reigning = <Adds, Removes, Accepts, Value, R>(
  first: Policy<Adds, Removes, Accepts, Value, R>
): Exchangeable<Adds, Removes, Accepts, Value, R> => {
  let now = new Reign(first)
  const run = <A, E extends Accepts, R1>(call: Effect.Effect<A, E, R1>) =>
    Effect.suspend(() => {
      let mine: typeof now | undefined
      // What counts a call out is there before it is counted in, so no interruption comes between.
      return Effect.onExitPrimitive(
        Effect.suspend(() => {
          mine = now.enter()
          return mine.policy.run(call)
        }),
        () => mine?.leave()
      )
    })
  return {
    policy: {
      get layers() {
        return now.policy.layers
      },
      run
    },
    exchange: (other) =>
      Effect.suspend(() => {
        const before = now
        now = new Reign(other)
        return before.over
      })
  }
}
