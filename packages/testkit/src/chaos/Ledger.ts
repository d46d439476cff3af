import type { Commit, Reading, Watching } from "../Commits.ts"
import * as Commits from "../Commits.ts"
import * as History from "../History.ts"
import * as Linearizable from "../Linearizable.ts"

/** A resource that is locked, and how many permits it has. */
export interface Resource {
  readonly name: string
  readonly limit: number
}

/** What all clients of a round did and saw. */
export class Ledger {
  readonly operations: Array<Linearizable.Operation> = []
  readonly commits: Array<Commit> = []
  readonly readings: Array<Reading> = []
  readonly watches: Array<Watching> = []
  readonly stays: Array<History.Event> = []
  readonly faults: Array<string> = []
  /** What must not happen and did, a sentence each. */
  readonly wrong: Array<string> = []
  /** How long all may take to come to an end once everything is healed, in milliseconds. */
  readonly patience: number
  private readonly counts = new Map<string, number>()
  constructor(patience: number) {
    this.patience = patience
  }

  count(what: string, by = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + by)
  }

  get counted(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.counts].sort(([one], [other]) => one < other ? -1 : 1))
  }

  /** All that is wrong. Who forgets may let two in at once: then only the tokens must grow. */
  judge(resources: ReadonlyArray<Resource>, forgets: boolean): ReadonlyArray<string> {
    const { undecided, violations } = Linearizable.check(this.operations)
    return [
      ...this.wrong,
      ...violations.map(({ message }) => message),
      ...undecided.map((key) => `key ${key}: the search for an order was given up`),
      ...(this.watches.length > 0 ? Commits.check(this) : []),
      ...resources.flatMap(({ limit, name }) => {
        const events = this.stays.filter((event) => "key" in event && event.key === name)
        return History.check(events, { limit })
          .filter(({ rule }) => !forgets || rule !== "exclusion")
          .map(({ events, message }) => [message, ...events.map(line)].join("\n    "))
      })
    ]
  }
}

const line = ({ actor, at, kind, process, token }: History.Step): string =>
  `${at} ns: ${process}/${actor} ${kind}${token === undefined ? "" : ` with token ${token}`}`
