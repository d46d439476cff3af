/**
 * A fair queue with direct hand-over in Lua, as short as can be: whoever gives back makes the next in line the holder and
 * tells it. Without tokens, renewal, or care for the dead: the yardstick for hand-over, not a lock to use.
 */
import { Redis } from "ioredis"
import { fromPromises, type Open } from "../../harness/Contender.ts"

const take = `
if redis.call("SET", KEYS[1], ARGV[1], "NX", "PX", 60000) then return 1 end
redis.call("RPUSH", KEYS[1] .. ":q", ARGV[1])
return 0`

const give = `
if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
local next = redis.call("LPOP", KEYS[1] .. ":q")
if not next then return redis.call("DEL", KEYS[1]) end
redis.call("SET", KEYS[1], next, "PX", 60000)
return redis.call("PUBLISH", string.match(next, "^[^:]*"), next)`

export const open: Open = async (url) => {
  const redis = new Redis(url)
  const subscriber = new Redis(url)
  const [takeSha, giveSha] = [String(await redis.script("LOAD", take)), String(await redis.script("LOAD", give))]
  const waiters = new Map<string, () => void>()
  let count = 0
  subscriber.on("message", (_: string, id: string) => {
    waiters.get(id)?.()
  })
  await subscriber.subscribe(String(process.pid))
  return fromPromises(
    async (key) => {
      const id = `${process.pid}:${count++}`
      const turn = new Promise<void>((resolve) => waiters.set(id, resolve))
      if (await redis.evalsha(takeSha, 1, key, id) === 0) await turn
      waiters.delete(id)
      return id
    },
    (key, id) => redis.evalsha(giveSha, 1, key, id)
  )
}
