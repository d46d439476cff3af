import { Lease } from "heddle/coordination"
import { numberOf } from "./advisoryKeys.ts"
import { escape } from "./leaseOps.ts"

/** What the names need of their surroundings. */
export interface Surroundings {
  readonly schema: string
  /** Notes in the database that a name uses a number, and answers which name does. */
  readonly register: (
    number: bigint,
    name: string,
    done: (user: string) => void,
    failed: (error: Lease.StoreUnavailable) => void
  ) => void
}

type Failed = (error: Lease.InvalidClaim | Lease.StoreUnavailable) => void

/** How many names are remembered; all are forgotten when there are more. */
const most = 10_000

/**
 * The numbers of resources. Two names with one number would share a lock: a name is held against the database when this
 * process first uses it.
 */
export class AdvisoryNames {
  private readonly around: Surroundings
  private readonly known = new Map<string, bigint>()
  private readonly asking = new Map<string, Array<{ readonly done: () => void; readonly failed: Failed }>>()
  constructor(around: Surroundings) {
    this.around = around
  }

  numberOf(resource: string): bigint {
    return this.known.get(resource) ?? numberOf(this.around.schema, resource)
  }

  /** Those who ask for a name at once share one look. */
  check(number: bigint, resource: string, done: () => void, failed: Failed): void {
    if (this.known.has(resource)) return done()
    const asking = this.asking.get(resource)
    if (asking !== undefined) return void asking.push({ done, failed })
    const all = [{ done, failed }]
    this.asking.set(resource, all)
    const fail: Failed = (error) => {
      this.asking.delete(resource)
      for (const { failed } of all) failed(error)
    }
    const name = escape(resource)
    this.around.register(number, name, (user) => {
      if (user !== name) return fail(new Lease.InvalidClaim({ field: "resource", message: collision(name, user) }))
      if (this.known.size >= most) this.known.clear()
      this.known.set(resource, number)
      this.asking.delete(resource)
      for (const { done } of all) done()
    }, fail)
  }
}

const collision = (name: string, user: string): string =>
  `resource "${name}" and "${user}" have the same number among advisory locks, and would share one lock: rename one`
