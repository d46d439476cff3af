import Bottleneck from "bottleneck"
import { Redis } from "ioredis"
import type { Open } from "../../harness/Load.ts"
import { inLanesAsync } from "../lanes.ts"

export const open: Open = async (url) => {
  const connection = new Bottleneck.IORedisConnection({ client: new Redis(url) })
  const limiter = new Bottleneck({
    connection,
    id: "customer/7",
    reservoir: 100_000_000,
    reservoirRefreshAmount: 100_000_000,
    reservoirRefreshInterval: 60_000
  })
  await limiter.ready()
  return inLanesAsync(() => limiter.schedule(() => Promise.resolve()))
}
