import { JobBackend } from "heddle/messaging"
import type { Redis } from "ioredis"
import * as Script from "../src/internal/jobScript.ts"
import { jobKeys } from "../src/internal/jobSteps.ts"
import type { Args, Reply } from "../src/internal/kvScript.ts"
import { pack, unpack } from "../src/internal/msgpack.ts"

/** The script on a clock that is set, and the keys of one queue. */
const script = Script.scriptWith("local micros = tonumber(ARGV[4])")
export const { keys, start } = jobKeys("test", "queue")

/** Carries out all steps in one call. `now`: milliseconds. */
export const callScript = async (
  redis: Redis,
  now: number,
  steps: ReadonlyArray<Args>
): Promise<ReadonlyArray<Reply>> => {
  const args = [script.lua, keys.length, ...keys, start, JobBackend.level, pack(steps), now * 1000]
  const reply = await redis.callBuffer("eval", args)
  return Script.listOf(unpack(reply as Buffer))
}
