/** A fixed window in the shortest script, on ioredis: what a decision costs that is a trip. */
import { Redis } from "ioredis"
import { createHash } from "node:crypto"
import type { Open } from "../../harness/Load.ts"
import { inLanesAsync } from "../lanes.ts"

const lua = `
local count = redis.call("INCR", KEYS[1])
if count == 1 then redis.call("PEXPIRE", KEYS[1], ARGV[2]) end
return count <= tonumber(ARGV[1])
`
const sha = createHash("sha1").update(lua).digest("hex")

export const open: Open = async (url) => {
  const redis = new Redis(url)
  await redis.script("LOAD", lua)
  return inLanesAsync(() => redis.evalsha(sha, 1, "raw:customer/7", 100_000_000, 60_000))
}
