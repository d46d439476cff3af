/** redlock on one server, polling each 10 ms: the shortest that it is used with. Its own default is 200 ms. */
import { Redis } from "ioredis"
import Redlock from "redlock"
import { fromPromises, type Open } from "../../harness/Contender.ts"

export const open: Open = (url) => {
  const redlock = new Redlock([new Redis(url)], { retryCount: -1, retryDelay: 10, retryJitter: 5 })
  return Promise.resolve(fromPromises((key) => redlock.acquire([key], 10_000), (_, lock) => lock.release()))
}
