import type { Hold } from "../../coordination/internal/leaseKeeper.ts"
import type { Claimed } from "../Job.ts"
import type { Held } from "../JobBackend.ts"
import type { KeptJob } from "./jobSteps.ts"

/** What names a claim. */
export type ClaimName = Pick<Held, "queue" | "id" | "token">

/** A claim that is not known to be over. */
export interface Open {
  readonly job: Claimed
  /** While it is kept. */
  hold: Hold<KeptJob> | undefined
}

/**
 * The claims of a store that are not known to be over. Of a job it is the last: by it the store has said that those before are.
 * By queue and by id, as a name of both would be made anew each time that it is looked up.
 */
export class OpenClaims {
  private readonly queues = new Map<string, Map<string, Open>>()

  add(job: Claimed): void {
    let jobs = this.queues.get(job.queue)
    if (jobs === undefined) this.queues.set(job.queue, jobs = new Map())
    jobs.set(job.id, { job, hold: undefined })
  }

  get({ id, queue, token }: ClaimName): Open | undefined {
    const open = this.queues.get(queue)?.get(id)
    return open?.job.token === token ? open : undefined
  }

  /** It is over; undefined where that was known. */
  take(name: ClaimName): Open | undefined {
    const open = this.get(name)
    const jobs = this.queues.get(name.queue)
    if (open === undefined || jobs === undefined) return undefined
    jobs.delete(name.id)
    if (jobs.size === 0) this.queues.delete(name.queue)
    return open
  }
}
