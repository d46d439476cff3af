/**
 * Checks that all who watched a store were told its commits: each one, once, whole, and in order.
 *
 * What the watchers saw, taken together, is the log of the store. Each of them must have seen all of the log that it
 * watched; the log must hold each commit that was acknowledged, and nothing that nobody committed; it must follow real time;
 * and what was read at a revision must be what the log leads to.
 *
 * **Gotchas**
 *
 * Writes are told apart by their values: let no two write the same.
 *
 * @since 0.1.0
 */
import { completeness, logOf, replay } from "./internal/commitLog.ts"
import { attribution, realTime } from "./internal/commitOrder.ts"

/**
 * What became of a key: its new value, or undefined where it was deleted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Change {
  readonly key: string
  readonly value: string | undefined
}

/**
 * What a client did, or may have done. A commit that was refused, or changed nothing, is none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Commit {
  readonly client: string
  /** Instants in milliseconds of one clock. */
  readonly invoked: number
  /** Infinity where there was no answer: then it may never have been made. */
  readonly returned: number
  /** As it was answered; undefined where it was not. */
  readonly revision: bigint | undefined
  readonly changes: ReadonlyArray<Change>
}

/**
 * What a watcher was told of a key, or of all that begin with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Watching {
  readonly name: string
  readonly key: string
  readonly prefix: boolean
  /** The first revision that it asked for. */
  readonly from: bigint
  /** The last revision that it must have been told. */
  readonly until: bigint
  readonly told: ReadonlyArray<{ readonly revision: bigint; readonly changes: ReadonlyArray<Change> }>
}

/**
 * What was read of several keys at one revision, with the revisions that wrote and made each.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reading {
  readonly client: string
  readonly invoked: number
  readonly returned: number
  readonly prefix: string
  readonly revision: bigint
  readonly entries: ReadonlyArray<Entry>
}

/**
 * An entry as it was read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly key: string
  readonly value: string
  readonly revision: bigint
  readonly created: bigint
}

/**
 * Everything that is known of a store whose keys all were absent at the beginning. At least one watcher must have seen all
 * of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Account {
  readonly commits: ReadonlyArray<Commit>
  readonly watches: ReadonlyArray<Watching>
  readonly readings: ReadonlyArray<Reading>
}

/**
 * Finds what cannot be, a sentence each; none in a good account.
 *
 * @category checking
 * @since 0.1.0
 */
export const check = ({ commits, readings, watches }: Account): ReadonlyArray<string> => {
  const wrong: Array<string> = []
  const log = logOf(watches, wrong)
  for (const watch of watches) completeness(log, watch, wrong)
  const revisions = attribution(log, commits, wrong)
  realTime(commits, revisions, readings, wrong)
  replay(log, readings, wrong)
  return wrong
}
