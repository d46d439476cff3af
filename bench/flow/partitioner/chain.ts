/** A chain of promises a key: the least that can do it. */
import type { Open } from "../../harness/Load.ts"
import { promises } from "./promises.ts"

export const open: Open = () =>
  Promise.resolve(promises(() => {
    const tails = new Map<number, Promise<void>>()
    return ({ key }, run) => {
      const done = (tails.get(key) ?? Promise.resolve()).then(run)
      tails.set(key, done)
      return done
    }
  }))
