/** redis-semaphore's Mutex, refreshed each third of its time, polling each 10 ms: its default. */
import { Redis } from "ioredis"
import { Mutex } from "redis-semaphore"
import { type Sit, ttl } from "../../harness/Seat.ts"

export const sit: Sit = (url, seat) => {
  const refreshInterval = ttl * 1000 / 3
  const options = { lockTimeout: ttl * 1000, acquireTimeout: 60_000, retryInterval: 10, refreshInterval }
  return new Mutex(new Redis(url), seat, options).acquire()
}
