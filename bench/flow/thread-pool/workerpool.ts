/** workerpool. */
import { fileURLToPath } from "node:url"
import { pool } from "workerpool"
import type { Open } from "../../harness/Load.ts"
import { promises, size } from "./callers.ts"

const file = fileURLToPath(new URL("workerpool-thread.ts", import.meta.url))

export const workerpool = (n: number): Open => () => {
  const threads = pool(file, { minWorkers: size, maxWorkers: size, workerType: "thread" })
  return Promise.resolve(promises(() => threads.exec("fib", [n])))
}
