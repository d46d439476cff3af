/** Mutexes of redis-semaphore, refreshed each third of their time. */
import { Redis } from "ioredis"
import { Mutex } from "redis-semaphore"
import { type Hold, ttl } from "../../harness/Holding.ts"

let redis: Redis | undefined
const held = new Set<Mutex>()

export const hold: Hold = async (url, count) => {
  const client = redis ??= new Redis(url)
  for (let key = 0; key < count; key++) {
    const mutex = new Mutex(client, `held/${count}/${key}`, { lockTimeout: ttl, refreshInterval: ttl / 3 })
    await mutex.acquire()
    held.add(mutex)
  }
}
