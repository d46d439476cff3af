import type * as Layer from "effect/Layer"
import type { LeaseStore } from "heddle/coordination"

interface Backend {
  readonly layer: Layer.Layer<LeaseStore.LeaseStore, Error>
}

const [, , ...words] = process.argv

/** What the command line says. Only the backend that is asked for is loaded. */
export const settings = {
  store: (): Promise<Backend> => words.includes("redis") ? import("./redis.ts") : import("./memory.ts"),
  /** A part that nobody can stop is in it. */
  hangs: words.includes("--hang"),
  /** Jobs take longer than anybody waits. */
  jobTakes: words.includes("--slow") ? "1 hour" : "5 millis"
} as const
