import type { Options } from "../Barrier.ts"
import { InvalidKey } from "../KvEntry.ts"
import { checkText, checkWhole, leaseTtl, waitMillis } from "./kvRequest.ts"

/** A barrier's options, checked. Durations are milliseconds. */
export interface BarrierRequest {
  readonly key: string
  /** What all of its keys in the store begin with. */
  readonly prefix: string
  readonly parties: number
  readonly ttl: number
  readonly waitFor: number
}

export const checkBarrier = (options: Options): BarrierRequest | InvalidKey => {
  const { key, parties } = options
  const wrong = checkText("key", key, 200) ?? checkWhole("parties", parties, 1000)
  if (wrong !== undefined) return wrong
  const ttl = leaseTtl(options.ttl)
  if (ttl instanceof InvalidKey) return ttl
  const waitFor = waitMillis(options.waitFor)
  if (waitFor instanceof InvalidKey) return waitFor
  return { key, prefix: `heddle/barrier/${segment(key)}/`, parties, ttl, waitFor }
}

/** The key without a slash, so that no barrier's prefix reaches into another's. */
const segment = (key: string): string => key.replaceAll("%", "%25").replaceAll("/", "%2F")
