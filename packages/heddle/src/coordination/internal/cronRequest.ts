import * as EffectCron from "effect/Cron"
import * as Result from "effect/Result"
import type { Options } from "../Cron.ts"
import { InvalidKey } from "../KvEntry.ts"
import type { CampaignOptions } from "../LeaderElection.ts"
import { checkText, leaseTtl } from "./kvRequest.ts"

/** A schedule, checked. Instants are milliseconds since 1970. */
export interface CronRequest {
  readonly name: string
  readonly catchUp: boolean
  readonly campaign: CampaignOptions
  /** The first tick after an instant. */
  readonly next: (after: number) => number
  /** The last tick up to an instant. */
  readonly last: (until: number) => number
}

export const checkCron = (options: Options): CronRequest | InvalidKey => {
  const { missed, name, owner, schedule, zone = "UTC" } = options
  const wrong = checkText("name", name, 200) ?? (owner === undefined ? undefined : checkText("owner", owner, 1024))
  if (wrong !== undefined) return wrong
  const ttl = leaseTtl(options.ttl)
  if (ttl instanceof InvalidKey) return ttl
  const parsed = typeof schedule === "string" ? EffectCron.parse(schedule, zone) : Result.succeed(schedule)
  if (Result.isFailure(parsed)) return invalid(parsed.failure.message)
  const cron = parsed.success
  try {
    EffectCron.next(cron, 0)
  } catch (error) {
    return invalid(String(error))
  }
  return {
    name,
    catchUp: missed === "once",
    campaign: { ttl, owner },
    next: (after) => EffectCron.next(cron, after).getTime(),
    last: (until) => EffectCron.prev(cron, until + 1).getTime()
  }
}

const invalid = (reason: string) => new InvalidKey({ field: "schedule", message: `schedule means no time: ${reason}` })
