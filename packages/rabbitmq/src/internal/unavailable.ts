import { Message } from "heddle/messaging"

/** What a failed connection or step means to the caller, and what to look at. */
export const unavailable = (address: string, cause: unknown): Message.StoreUnavailable => {
  const text = cause instanceof Error ? cause.message || cause.name : String(cause)
  return new Message.StoreUnavailable({
    backend: "rabbitmq",
    message: `RabbitMQ at ${address} ${meaning(text)}`,
    cause
  })
}

const meaning = (text: string): string => {
  const found = meanings.find(([pattern]) => pattern.test(text))
  return found === undefined ? `answered: ${text}` : `${found[1]} (${text})`
}

const meanings: ReadonlyArray<readonly [RegExp, string]> = [
  [/ACCESS.REFUSED - Login|\b403\b.*login/i, "refused the credentials: check the user name and the password"],
  [/ACCESS.REFUSED|\b403\b/i, "does not let this user do that: allow it to configure, write and read below the prefix"],
  [
    /NOT_ALLOWED|\b530\b|ConnectionOpenOk; got/i,
    "does not let this user in: check the name of the virtual host, and the user's rights there"
  ],
  [/PRECONDITION.FAILED|\b406\b/i, "has this exchange or queue with other settings: remove it, or take another prefix"],
  [/has been removed/i, "lacks a queue that was there: try again, and it is made anew"],
  [/blocked/i, "takes no messages, because its memory or its disk is short: see its alarms"],
  [/timeout|timed out|ETIMEDOUT/i, "did not answer in time: see whether it is paused, overloaded or cut off"],
  [
    /refused|ECONN|ENOTFOUND|EAI_AGAIN|EHOST|ENET|EPIPE|clos|disconnect|abort|ended|nacked|handshake|OPERATOR|\b320\b/i,
    "cannot be reached: see whether it runs there and the network lets it through"
  ]
]
