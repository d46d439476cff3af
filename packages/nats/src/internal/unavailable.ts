import { Message } from "heddle/messaging"

/** What a failed connection or request means to the caller, and what to look at. */
export const unavailable = (address: string, cause: unknown): Message.StoreUnavailable => {
  const text = cause instanceof Error ? cause.message || cause.name : String(cause)
  return new Message.StoreUnavailable({ backend: "nats", message: `NATS at ${address} ${meaning(text)}`, cause })
}

/** Whether nobody was there, as a message of `unavailable` tells it. */
export const isAway = (message: string): boolean => message.includes(" cannot be reached: ")

const meaning = (text: string): string => {
  const found = meanings.find(([pattern]) => pattern.test(text))
  return found === undefined ? `answered: ${text}` : `${found[1]} (${text})`
}

const meanings: ReadonlyArray<readonly [RegExp, string]> = [
  [/authorization|authentication/i, "refused the credentials: check the user name, the password or the token"],
  [/jetstream is not enabled|jetstream not enabled/i, "has no JetStream: start it with -js, or give the account some"],
  [/permissions/i, "does not let this user do that: allow it to publish and subscribe below the prefix"],
  [/max.?payload/i, "takes no message of this size: raise max_payload"],
  [/timeout|timed out/i, "did not answer in time: see whether it is paused, overloaded or cut off"],
  [
    /refused|ECONN|ENOTFOUND|EAI_AGAIN|EHOST|ENET|EPIPE|closed|disconnect|draining/i,
    "cannot be reached: see whether it runs there and the network lets it through"
  ]
]
