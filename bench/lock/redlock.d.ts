// redlock ships types, but its exports do not name them.
declare module "redlock" {
  import type { Redis } from "ioredis"
  export interface Lock {
    release(): Promise<unknown>
    extend(ttl: number): Promise<Lock>
  }
  export default class Redlock {
    constructor(
      clients: ReadonlyArray<Redis>,
      settings: { readonly retryCount: number; readonly retryDelay: number; readonly retryJitter: number }
    )
    acquire(keys: ReadonlyArray<string>, ttl: number): Promise<Lock>
  }
}
