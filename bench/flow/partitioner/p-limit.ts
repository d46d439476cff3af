/** One p-limit a key. */
import pLimit, { type LimitFunction } from "p-limit"
import type { Open } from "../../harness/Load.ts"
import { promises } from "./promises.ts"

export const open: Open = () =>
  Promise.resolve(promises(() => {
    const limits = new Map<number, LimitFunction>()
    return ({ key }, run) => {
      let limit = limits.get(key)
      if (limit === undefined) limits.set(key, limit = pLimit(1))
      return limit(run)
    }
  }))
