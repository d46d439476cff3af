import * as Schedule from "effect/Schedule"
import type { EtcdError } from "../EtcdError.ts"

export const isPassing = ({ reason }: EtcdError): boolean => reason === "Unavailable" || reason === "DeadlineExceeded"

/** How long etcd is left alone after it failed for the moment. */
export const pause = Schedule.spaced("100 millis")
