/** redlock on one server, extended each third of its time, polling each 10 ms. */
import { Redis } from "ioredis"
import Redlock from "redlock"
import { type Sit, ttl } from "../../harness/Seat.ts"

export const sit: Sit = async (url, seat) => {
  const redlock = new Redlock([new Redis(url)], { retryCount: -1, retryDelay: 10, retryJitter: 5 })
  let lock = await redlock.acquire([seat], ttl * 1000)
  const extend = async () => {
    lock = await lock.extend(ttl * 1000)
  }
  setInterval(() => void extend(), ttl * 1000 / 3)
}
