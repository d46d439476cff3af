import { assert } from "@effect/vitest"

/** What must be so at each of a million steps: chai, each of whose assertions costs more than a step, is asked only where it is not. */
export const holds = (so: boolean, what: string): void => {
  if (!so) assert.fail(what)
}

/** The same of two values that must be one. */
export const same = <A>(actual: A, expected: A, what: string): void => {
  if (actual !== expected) assert.strictEqual(actual, expected, what)
}
