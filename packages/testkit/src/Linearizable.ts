/**
 * Checks that what many clients saw of a store's keys at the same time can be told as one after another.
 *
 * A history is linearizable if each operation can be given an instant between its invocation and its return so that, told
 * in the order of those instants, every result is what a store with one client would have given (Herlihy and Wing,
 * "Linearizability: A Correctness Condition for Concurrent Objects", 1990). A history is so if the history of each key is,
 * so keys are checked one by one. The search is that of Wing and Gong with Lowe's memoisation (WGL), as Knossos and
 * Porcupine use it.
 *
 * **Gotchas**
 *
 * The search can take exponential time, so it has a budget. It stays short where each write has a value of its own.
 *
 * **Example** (A stale read)
 *
 * ```ts
 * import { Linearizable } from "@heddle/testkit"
 *
 * const report = Linearizable.check([
 *   { key: "a", client: "1", invoked: 0, returned: 1, action: { _tag: "Put", value: "x" }, result: { _tag: "Done", revision: 1n } },
 *   { key: "a", client: "2", invoked: 2, returned: 3, action: { _tag: "Get" }, result: { _tag: "Absent" } }
 * ])
 * report.violations.map((violation) => violation.key) // => ["a"]
 * ```
 *
 * @since 0.1.0
 */
import { type Counterexample, counterexampleOf } from "./internal/counterexample.ts"
import { explain } from "./internal/explain.ts"
import { absent, type Register, registerOf } from "./internal/register.ts"
import { search } from "./internal/wgl.ts"

/**
 * What was asked of a key. `expected` is the revision on condition of which it was asked, 0 for a key that is absent.
 * `Check` asks for nothing but that: as a transaction does of a key that it does not write. `Expire` is asked by nobody: the
 * store may do so to a key that was written for a time, while it has that value. Its result is `Unknown`.
 *
 * @category models
 * @since 0.1.0
 */
export type Action =
  | { readonly _tag: "Get" }
  | { readonly _tag: "Put"; readonly value: string; readonly expected?: bigint | undefined }
  | { readonly _tag: "Delete"; readonly expected?: bigint | undefined }
  | { readonly _tag: "Check"; readonly expected: bigint }
  | { readonly _tag: "Expire"; readonly value: string }

/**
 * What was answered.
 *
 * **Details**
 *
 * `Found` and `Absent` answer a `Get`; `Absent` also a `Delete` of a key that was not there. `Done` answers a `Put`, with the
 * new revision if it was told; a `Delete` of a key that was there; and a `Check` that held. `Conflict` answers what asked on
 * condition, with the revision that the key had instead. `Unknown`: there was no answer, so it took place at any time after
 * it was asked, or never.
 *
 * @category models
 * @since 0.1.0
 */
export type Result =
  | { readonly _tag: "Found"; readonly value: string; readonly revision: bigint }
  | { readonly _tag: "Absent" }
  | { readonly _tag: "Done"; readonly revision?: bigint | undefined }
  | { readonly _tag: "Conflict"; readonly actual: bigint }
  | { readonly _tag: "Unknown" }

/**
 * One operation on one key. An operation on several is one for each, with the same instants.
 *
 * Instants are milliseconds of one clock. Two operations of which one was invoked when the other returned count as at the
 * same time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Operation {
  readonly key: string
  readonly client: string
  readonly invoked: number
  /** Not looked at where the result is `Unknown`. */
  readonly returned: number
  readonly action: Action
  readonly result: Result
}

/**
 * A key whose operations no order explains.
 *
 * @category models
 * @since 0.1.0
 */
export interface Violation {
  readonly key: string
  /** The counter-example, told line by line. */
  readonly message: string
  /** As few operations as were found to be impossible together, after what came before them. */
  readonly operations: ReadonlyArray<Operation>
}

/**
 * What a check found. `undecided` names the keys for which the budget did not suffice.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly violations: ReadonlyArray<Violation>
  readonly undecided: ReadonlyArray<string>
}

/**
 * Looks for keys, all absent at the beginning, whose operations no order explains.
 *
 * **Details**
 *
 * The budget is how many times an operation is tried for a key at most; default five million, which takes some seconds.
 *
 * @category checking
 * @since 0.1.0
 */
export const check = (
  operations: ReadonlyArray<Operation>,
  options: { readonly budget?: number | undefined } = {}
): Report => {
  const { budget = 5_000_000 } = options
  const violations: Array<Violation> = []
  const undecided: Array<string> = []
  for (const [key, all] of Map.groupBy(operations.filter(tells).map(timed), (operation) => operation.key)) {
    const { answer } = search(registerOf(all), all, beginning, { budget })
    if (answer === "undecided") undecided.push(key)
    if (answer === "no") violations.push(violationOf(key, counterexampleOf(registerOf, all, beginning, budget, look)))
  }
  return { violations, undecided }
}

const beginning = [{ state: absent, happened: new Set<never>() }]

/** A read without an answer tells nothing, nor does a check. */
const tells = ({ action, result }: Operation): boolean =>
  result._tag !== "Unknown" || action._tag !== "Get" && action._tag !== "Check"

const timed = (operation: Operation): Operation =>
  operation.result._tag === "Unknown" ? { ...operation, returned: Infinity } : operation

const unknown: Result = { _tag: "Unknown" }

/** How a counter-example is made smaller without making it false. */
const look = {
  onlyLooks: ({ action, result }: Operation) =>
    action._tag === "Get" || action._tag === "Check" || result._tag === "Conflict" || result._tag === "Absent",
  unanswered: (operation: Operation): Operation => ({ ...operation, returned: Infinity, result: unknown })
}

const violationOf = (key: string, found: Counterexample<Register, Operation>): Violation => ({
  key,
  message: explain(key, found),
  operations: found.operations
})
