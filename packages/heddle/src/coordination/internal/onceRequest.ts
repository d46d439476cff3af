import { InvalidKey } from "../KvEntry.ts"
import type { Options } from "../Once.ts"
import { checkText, leaseTtl, retentionMillis, waitMillis } from "./kvRequest.ts"

/** A call's options, checked. Durations are milliseconds. */
export interface OnceRequest {
  readonly key: string
  /** The key in the store. */
  readonly place: string
  readonly input: string
  /** Undefined: until it is deleted. */
  readonly retention: number | undefined
  readonly ttl: number
  readonly waitFor: number
}

type Unchecked = Pick<Options<unknown>, "key" | "input" | "retention" | "ttl" | "waitFor">

export const checkOnce = (options: Unchecked): OnceRequest | InvalidKey => {
  const { input = "", key } = options
  const wrong = checkText("key", key, 800) ?? (input === "" ? undefined : checkText("input", input, 65_536))
  if (wrong !== undefined) return wrong
  const retention = retentionMillis(options.retention, 86_400_000)
  if (retention instanceof InvalidKey) return retention
  const ttl = leaseTtl(options.ttl)
  if (ttl instanceof InvalidKey) return ttl
  const waitFor = waitMillis(options.waitFor)
  if (waitFor instanceof InvalidKey) return waitFor
  return {
    key,
    place: `heddle/once/${key}`,
    input,
    retention: retention === Infinity ? undefined : retention,
    ttl,
    waitFor
  }
}
