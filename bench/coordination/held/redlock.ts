/** Locks of redlock on one server, extended each third of their time. */
import { Redis } from "ioredis"
import Redlock from "redlock"
import { type Hold, ttl } from "../../harness/Holding.ts"

let redlock: Redlock | undefined

export const hold: Hold = async (url, count) => {
  const locks = redlock ??= new Redlock([new Redis(url)], { retryCount: 0, retryDelay: 10, retryJitter: 5 })
  for (let key = 0; key < count; key++) {
    let lock = await locks.acquire([`held/${count}/${key}`], ttl)
    const extend = async () => {
      lock = await lock.extend(ttl)
    }
    setInterval(() => void extend(), ttl / 3)
  }
}
