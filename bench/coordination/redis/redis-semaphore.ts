/** redis-semaphore's MultiSemaphore of two permits, of which each caller takes both; polling each 10 ms, its default. */
import { Redis } from "ioredis"
import { MultiSemaphore } from "redis-semaphore"
import { fromPromises, type Open } from "../../harness/Contender.ts"

export const open: Open = (url) => {
  const redis = new Redis(url)
  const options = { lockTimeout: 10_000, acquireTimeout: 60_000, retryInterval: 10, refreshInterval: 0 }
  const take = async (key: string): Promise<MultiSemaphore> => {
    const semaphore = new MultiSemaphore(redis, key, 2, 2, options)
    await semaphore.acquire()
    return semaphore
  }
  return Promise.resolve(fromPromises(take, (_, semaphore) => semaphore.release()))
}
