/** redis-semaphore's Mutex, without its refresh timer, polling each 10 ms: its default. */
import { Redis } from "ioredis"
import { Mutex } from "redis-semaphore"
import { fromPromises, type Open } from "../../harness/Contender.ts"

export const open: Open = (url) => {
  const redis = new Redis(url)
  const options = { lockTimeout: 10_000, acquireTimeout: 60_000, retryInterval: 10, refreshInterval: 0 }
  const take = async (key: string): Promise<Mutex> => {
    const mutex = new Mutex(redis, key, options)
    await mutex.acquire()
    return mutex
  }
  return Promise.resolve(fromPromises(take, (_, mutex) => mutex.release()))
}
