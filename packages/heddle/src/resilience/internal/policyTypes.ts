import type { Any, Policy } from "../Policy.ts"

/** What is left of the failures of a call when some are taken away. */
export type Left<E, Removes> = [Removes] extends [never] ? E : Exclude<E, Removes>

/**
 * The policy that is one around another. What the inner one adds meets the outer one, which may take it away, so the order
 * tells; how they are bracketed does not.
 */
export type Around<Outer, Inner> = Outer extends Policy<infer Adds, infer Removes, infer Accepts, infer Value, infer R>
  ? Inner extends Policy<infer Adds2, infer Removes2, infer Accepts2, infer Value2, infer R2>
    ? Policy<Adds | Left<Adds2, Removes>, Removes | Removes2, Accepts2 & (Accepts | Removes2), Value | Value2, R | R2>
  : never
  : never

/** The policy of a list, outermost first. */
export type Composed<Policies extends ReadonlyArray<Any>> = Policies extends
  readonly [infer Outer, ...infer Inner extends ReadonlyArray<Any>] ? Around<Outer, Composed<Inner>> : Policy

/** The list, where each policy accepts what those inside of it add, and otherwise what it would have to accept. */
export type Fitting<Policies extends ReadonlyArray<Any>> = Policies extends
  readonly [infer Outer, ...infer Inner extends ReadonlyArray<Any>]
  ? [Accepting<Outer, Composed<Inner>>, ...Fitting<Inner>]
  : []

type Accepting<Outer, Inner> = Outer extends Policy<infer Adds, infer Removes, infer Accepts, infer Value, infer R>
  ? Inner extends Policy<infer Inside, infer _Removes, infer _Accepts, infer _Value, infer _R>
    ? [Inside] extends [Accepts] ? Outer : Policy<Adds, Removes, Accepts | Inside, Value, R>
  : never
  : never
