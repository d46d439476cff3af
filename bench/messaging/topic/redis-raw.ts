/** ioredis: one connection that publishes, one that four listeners hear on. */
import { Redis } from "ioredis"
import { decode, encode, opening, subscribers } from "../Subject.ts"

export const open = opening(async (url, heard) => {
  const [publisher, subscriber] = [new Redis(url), new Redis(url)]
  await subscriber.subscribe("bench:values")
  for (let at = 0; at < subscribers; at++) subscriber.on("message", (_channel, json) => heard(decode(json)))
  return (value) => publisher.publish("bench:values", encode(value))
})
