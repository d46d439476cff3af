import { Lease } from "heddle/coordination"

/** What a failed command or connection means to the caller, and what to look at. */
export const unavailable = (address: string, cause: unknown): Lease.StoreUnavailable => {
  const text = cause instanceof Error
    ? cause.message || ("code" in cause ? String(cause.code) : cause.name)
    : String(cause)
  const message = `Redis at ${address} ${meaning(text)}`
  // ioredis hangs the command and its arguments on its errors, the password among them.
  const quiet = cause instanceof Error && !("command" in cause)
  return new Lease.StoreUnavailable({ backend: "redis", message, ...(quiet ? { cause } : {}) })
}

const meaning = (text: string): string => {
  const found = meanings.find(([pattern]) => pattern.test(text))
  return found === undefined ? `answered: ${text}` : `${found[1]} (${text})`
}

const meanings: ReadonlyArray<readonly [RegExp, string]> = [
  [/^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH)/, "refused the password: check the user name and the password"],
  [
    /^NOPERM/,
    "does not let this user do that: allow it EVAL, EVALSHA, PUBLISH, SUBSCRIBE, and the keys under the prefix"
  ],
  [/^OOM/, "is out of memory: raise maxmemory or remove keys"],
  [/^READONLY/, "is a replica: connect to the primary"],
  [/^NOREPLICAS/, "has fewer replicas than min-replicas-to-write asks for: see whether they run and can reach it"],
  [/^CLUSTERDOWN/, "has slots that nobody serves: see which of its masters is down and has no replica"],
  [/^WRONGTYPE/, "holds something else under this key: give the store a prefix of its own"],
  [/timed out|timeout|didn't receive/i, "did not answer in time: see whether it is paused, overloaded or cut off"],
  [
    /ECONN|ENOTFOUND|EAI_AGAIN|EHOST|ENET|EPIPE|ETIMEDOUT|ENOENT|closed|aborted|isn't writeable|max retries|write after|None of startup nodes|sentinels are unreachable|Cluster isn't ready/i,
    "cannot be reached: see whether it runs there and the network lets it through"
  ]
]
