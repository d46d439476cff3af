/** Heddle's `Topic` on `NatsBroker`. */
import { NatsBroker } from "@heddle/nats"
import { heddle } from "../Subject.ts"

export const open = heddle((url) => NatsBroker.layer({ servers: [url] }))
