/** Heddle's `Topic` on `RedisBroker`. */
import { RedisBroker } from "@heddle/redis"
import { heddle } from "../Subject.ts"

export const open = heddle((url) => RedisBroker.layer({ url }))
