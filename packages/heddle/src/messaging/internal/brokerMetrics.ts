import { type Tally, tally, type TallyOf } from "../../internal/Tally.ts"

/** How many messages went which way. */
export type MessageTally = Tally<"published" | "received" | "dropped">

export const messageTally: TallyOf<keyof MessageTally> = tally("heddle_messages_total", {
  description: "Messages that this process has published, received, and dropped because a subscription was full",
  type: "counter",
  label: "backend",
  by: "outcome",
  zero: { published: 0, received: 0, dropped: 0 }
})
