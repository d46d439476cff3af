/** A chain of promises a key: the least that can do it. */
import { fromPromises, type Open } from "../../harness/Contender.ts"

export const open: Open = () => {
  const tails = new Map<string, Promise<void>>()
  const take = async (key: string): Promise<() => void> => {
    const before = tails.get(key)
    const { promise, resolve } = Promise.withResolvers<void>()
    tails.set(key, promise)
    await before
    return () => {
      if (tails.get(key) === promise) tails.delete(key)
      resolve()
    }
  }
  return Promise.resolve(fromPromises(take, (_, give) => Promise.resolve(give())))
}
