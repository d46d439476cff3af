/** SET NX, then compare-and-delete, on ioredis; both awaited. The waiting is a poll each 10 ms. */
import { Redis } from "ioredis"
import { setTimeout } from "node:timers/promises"
import { type Contender, fromPromises, type Open } from "../../harness/Contender.ts"

const compareAndDelete = `return redis.call("GET", KEYS[1]) == ARGV[1] and redis.call("DEL", KEYS[1]) or 0`

export const raw = async (url: string, enableAutoPipelining: boolean): Promise<Contender> => {
  const redis = new Redis(url, { enableAutoPipelining })
  const sha = String(await redis.script("LOAD", compareAndDelete))
  let count = 0
  const take = async (key: string): Promise<string> => {
    const token = `${process.pid}:${count++}`
    while (await redis.set(key, token, "PX", 10_000, "NX") === null) await setTimeout(10)
    return token
  }
  return fromPromises(take, (key, token) => redis.evalsha(sha, 1, key, token))
}

export const open: Open = (url) => raw(url, false)
