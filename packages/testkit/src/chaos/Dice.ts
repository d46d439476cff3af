import { prng } from "../internal/prng.ts"

/** Choices that follow from a seed and a name, whatever else is chosen. */
export class Dice {
  private readonly next: () => number
  constructor(seed: number, name: string) {
    let hash = seed ^ 0x811c9dc5
    for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193)
    this.next = prng(hash)
  }

  /** A whole number from `low` to `high`. */
  between(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** One of them; there must be some. */
  pick<A>(all: readonly [A, ...ReadonlyArray<A>]): A {
    return all[this.between(0, all.length - 1)] ?? all[0]
  }

  /** One of the names, each as likely as its weight says. */
  weighted<A extends string>(weights: ReadonlyArray<readonly [name: A, weight: number]>, otherwise: A): A {
    let left = this.next() * weights.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of weights) {
      left -= weight
      if (left < 0) return name
    }
    return otherwise
  }
}
